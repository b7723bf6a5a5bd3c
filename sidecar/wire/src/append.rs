//! Appends, histories and snapshots as books.

use angzarr_coordinator::model::{
    Append, AppendId, CommandId, Event, ExternalId, History, Incarnation, Position, Sequence,
    Snapshot, SnapshotVersion,
};
use angzarr_proto::{internal::v1 as internal, v1};

use crate::error::Error;
use crate::field::{
    decode_any_stream, decode_correlation, decode_payload, decode_timestamp, encode_cover,
    encode_payload, encode_timestamp,
};

/// Writes an append as a book.
pub fn encode_append(append: &Append) -> v1::EventBook {
    v1::EventBook {
        cover: Some(encode_cover(&append.stream, Some(&append.correlation_id))),
        pages: append.events.iter().map(encode_event).collect(),
        next_sequence: append.next_sequence().0,
        ..v1::EventBook::default()
    }
}

/// Writes a book of any events of one stream.
pub fn encode_book(history: &History) -> v1::EventBook {
    v1::EventBook {
        cover: Some(encode_cover(&history.stream, None)),
        snapshot: history.snapshot.as_ref().map(encode_snapshot),
        pages: history.events.iter().map(encode_event).collect(),
        next_sequence: history.next_sequence.0,
        ..v1::EventBook::default()
    }
}

/// Writes what the logic sees of a root.
pub fn encode_history(
    history: &History,
    correlation: &angzarr_coordinator::model::CorrelationId,
) -> v1::EventBook {
    v1::EventBook {
        cover: Some(encode_cover(&history.stream, Some(correlation))),
        ..encode_book(history)
    }
}

fn encode_event(event: &Event) -> v1::EventPage {
    v1::EventPage {
        sequence: Some(v1::event_page::Sequence::Num(event.sequence.0)),
        created_at: Some(encode_timestamp(event.created_at)),
        event: Some(encode_payload(&event.payload)),
        external_id: event
            .external_id
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        position: event.position.0,
    }
}

/// Writes a snapshot.
pub fn encode_snapshot(snapshot: &Snapshot) -> v1::Snapshot {
    v1::Snapshot {
        sequence: snapshot.sequence.0,
        state: Some(encode_payload(&snapshot.state)),
        created_at: Some(encode_timestamp(snapshot.created_at)),
        version: snapshot.version.0,
    }
}

/// Reads a snapshot.
///
/// # Errors
/// [`Error::Invalid`] when the state or its time is missing.
pub fn decode_snapshot(snapshot: v1::Snapshot) -> Result<Snapshot, Error> {
    let state = snapshot
        .state
        .ok_or_else(|| Error::invalid("snapshot.state", "is missing"))?;
    let at = snapshot
        .created_at
        .ok_or_else(|| Error::invalid("snapshot.created_at", "is missing"))?;
    Ok(Snapshot {
        sequence: Sequence(snapshot.sequence),
        version: SnapshotVersion(snapshot.version),
        created_at: decode_timestamp(at),
        state: decode_payload(state),
    })
}

/// Writes an append as sidecars send it to each other.
pub fn encode_record(append: &Append, incarnation: Incarnation) -> internal::AppendRecord {
    internal::AppendRecord {
        append_id: append.id.as_bytes().to_vec().into(),
        position: append.position_before().0 + 1,
        book: Some(encode_append(append)),
        command_id: append.command_id.as_ref().map(ToString::to_string),
        traceparent: append.trace_parent.clone(),
        incarnation: incarnation.as_bytes().to_vec().into(),
    }
}

/// Reads an append that another sidecar sent.
///
/// # Errors
/// [`Error::Invalid`] names what is missing or out of order; such a message is a breach between sidecars.
pub fn decode_record(record: internal::AppendRecord) -> Result<Append, Error> {
    let id = AppendId::from_bytes(&record.append_id)
        .map_err(|broken| Error::invalid("append_id", broken.rule))?;
    let command_id = record
        .command_id
        .as_deref()
        .map(CommandId::parse)
        .transpose();
    let command_id = command_id.map_err(|broken| Error::invalid("command_id", broken.rule))?;
    let book = record
        .book
        .ok_or_else(|| Error::invalid("book", "is missing"))?;
    let mut append = decode_append(id, book)?;
    if append.events.is_empty() || append.position_before().0 + 1 != record.position {
        return Err(Error::invalid("position", "is not that of the first page"));
    }
    append.command_id = command_id;
    append.trace_parent = record.traceparent;
    Ok(append)
}

/// Reads a book that holds one append.
///
/// # Errors
/// [`Error::Invalid`] when pages lack their sequence, time or event, or are not contiguous.
pub fn decode_append(id: AppendId, book: v1::EventBook) -> Result<Append, Error> {
    let stream = decode_any_stream("cover", book.cover.as_ref())?;
    let given = book
        .cover
        .as_ref()
        .map_or("", |cover| &cover.correlation_id);
    let correlation_id = decode_correlation(given)?
        .ok_or_else(|| Error::invalid("cover.correlation_id", "is missing"))?;
    let mut events: Vec<Event> = Vec::with_capacity(book.pages.len());
    for (index, page) in book.pages.into_iter().enumerate() {
        let event = decode_event(index, page)?;
        let follows = events.last().is_none_or(|last| {
            last.sequence.0.checked_add(1) == Some(event.sequence.0)
                && last.position.0.checked_add(1) == Some(event.position.0)
        });
        if !follows {
            return Err(Error::invalid(
                format!("pages[{index}]"),
                "does not follow the page before it",
            ));
        }
        events.push(event);
    }
    let first_sequence = events
        .first()
        .map_or(Sequence(book.next_sequence), |event| event.sequence);
    let last_position = events
        .last()
        .map_or(Position::ORIGIN, |event| event.position);
    Ok(Append {
        id,
        stream,
        first_sequence,
        last_position,
        correlation_id,
        command_id: None,
        trace_parent: None,
        events,
    })
}

fn decode_event(index: usize, page: v1::EventPage) -> Result<Event, Error> {
    let at = |name: &str| format!("pages[{index}].{name}");
    let Some(v1::event_page::Sequence::Num(sequence)) = page.sequence else {
        return Err(Error::invalid(at("num"), "is missing"));
    };
    if sequence == u32::MAX {
        return Err(Error::invalid(at("num"), "leaves no room for a next event"));
    }
    if page.position == 0 {
        return Err(Error::invalid(at("position"), "is missing; the first is 1"));
    }
    let payload = page
        .event
        .map(decode_payload)
        .ok_or_else(|| Error::invalid(at("event"), "is missing"))?;
    let created_at = page
        .created_at
        .map(decode_timestamp)
        .ok_or_else(|| Error::invalid(at("created_at"), "is missing"))?;
    let external_id = match page.external_id.as_str() {
        "" => None,
        text => Some(
            ExternalId::parse(text)
                .map_err(|broken| Error::invalid(at("external_id"), broken.rule))?,
        ),
    };
    Ok(Event {
        sequence: Sequence(sequence),
        position: Position(page.position),
        payload,
        created_at,
        external_id,
    })
}
