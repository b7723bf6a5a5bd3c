//! What the stores share: how values are read from columns, and how events and outgoing work are kept in one.

mod columns;
mod history;
mod rows;
mod work;

use std::sync::Arc;

use angzarr_coordinator::model::{
    Append, Edition, Event, ExternalId, NewEvent, Payload, Position, Sequence, Timestamp,
};
use angzarr_coordinator::port::log::PartitionPage;
use angzarr_coordinator::port::store::{Cause, Error};
use angzarr_coordinator::port::writer::Proposal;
use bytes::Bytes;
use prost::Message;

pub(crate) use columns::{Columns, Row, read_value, unreadable};
pub(crate) use history::Reading;
pub(crate) use rows::{
    read_append, read_append_of, read_identity, read_parked_root, read_root, read_root_head,
    read_snapshot, read_source, read_work, read_work_head,
};
pub(crate) use work::{StoredWork, TARGET_BYTES, decode_target, decode_work, encode_work};

/// A store holds what it must not hold.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Corrupt {
    what: String,
    source: Option<Cause>,
}

impl Corrupt {
    /// Something that contradicts the rest.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            source: None,
        }
    }

    /// Something that cannot be read, with the reason.
    pub(crate) fn because<E: std::error::Error + Send + Sync + 'static>(
        what: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self {
            what: what.into(),
            source: Some(Arc::new(source)),
        }
    }
}

impl From<Corrupt> for Error {
    fn from(Corrupt { what, source }: Corrupt) -> Self {
        Self::Corrupt(match source {
            Some(source) => format!("{what}: {source}"),
            None => what,
        })
    }
}

/// A partition without any append.
pub(crate) const EMPTY_PAGE: PartitionPage = PartitionPage {
    previous: None,
    appends: Vec::new(),
    head: Position::ORIGIN,
    head_append: None,
};

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
    let stored = StoredEvents::decode(blob).map_err(Corrupt::because("events"))?;
    let before = last.0.checked_sub(stored.events.len() as u64).map(Position);
    let misfit = || Corrupt::new("events: their number does not fit their position");
    let before = before.ok_or_else(misfit)?;
    let events = stored.events.into_iter().enumerate().map(|(index, event)| {
        let external_id = event.external_id.as_deref().map(ExternalId::parse);
        let external_id = external_id.transpose();
        Ok(Event {
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
            external_id: external_id.map_err(Corrupt::because("events"))?,
        })
    });
    events.collect()
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

/// The edition as a column: empty for the main timeline, which sorts first.
pub(crate) fn edition_column(edition: &Edition) -> &str {
    match edition {
        Edition::Main => "",
        Edition::Branch(name) => name,
    }
}

/// A number as a column; one that is too large is the largest.
pub(crate) fn column(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
