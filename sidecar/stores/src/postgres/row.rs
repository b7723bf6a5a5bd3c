//! How rows are read.

use sqlx::postgres::PgRow;
use sqlx::{Column, Row as _, TypeInfo};
use uuid::Uuid;

use crate::stored::{Corrupt, Row, unreadable};

/// The columns of an append, of the table or function named `a`.
macro_rules! append_columns {
    () => {
        "a.first_sequence, a.last_position, a.append_id, a.correlation_id, a.command_id, a.trace_parent, a.events"
    };
}
pub(super) use append_columns;

impl Row for PgRow {
    fn integer(&self, at: usize) -> Result<Option<i64>, Corrupt> {
        let column = self.try_column(at).map_err(unreadable(at))?;
        let value = match column.type_info().name() {
            "INT2" => self
                .try_get(at)
                .map(|value: Option<i16>| value.map(i64::from)),
            "INT4" => self
                .try_get(at)
                .map(|value: Option<i32>| value.map(i64::from)),
            _ => self.try_get(at),
        };
        value.map_err(unreadable(at))
    }

    fn text(&self, at: usize) -> Result<Option<&str>, Corrupt> {
        self.try_get(at).map_err(unreadable(at))
    }

    fn bytes(&self, at: usize) -> Result<Option<&[u8]>, Corrupt> {
        self.try_get(at).map_err(unreadable(at))
    }

    fn uuid(&self, at: usize) -> Result<Option<Uuid>, Corrupt> {
        self.try_get(at).map_err(unreadable(at))
    }
}
