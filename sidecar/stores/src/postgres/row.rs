//! How the model's values are stored in columns.

use angzarr_coordinator::model::{
    Append, AppendId, CommandId, Cursor, Domain, Edition, Incarnation, Position, Root, Sequence,
    Status, StoreId, StoreIdentity, StreamId,
};
use bytes::Bytes;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::error::Fault;
use crate::stored::{Corrupt, decode_events, decode_status, read_correlation, unsigned};

/// The columns that [`read_append`] reads, in its order, of the table or function named `a`.
macro_rules! append_columns {
    () => {
        "a.first_sequence, a.last_position, a.append_id, a.correlation_id, a.command_id, a.trace_parent, a.events"
    };
}
pub(super) use append_columns;

/// The root as a column.
pub(super) fn root_column(root: &Root) -> Uuid {
    Uuid::from_bytes(*root.as_bytes())
}

/// Reads a sequence.
pub(super) fn read_sequence(value: i64) -> Result<Sequence, Corrupt> {
    u32::try_from(value)
        .map(Sequence)
        .map_err(|error| Corrupt::new("sequence", error))
}

/// Reads a stream of a known domain from the columns edition and root, beginning at `at`.
pub(super) fn read_stream_id(domain: &Domain, row: &PgRow, at: usize) -> Result<StreamId, Fault> {
    let edition: &str = row.try_get(at)?;
    Ok(StreamId {
        domain: domain.clone(),
        edition: Edition::parse(Some(edition)).map_err(|e| Corrupt::new("edition", e))?,
        root: read_root(row.try_get(at + 1)?)?,
    })
}

/// Reads a stream from the columns domain, edition and root, beginning at `at`.
pub(super) fn read_whole_stream_id(row: &PgRow, at: usize) -> Result<StreamId, Fault> {
    let domain = Domain::parse(row.try_get(at)?).map_err(|e| Corrupt::new("domain", e))?;
    read_stream_id(&domain, row, at + 1)
}

pub(super) fn read_root(root: Uuid) -> Result<Root, Corrupt> {
    Root::from_bytes(root.as_bytes()).map_err(|e| Corrupt::new("root", e))
}

/// Reads the columns of [`append_columns`], beginning at `at`. No events stand for an append without any.
pub(super) fn read_append(stream: &StreamId, row: &PgRow, at: usize) -> Result<Append, Fault> {
    let first_sequence = read_sequence(row.try_get(at)?)?;
    let last_position = Position(unsigned(row.try_get(at + 1)?));
    let command_id: Option<&str> = row.try_get(at + 4)?;
    let command_id = command_id
        .map(CommandId::parse)
        .transpose()
        .map_err(|e| Corrupt::new("command id", e))?;
    let events: Option<&[u8]> = row.try_get(at + 6)?;
    let events = match events {
        Some(blob) => decode_events(Bytes::copy_from_slice(blob), first_sequence, last_position)?,
        None => Vec::new(),
    };
    Ok(Append {
        id: AppendId(row.try_get(at + 2)?),
        stream: stream.clone(),
        first_sequence,
        last_position,
        correlation_id: read_correlation(row.try_get(at + 3)?)?,
        command_id,
        trace_parent: row.try_get(at + 5)?,
        events,
    })
}

/// Reads a cursor from the columns position, append id, store id and incarnation, beginning at `at`.
pub(super) fn read_cursor(row: &PgRow, at: usize) -> Result<Cursor, Fault> {
    let append_id: Option<Uuid> = row.try_get(at + 1)?;
    Ok(Cursor {
        position: Position(unsigned(row.try_get(at)?)),
        append_id: append_id.map(AppendId),
        identity: read_identity(row, at + 2)?,
    })
}

/// Reads an identity from the columns store id and incarnation, beginning at `at`.
pub(super) fn read_identity(row: &PgRow, at: usize) -> Result<StoreIdentity, Fault> {
    Ok(StoreIdentity {
        store_id: StoreId(row.try_get(at)?),
        incarnation: Incarnation(row.try_get(at + 1)?),
    })
}

/// Reads a status from the columns code, message and details, beginning at `at`; absent when there is no code.
pub(super) fn read_status(row: &PgRow, at: usize) -> Result<Option<Status>, Fault> {
    let Some(code) = row.try_get(at)? else {
        return Ok(None);
    };
    let status = decode_status(code, row.try_get(at + 1)?, row.try_get(at + 2)?)?;
    Ok(Some(status))
}
