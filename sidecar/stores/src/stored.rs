//! How values that every store keeps whole stand in their columns: events, outgoing work, statuses.

use angzarr_coordinator::model::{
    Code, CorrelationId, Edition, Event, ExternalId, Facts, NewEvent, Payload, Position, Sequence,
    Status, Timestamp,
};
use angzarr_coordinator::port::progress::Work;
use angzarr_proto::v1;
use angzarr_wire::{decode_command, decode_facts, decode_stream, encode_command, encode_facts};
use bytes::Bytes;
use prost::Message;

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

/// Writes events as they stand in a column.
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

/// Outgoing work as it stands in columns.
pub(crate) struct StoredWork {
    pub(crate) command: Option<Vec<u8>>,
    pub(crate) facts: Option<Vec<u8>>,
    pub(crate) trace_parent: Option<String>,
}

/// Writes outgoing work: as the message that is sent.
pub(crate) fn encode_work(work: &Work) -> StoredWork {
    match work {
        Work::Command(command) => StoredWork {
            command: Some(encode_command(command).encode_to_vec()),
            facts: None,
            trace_parent: command.trace_parent.clone(),
        },
        Work::Facts(facts) => StoredWork {
            command: None,
            facts: Some(encode_facts(facts).encode_to_vec()),
            trace_parent: facts.trace_parent.clone(),
        },
    }
}

/// Reads outgoing work.
pub(crate) fn decode_work(stored: StoredWork) -> Result<Work, Corrupt> {
    let broken = |error: angzarr_wire::Error| Corrupt::new("outgoing work", error);
    let unreadable = |error: prost::DecodeError| Corrupt::new("outgoing work", error);
    if let Some(bytes) = stored.command {
        let book = v1::CommandBook::decode(&bytes[..]).map_err(unreadable)?;
        let mut command = decode_command(book).map_err(broken)?;
        command.trace_parent = stored.trace_parent;
        return Ok(Work::Command(command));
    }
    let bytes = stored
        .facts
        .ok_or_else(|| Corrupt::new("outgoing work", "it is empty"))?;
    let book = v1::EventBook::decode(&bytes[..]).map_err(unreadable)?;
    let mut facts = if book.pages.is_empty() {
        decode_nothing(&book)?
    } else {
        // Every fact has its time already.
        let unused = Timestamp {
            seconds: 0,
            nanos: 0,
        };
        decode_facts(book, unused).map_err(broken)?
    };
    facts.trace_parent = stored.trace_parent;
    Ok(Work::Facts(facts))
}

/// A record without facts stands for a wish that nothing can be made of.
fn decode_nothing(book: &v1::EventBook) -> Result<Facts, Corrupt> {
    let cover = book.cover.as_ref();
    let correlation = cover.map_or("", |cover| &cover.correlation_id);
    Ok(Facts {
        stream: decode_stream(cover).map_err(|error| Corrupt::new("outgoing work", error))?,
        correlation_id: read_correlation(correlation)?,
        events: Vec::new(),
        expected: None,
        trace_parent: None,
    })
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
    let code = CODES
        .into_iter()
        .find(|known| *known as i32 == code)
        .ok_or_else(|| Corrupt::new("status code", code))?;
    Ok(Status {
        code,
        message,
        details: details.into(),
    })
}

const CODES: [Code; 16] = [
    Code::Cancelled,
    Code::Unknown,
    Code::InvalidArgument,
    Code::DeadlineExceeded,
    Code::NotFound,
    Code::AlreadyExists,
    Code::PermissionDenied,
    Code::ResourceExhausted,
    Code::FailedPrecondition,
    Code::Aborted,
    Code::OutOfRange,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
    Code::Unauthenticated,
];
