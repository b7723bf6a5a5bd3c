//! How the model's values are stored in columns.

use angzarr_coordinator::model::{
    Append, AppendId, CommandId, Cursor, Domain, Edition, Incarnation, Position, Root, Sequence,
    Status, StoreId, StoreIdentity, StreamId,
};
use bytes::Bytes;
use prost::Message;
use rusqlite::Row;

use super::error::Fault;
pub(super) use crate::stored::{column, edition_column, encode_events, row_limit, unsigned};
use crate::stored::{decode_events, decode_status, read_correlation};

const SEQUENCE_BITS: u32 = 32;
const POSITION_BITS: u32 = 44;

/// What is kept of an append without events, in the column `empty` of its command.
#[derive(Clone, PartialEq, Message)]
struct StoredEmpty {
    #[prost(bytes = "bytes", tag = "1")]
    append_id: Bytes,
    #[prost(uint64, tag = "2")]
    last_position: u64,
    #[prost(string, tag = "3")]
    correlation_id: String,
    #[prost(string, optional, tag = "4")]
    trace_parent: Option<String>,
}

/// The columns that [`read_append`] reads, in its order, of the table `appends` named `a`.
macro_rules! append_columns {
    () => {
        "a.id, a.append_id, a.last_position, a.correlation_id, a.command_id, a.trace_parent, a.events"
    };
}
pub(super) use append_columns;

/// How many columns [`append_columns`] names.
pub(super) const APPEND_COLUMNS: usize = 7;

/// The key of an append: its stream's number and its first sequence.
pub(super) fn append_key(stream: i64, first: Sequence) -> i64 {
    (stream << SEQUENCE_BITS) | i64::from(first.0)
}

/// The last key that an append of a stream may have.
pub(super) fn last_append_key(stream: i64) -> i64 {
    append_key(stream, Sequence(u32::MAX))
}

/// The key of a place in the log: its partition's number and a position.
pub(super) fn place_key(partition: i64, position: Position) -> i64 {
    let most = (1_u64 << POSITION_BITS) - 1;
    (partition << POSITION_BITS) | column(position.0.min(most))
}

/// The last key that a place of a partition may have.
pub(super) fn last_place_key(partition: i64) -> i64 {
    place_key(partition, Position(u64::MAX))
}

/// The position in a key of the log.
pub(super) fn place_position(key: i64) -> Position {
    Position(unsigned(key & ((1 << POSITION_BITS) - 1)))
}

/// Reads a stream of a known domain from the columns edition and root, beginning at `at`.
pub(super) fn read_stream_id(domain: &Domain, row: &Row<'_>, at: usize) -> Result<StreamId, Fault> {
    let edition = row.get_ref(at)?.as_str().map_err(from_sql)?;
    let root = row.get_ref(at + 1)?.as_blob().map_err(from_sql)?;
    Ok(StreamId {
        domain: domain.clone(),
        edition: Edition::parse(Some(edition)).map_err(|e| Fault::corrupt("edition", e))?,
        root: read_root(root)?,
    })
}

/// Reads a stream from the columns domain, edition and root, beginning at `at`.
pub(super) fn read_whole_stream_id(row: &Row<'_>, at: usize) -> Result<StreamId, Fault> {
    let domain = row.get_ref(at)?.as_str().map_err(from_sql)?;
    let domain = Domain::parse(domain).map_err(|e| Fault::corrupt("domain", e))?;
    read_stream_id(&domain, row, at + 1)
}

pub(super) fn read_root(bytes: &[u8]) -> Result<Root, Fault> {
    Root::from_bytes(bytes).map_err(|e| Fault::corrupt("root", e))
}

pub(super) fn read_append_id(bytes: &[u8]) -> Result<AppendId, Fault> {
    AppendId::from_bytes(bytes).map_err(|e| Fault::corrupt("append id", e))
}

/// Reads the columns of [`append_columns`], which must come first in the row.
pub(super) fn read_append(stream: &StreamId, row: &Row<'_>) -> Result<Append, Fault> {
    let command_id = match row.get_ref(4)?.as_str_or_null().map_err(from_sql)? {
        Some(text) => Some(CommandId::parse(text).map_err(|e| Fault::corrupt("command id", e))?),
        None => None,
    };
    let key: i64 = row.get(0)?;
    let first_sequence = Sequence((key & i64::from(u32::MAX)) as u32);
    let last_position = Position(unsigned(row.get(2)?));
    let events = Bytes::copy_from_slice(row.get_ref(6)?.as_blob().map_err(from_sql)?);
    let events = decode_events(events, first_sequence, last_position)?;
    Ok(Append {
        id: read_append_id(row.get_ref(1)?.as_blob().map_err(from_sql)?)?,
        stream: stream.clone(),
        first_sequence,
        last_position,
        correlation_id: read_correlation(row.get_ref(3)?.as_str().map_err(from_sql)?)?,
        command_id,
        trace_parent: row.get(5)?,
        events,
    })
}

/// Writes what is kept of an append without events.
pub(super) fn encode_empty(append: &Append) -> Vec<u8> {
    StoredEmpty {
        append_id: Bytes::copy_from_slice(append.id.as_bytes()),
        last_position: append.last_position.0,
        correlation_id: append.correlation_id.to_string(),
        trace_parent: append.trace_parent.clone(),
    }
    .encode_to_vec()
}

/// Reads an append without events.
pub(super) fn decode_empty(
    blob: &[u8],
    stream: &StreamId,
    command_id: &CommandId,
    first_sequence: Sequence,
) -> Result<Append, Fault> {
    let stored = StoredEmpty::decode(blob).map_err(|e| Fault::corrupt("empty append", e))?;
    Ok(Append {
        id: read_append_id(&stored.append_id)?,
        stream: stream.clone(),
        first_sequence,
        last_position: Position(stored.last_position),
        correlation_id: read_correlation(&stored.correlation_id)?,
        command_id: Some(command_id.clone()),
        trace_parent: stored.trace_parent,
        events: Vec::new(),
    })
}

/// Reads a cursor from the columns position, append id, store id and incarnation, beginning at `at`.
pub(super) fn read_cursor(row: &Row<'_>, at: usize) -> Result<Cursor, Fault> {
    let append_id = match row.get_ref(at + 1)?.as_blob_or_null().map_err(from_sql)? {
        Some(bytes) => Some(read_append_id(bytes)?),
        None => None,
    };
    Ok(Cursor {
        position: Position(unsigned(row.get(at)?)),
        append_id,
        identity: read_identity(row, at + 2)?,
    })
}

/// Reads an identity from the columns store id and incarnation, beginning at `at`.
pub(super) fn read_identity(row: &Row<'_>, at: usize) -> Result<StoreIdentity, Fault> {
    let store_id = row.get_ref(at)?.as_blob().map_err(from_sql)?;
    let incarnation = row.get_ref(at + 1)?.as_blob().map_err(from_sql)?;
    Ok(StoreIdentity {
        store_id: StoreId::from_bytes(store_id).map_err(|e| Fault::corrupt("store id", e))?,
        incarnation: Incarnation::from_bytes(incarnation)
            .map_err(|e| Fault::corrupt("incarnation", e))?,
    })
}

/// Reads a status from the columns code, message and details, beginning at `at`; absent when there is no code.
pub(super) fn read_status(row: &Row<'_>, at: usize) -> Result<Option<Status>, Fault> {
    let Some(code) = row.get::<_, Option<i32>>(at)? else {
        return Ok(None);
    };
    let status = decode_status(code, row.get(at + 1)?, row.get(at + 2)?)?;
    Ok(Some(status))
}

/// A column of another type than the schema says.
pub(super) fn from_sql(error: rusqlite::types::FromSqlError) -> Fault {
    Fault::corrupt("column", error)
}
