//! How outgoing work is kept until it is sent.
//!
//! # Design
//! The messages are of the stores alone: what a client may send is another question, and a rule that is added there must not make stored work
//! unreadable. A number is never used for another meaning.

use std::error::Error;

use angzarr_coordinator::command::payload_hash;
use angzarr_coordinator::model::{
    Command, CommandId, CorrelationId, Domain, Edition, ExternalId, ExternalKey, Facts,
    MergeStrategy, NewEvent, Origin, Payload, Root, Sequence, StreamId, Timestamp,
};
use angzarr_coordinator::port::progress::{Malformed, Work};
use bytes::Bytes;
use prost::Message;

use super::{Corrupt, edition_column};

/// Outgoing work as it is kept in columns.
#[derive(Default)]
pub(crate) struct StoredWork {
    pub(crate) command: Option<Vec<u8>>,
    pub(crate) facts: Option<Vec<u8>>,
    pub(crate) trace_parent: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredRoot {
    #[prost(bytes = "bytes", tag = "1")]
    value: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct StoredStream {
    #[prost(message, optional, tag = "1")]
    root: Option<StoredRoot>,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(string, tag = "3")]
    correlation_id: String,
    #[prost(string, optional, tag = "4")]
    edition: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredPayload {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct StoredCommand {
    #[prost(message, optional, tag = "1")]
    stream: Option<StoredStream>,
    #[prost(message, repeated, tag = "2")]
    pages: Vec<StoredPage>,
    #[prost(message, optional, tag = "4")]
    origin: Option<StoredOrigin>,
    #[prost(string, tag = "6")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct StoredPage {
    /// The expected sequence, in the first page.
    #[prost(uint32, tag = "1")]
    expected: u32,
    #[prost(message, optional, tag = "3")]
    payload: Option<StoredPayload>,
    #[prost(int32, tag = "4")]
    merge_strategy: i32,
}

#[derive(Clone, PartialEq, Message)]
struct StoredOrigin {
    #[prost(string, tag = "1")]
    component: String,
    #[prost(message, optional, tag = "2")]
    trigger: Option<StoredStream>,
    #[prost(uint32, tag = "3")]
    sequence: u32,
    #[prost(uint32, tag = "4")]
    index: u32,
}

#[derive(Clone, PartialEq, Message)]
struct StoredFacts {
    #[prost(message, optional, tag = "1")]
    stream: Option<StoredStream>,
    #[prost(message, repeated, tag = "3")]
    events: Vec<StoredFact>,
    /// Instead of facts: what was asked for and cannot be executed.
    #[prost(message, optional, tag = "100")]
    malformed: Option<StoredMalformed>,
}

#[derive(Clone, PartialEq, Message)]
struct StoredFact {
    /// The expected sequence, in the first fact.
    #[prost(uint32, optional, tag = "1")]
    expected: Option<u32>,
    #[prost(message, optional, tag = "3")]
    created_at: Option<StoredTime>,
    #[prost(message, optional, tag = "4")]
    payload: Option<StoredPayload>,
    #[prost(string, tag = "5")]
    external_id: String,
}

#[derive(Clone, PartialEq, Message)]
struct StoredTime {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct StoredMalformed {
    #[prost(string, tag = "1")]
    target: String,
    #[prost(string, tag = "2")]
    reason: String,
}

const STRICT: i32 = 1;
const AGGREGATE_HANDLES: i32 = 2;

/// Writes outgoing work.
pub(crate) fn encode_work(work: &Work) -> StoredWork {
    match work {
        Work::Command(command) => StoredWork {
            command: Some(encode_command(command).encode_to_vec()),
            trace_parent: command.trace_parent.clone(),
            ..StoredWork::default()
        },
        Work::Facts(facts) => StoredWork {
            facts: Some(encode_facts(facts).encode_to_vec()),
            trace_parent: facts.trace_parent.clone(),
            ..StoredWork::default()
        },
        Work::Malformed(malformed) => {
            let stored = StoredFacts {
                malformed: Some(StoredMalformed {
                    target: malformed.target.clone(),
                    reason: malformed.reason.clone(),
                }),
                ..StoredFacts::default()
            };
            StoredWork {
                facts: Some(stored.encode_to_vec()),
                ..StoredWork::default()
            }
        }
    }
}

/// Reads outgoing work.
pub(crate) fn decode_work(
    command: Option<Bytes>,
    facts: Option<Bytes>,
    trace_parent: Option<String>,
) -> Result<Work, Corrupt> {
    if let Some(bytes) = command {
        let stored = StoredCommand::decode(bytes).map_err(broken)?;
        return Ok(Work::Command(decode_command(stored, trace_parent)?));
    }
    let bytes = facts.ok_or_else(|| invalid("it is empty"))?;
    let stored = StoredFacts::decode(bytes).map_err(broken)?;
    if let Some(StoredMalformed { target, reason }) = stored.malformed {
        return Ok(Work::Malformed(Malformed { target, reason }));
    }
    Ok(Work::Facts(decode_facts(stored, trace_parent)?))
}

/// The first bytes of stored work that suffice to read its target: the stream comes first, and its texts are bounded.
pub(crate) const TARGET_BYTES: i32 = 1_024;

/// Reads the domain that work is for from the first [`TARGET_BYTES`] of its columns; absent for what cannot be executed.
pub(crate) fn decode_target(
    command: Option<Bytes>,
    facts: Option<Bytes>,
) -> Result<Option<Domain>, Corrupt> {
    /// The tag of the first field, which holds a message.
    const STREAM: u8 = 1 << 3 | 2;
    let bytes = command.or(facts).unwrap_or_default();
    let Some((&STREAM, mut rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let length = prost::decode_length_delimiter(&mut rest).map_err(broken)?;
    let stream = rest
        .get(..length)
        .ok_or_else(|| invalid("its stream is longer than allowed"))?;
    let stored = StoredStream::decode(stream).map_err(broken)?;
    Domain::parse(&stored.domain).map(Some).map_err(broken)
}

fn broken(reason: impl Error + Send + Sync + 'static) -> Corrupt {
    Corrupt::because("outgoing work")(reason)
}

fn invalid(what: &str) -> Corrupt {
    Corrupt::new(format!("outgoing work: {what}"))
}

fn encode_stream(stream: &StreamId, correlation: Option<&CorrelationId>) -> StoredStream {
    let edition = edition_column(&stream.edition);
    StoredStream {
        root: Some(StoredRoot {
            value: Bytes::copy_from_slice(stream.root.as_bytes()),
        }),
        domain: stream.domain.to_string(),
        correlation_id: correlation.map_or_else(String::new, ToString::to_string),
        edition: (!edition.is_empty()).then(|| edition.to_owned()),
    }
}

fn decode_stream(stored: Option<&StoredStream>) -> Result<StreamId, Corrupt> {
    let stored = stored.ok_or_else(|| invalid("its stream is missing"))?;
    let root = stored.root.as_ref().map_or(&[][..], |root| &root.value);
    Ok(StreamId {
        domain: Domain::parse(&stored.domain).map_err(broken)?,
        edition: Edition::parse(stored.edition.as_deref()).map_err(broken)?,
        root: Root::from_bytes(root).map_err(broken)?,
    })
}

fn decode_correlation(stored: Option<&StoredStream>) -> Result<CorrelationId, Corrupt> {
    let id = stored.map_or("", |stream| &stream.correlation_id);
    CorrelationId::parse(id).map_err(broken)
}

fn encode_payload(payload: &Payload) -> StoredPayload {
    StoredPayload {
        type_url: payload.type_url.clone(),
        value: payload.value.clone(),
    }
}

fn decode_payload(stored: Option<StoredPayload>) -> Result<Payload, Corrupt> {
    let StoredPayload { type_url, value } =
        stored.ok_or_else(|| invalid("a payload is missing"))?;
    Ok(Payload { type_url, value })
}

fn encode_command(command: &Command) -> StoredCommand {
    let merge_strategy = match command.merge_strategy {
        MergeStrategy::Strict => STRICT,
        MergeStrategy::AggregateHandles => AGGREGATE_HANDLES,
    };
    let pages = command
        .pages
        .iter()
        .enumerate()
        .map(|(index, payload)| StoredPage {
            expected: if index == 0 { command.expected.0 } else { 0 },
            payload: Some(encode_payload(payload)),
            merge_strategy,
        });
    StoredCommand {
        stream: Some(encode_stream(
            &command.stream,
            Some(&command.correlation_id),
        )),
        pages: pages.collect(),
        origin: command.origin.as_ref().map(|origin| StoredOrigin {
            component: origin.component.clone(),
            trigger: Some(encode_stream(&origin.trigger, None)),
            sequence: origin.sequence.0,
            index: origin.index,
        }),
        id: command.id.to_string(),
    }
}

fn decode_command(stored: StoredCommand, trace_parent: Option<String>) -> Result<Command, Corrupt> {
    let first = stored
        .pages
        .first()
        .ok_or_else(|| invalid("it has no page"))?;
    let merge_strategy = match first.merge_strategy {
        STRICT => MergeStrategy::Strict,
        AGGREGATE_HANDLES => MergeStrategy::AggregateHandles,
        other => return Err(invalid(&format!("merge strategy {other} is not known"))),
    };
    let expected = Sequence(first.expected);
    let pages = stored.pages.into_iter();
    Ok(Command {
        stream: decode_stream(stored.stream.as_ref())?,
        id: CommandId::parse(&stored.id).map_err(broken)?,
        correlation_id: decode_correlation(stored.stream.as_ref())?,
        expected,
        merge_strategy,
        pages: pages
            .map(|page| decode_payload(page.payload))
            .collect::<Result<_, _>>()?,
        origin: stored.origin.map(decode_origin).transpose()?,
        trace_parent,
    })
}

fn decode_origin(stored: StoredOrigin) -> Result<Origin, Corrupt> {
    Ok(Origin {
        trigger: decode_stream(stored.trigger.as_ref())?,
        component: stored.component,
        sequence: Sequence(stored.sequence),
        index: stored.index,
    })
}

fn encode_facts(facts: &Facts) -> StoredFacts {
    let events = facts
        .events
        .iter()
        .enumerate()
        .map(|(index, event)| StoredFact {
            expected: facts
                .expected
                .filter(|_| index == 0)
                .map(|sequence| sequence.0),
            created_at: Some(StoredTime {
                seconds: event.created_at.seconds,
                nanos: event.created_at.nanos,
            }),
            payload: Some(encode_payload(&event.payload)),
            external_id: event
                .external
                .as_ref()
                .map_or_else(String::new, |key| key.id.to_string()),
        });
    StoredFacts {
        stream: Some(encode_stream(&facts.stream, Some(&facts.correlation_id))),
        events: events.collect(),
        malformed: None,
    }
}

fn decode_facts(stored: StoredFacts, trace_parent: Option<String>) -> Result<Facts, Corrupt> {
    let expected = stored.events.first().and_then(|fact| fact.expected);
    let events = stored.events.into_iter().map(decode_fact);
    Ok(Facts {
        stream: decode_stream(stored.stream.as_ref())?,
        correlation_id: decode_correlation(stored.stream.as_ref())?,
        events: events.collect::<Result<_, _>>()?,
        expected: expected.map(Sequence),
        trace_parent,
    })
}

fn decode_fact(stored: StoredFact) -> Result<NewEvent, Corrupt> {
    let payload = decode_payload(stored.payload)?;
    let time = stored
        .created_at
        .ok_or_else(|| invalid("a time is missing"))?;
    Ok(NewEvent {
        external: Some(ExternalKey {
            id: ExternalId::parse(&stored.external_id).map_err(broken)?,
            hash: payload_hash([&payload]),
        }),
        payload,
        created_at: Timestamp {
            seconds: time.seconds,
            nanos: time.nanos,
        },
    })
}
