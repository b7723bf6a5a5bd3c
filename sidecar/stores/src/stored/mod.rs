//! How values that every store keeps whole are stored in columns: events, outgoing work, statuses.

mod work;

use angzarr_coordinator::model::{
    Append, Code, CorrelationId, Edition, Event, ExternalId, NewEvent, Payload, Position, Sequence,
    Status, Timestamp,
};
use angzarr_coordinator::port::writer::Proposal;
use bytes::Bytes;
use prost::Message;

pub(crate) use work::{StoredWork, TARGET_BYTES, decode_target, decode_work, encode_work};

/// A column holds what it must not hold.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Corrupt(pub(crate) String);

impl Corrupt {
    /// A column that cannot be read, with the reason.
    pub(crate) fn new(what: &str, reason: impl ToString) -> Self {
        Self(format!("{what}: {}", reason.to_string()))
    }
}

/// The events of an append. What follows from the append's own columns is not repeated. Since it is one repeated field, the encodings of two
/// lists in a row are the encoding of the list of both.
#[derive(Clone, PartialEq, Message)]
struct StoredEvents {
    #[prost(message, repeated, tag = "1")]
    events: Vec<StoredEvent>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredEvent {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
    #[prost(sint64, tag = "3")]
    seconds: i64,
    #[prost(int32, tag = "4")]
    nanos: i32,
    #[prost(string, optional, tag = "5")]
    external_id: Option<String>,
}

/// Writes events as stored in a column.
pub(crate) fn encode_events<'a>(events: impl Iterator<Item = &'a NewEvent>) -> Vec<u8> {
    let events = events.map(|event| StoredEvent {
        type_url: event.payload.type_url.clone(),
        value: event.payload.value.clone(),
        seconds: event.created_at.seconds,
        nanos: event.created_at.nanos,
        external_id: event.external.as_ref().map(|key| key.id.to_string()),
    });
    StoredEvents {
        events: events.collect(),
    }
    .encode_to_vec()
}

/// Reads the events of an append that begins at `first` and ends at `last`.
pub(crate) fn decode_events(
    blob: Bytes,
    first: Sequence,
    last: Position,
) -> Result<Vec<Event>, Corrupt> {
    let stored = StoredEvents::decode(blob)
        .map_err(|e| Corrupt::new("events", e))?
        .events;
    let before = last
        .0
        .checked_sub(stored.len() as u64)
        .map(Position)
        .ok_or_else(|| Corrupt::new("events", "their number does not fit their position"))?;
    let mut events = Vec::with_capacity(stored.len());
    for (index, event) in stored.into_iter().enumerate() {
        let external_id = event.external_id.as_deref().map(ExternalId::parse);
        events.push(Event {
            sequence: first.plus(index),
            position: before.plus(index + 1),
            payload: Payload {
                type_url: event.type_url,
                value: event.value,
            },
            created_at: Timestamp {
                seconds: event.seconds,
                nanos: event.nanos,
            },
            external_id: external_id
                .transpose()
                .map_err(|e| Corrupt::new("external id", e))?,
        });
    }
    Ok(events)
}

/// A proposal as it is recorded: with what is left of its events, the first of which gets the sequence `first`; `before` is the position before
/// them.
pub(crate) fn build_append(
    proposal: &Proposal,
    events: &[&NewEvent],
    first: Sequence,
    before: Position,
) -> Append {
    let recorded = events.iter().enumerate().map(|(index, event)| Event {
        sequence: first.plus(index),
        position: before.plus(index + 1),
        payload: event.payload.clone(),
        created_at: event.created_at,
        external_id: event.external.as_ref().map(|key| key.id.clone()),
    });
    Append {
        id: proposal.id,
        stream: proposal.stream.clone(),
        first_sequence: first,
        last_position: before.plus(events.len()),
        correlation_id: proposal.correlation_id.clone(),
        command_id: proposal.key.as_ref().map(|key| key.id.clone()),
        trace_parent: proposal.trace_parent.clone(),
        events: recorded.collect(),
    }
}

/// Reads a correlation id.
pub(crate) fn read_correlation(text: &str) -> Result<CorrelationId, Corrupt> {
    CorrelationId::parse(text).map_err(|error| Corrupt::new("correlation id", error))
}

/// The edition as a column: empty for the main timeline, which sorts first.
pub(crate) fn edition_column(edition: &Edition) -> &str {
    match edition {
        Edition::Main => "",
        Edition::Branch(name) => name,
    }
}

/// A count as a column.
pub(crate) fn column(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A column as a count.
pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A number of rows as a column.
pub(crate) fn row_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Reads a status from its columns.
pub(crate) fn decode_status(
    code: i32,
    message: String,
    details: Vec<u8>,
) -> Result<Status, Corrupt> {
    let code = Code::from_number(code).ok_or_else(|| Corrupt::new("status code", code))?;
    Ok(Status {
        code,
        message,
        details: details.into(),
        is_of_logic: false,
    })
}
