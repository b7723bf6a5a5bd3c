//! Reading a row column by column, the same whatever the database.

use std::error::Error;

use angzarr_coordinator::model::{Invalid, PayloadHash};
use bytes::Bytes;
use uuid::Uuid;

use super::Corrupt;

/// A row of a database; absent is what is NULL.
pub(crate) trait Row {
    /// Reads an integer of any width.
    fn integer(&self, at: usize) -> Result<Option<i64>, Corrupt>;
    fn text(&self, at: usize) -> Result<Option<&str>, Corrupt>;
    fn bytes(&self, at: usize) -> Result<Option<&[u8]>, Corrupt>;
    fn uuid(&self, at: usize) -> Result<Option<Uuid>, Corrupt>;
}

/// The columns of a row, which are read in their order.
pub(crate) struct Columns<'a> {
    row: &'a dyn Row,
    next: usize,
}

impl<'a> Columns<'a> {
    /// All columns of a row.
    pub(crate) fn of(row: &'a dyn Row) -> Self {
        Self::from(row, 0)
    }

    /// The columns of a row from a place on.
    pub(crate) fn from(row: &'a dyn Row, next: usize) -> Self {
        Self { row, next }
    }

    /// Reads a value that must be there.
    pub(crate) fn read<T: Value>(&mut self) -> Result<T, Corrupt> {
        let value = self.read_optional()?;
        value.ok_or_else(|| self.missing())
    }

    /// Reads a value; absent where it is NULL.
    pub(crate) fn read_optional<T: Value>(&mut self) -> Result<Option<T>, Corrupt> {
        self.next += 1;
        T::read(self.row, self.next - 1)
    }

    /// Reads a text that must be there and has the form that `parse` demands.
    pub(crate) fn parse<T>(
        &mut self,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Result<T, Corrupt> {
        let value = self.parse_optional(parse)?;
        value.ok_or_else(|| self.missing())
    }

    /// Reads a text that has the form that `parse` demands; absent where it is NULL.
    pub(crate) fn parse_optional<T>(
        &mut self,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Corrupt> {
        self.next += 1;
        let parsed = self.row.text(self.next - 1)?.map(parse).transpose();
        parsed.map_err(unreadable(self.next - 1))
    }

    fn missing(&self) -> Corrupt {
        Corrupt::new(format!("column {}: it is NULL", self.next))
    }
}

/// Says which column cannot be read, counted from 1, and why; the text is made in that case only, since every column of every row passes here.
pub(crate) fn unreadable<E: Error + Send + Sync + 'static>(at: usize) -> impl FnOnce(E) -> Corrupt {
    move |source| Corrupt::because(format!("column {}", at + 1))(source)
}

/// Reads a row of one column, which must not be NULL.
pub(crate) fn read_value<T: Value>(columns: &mut Columns<'_>) -> Result<T, Corrupt> {
    columns.read()
}

/// What a column holds.
pub(crate) trait Value: Sized {
    fn read(row: &dyn Row, at: usize) -> Result<Option<Self>, Corrupt>;
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Value for $number {
            fn read(row: &dyn Row, at: usize) -> Result<Option<Self>, Corrupt> {
                let value = row.integer(at)?.map(Self::try_from).transpose();
                value.map_err(unreadable(at))
            }
        }
    )*};
}
numbers!(i16, i32, i64, u32, u64, usize);

impl Value for String {
    fn read(row: &dyn Row, at: usize) -> Result<Option<Self>, Corrupt> {
        Ok(row.text(at)?.map(str::to_owned))
    }
}

impl Value for Bytes {
    fn read(row: &dyn Row, at: usize) -> Result<Option<Self>, Corrupt> {
        Ok(row.bytes(at)?.map(Self::copy_from_slice))
    }
}

impl Value for Uuid {
    fn read(row: &dyn Row, at: usize) -> Result<Option<Self>, Corrupt> {
        row.uuid(at)
    }
}

impl Value for PayloadHash {
    fn read(row: &dyn Row, at: usize) -> Result<Option<Self>, Corrupt> {
        let hash = row.bytes(at)?.map(<[u8; 32]>::try_from).transpose();
        Ok(hash.map_err(unreadable(at))?.map(Self))
    }
}
