//! Running prepared statements.

use rusqlite::types::{FromSql, FromSqlResult, ValueRef};
use rusqlite::{Connection, Params};
use uuid::Uuid;

use super::error::Fault;
use crate::stored::{Columns, Corrupt, Row, unreadable};

/// Runs a statement that returns no rows.
pub(super) fn execute(conn: &Connection, sql: &str, values: impl Params) -> Result<(), Fault> {
    conn.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Reads all rows of a statement.
pub(super) fn list<T>(
    conn: &Connection,
    sql: &str,
    values: impl Params,
    read: impl Fn(&mut Columns<'_>) -> Result<T, Corrupt>,
) -> Result<Vec<T>, Fault> {
    let mut found = Vec::new();
    scan(conn, sql, values, |columns| {
        found.push(read(columns)?);
        Ok(false)
    })?;
    Ok(found)
}

/// Reads the first row of a statement, if it has one.
pub(super) fn find<T>(
    conn: &Connection,
    sql: &str,
    values: impl Params,
    read: impl Fn(&mut Columns<'_>) -> Result<T, Corrupt>,
) -> Result<Option<T>, Fault> {
    let mut found = None;
    scan(conn, sql, values, |columns| {
        found = Some(read(columns)?);
        Ok(true)
    })?;
    Ok(found)
}

/// Reads the row that a statement always has.
pub(super) fn one<T>(
    conn: &Connection,
    sql: &str,
    values: impl Params,
    read: impl Fn(&mut Columns<'_>) -> Result<T, Corrupt>,
) -> Result<T, Fault> {
    let found = find(conn, sql, values, read)?;
    Ok(found.ok_or_else(|| Corrupt::new(format!("no row came of {sql}")))?)
}

/// Hands rows of a statement to `take` until it has enough.
pub(super) fn scan(
    conn: &Connection,
    sql: &str,
    values: impl Params,
    mut take: impl FnMut(&mut Columns<'_>) -> Result<bool, Corrupt>,
) -> Result<(), Fault> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        if take(&mut Columns::of(row))? {
            break;
        }
    }
    Ok(())
}

impl Row for rusqlite::Row<'_> {
    fn integer(&self, at: usize) -> Result<Option<i64>, Corrupt> {
        read(self, at, FromSql::column_result)
    }

    fn text(&self, at: usize) -> Result<Option<&str>, Corrupt> {
        read(self, at, |value| value.as_str_or_null())
    }

    fn bytes(&self, at: usize) -> Result<Option<&[u8]>, Corrupt> {
        read(self, at, |value| value.as_blob_or_null())
    }

    fn uuid(&self, at: usize) -> Result<Option<Uuid>, Corrupt> {
        let bytes: Option<[u8; 16]> = read(self, at, FromSql::column_result)?;
        Ok(bytes.map(Uuid::from_bytes))
    }
}

fn read<'a, T>(
    row: &'a rusqlite::Row<'_>,
    at: usize,
    read: impl FnOnce(ValueRef<'a>) -> FromSqlResult<T>,
) -> Result<T, Corrupt> {
    let value = row.get_ref(at).map_err(unreadable(at))?;
    read(value).map_err(unreadable(at))
}
