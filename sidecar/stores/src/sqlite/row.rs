//! The keys of appends and of their places in the log, and what is kept of an append without events.

use angzarr_coordinator::model::{
    Append, AppendId, CommandId, CorrelationId, Position, Sequence, StreamId,
};
use bytes::Bytes;
use prost::Message;

use crate::stored::{Corrupt, column};

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

/// The columns of an append, of the table `appends` named `a`; the first sequence is the lower part of the key.
macro_rules! append_columns {
    () => {
        "a.id & 4294967295, a.last_position, a.append_id, a.correlation_id, a.command_id, a.trace_parent, a.events"
    };
}
pub(super) use append_columns;

/// The key of an append: its stream's number and its first sequence.
pub(super) fn append_key(stream: i64, first: Sequence) -> i64 {
    (stream << SEQUENCE_BITS) | i64::from(first.0)
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
    blob: Bytes,
    stream: &StreamId,
    command_id: &CommandId,
    first_sequence: Sequence,
) -> Result<Append, Corrupt> {
    let stored = StoredEmpty::decode(blob).map_err(Corrupt::because("empty append"))?;
    let id = AppendId::from_bytes(&stored.append_id);
    let correlation_id = CorrelationId::parse(&stored.correlation_id);
    Ok(Append {
        id: id.map_err(Corrupt::because("empty append"))?,
        stream: stream.clone(),
        first_sequence,
        last_position: Position(stored.last_position),
        correlation_id: correlation_id.map_err(Corrupt::because("empty append"))?,
        command_id: Some(command_id.clone()),
        trace_parent: stored.trace_parent,
        events: Vec::new(),
    })
}
