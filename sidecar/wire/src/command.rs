//! Commands, facts, and what becomes of them.

use angzarr_coordinator::command::payload_hash;
use angzarr_coordinator::model::{
    Command, CommandId, CorrelationId, Executed, ExternalId, ExternalKey, Facts, MergeStrategy,
    NewEvent, Origin, Sequence, StoreIdentity, StreamId, Timestamp,
};
use angzarr_coordinator::port::store::Durability;
use angzarr_proto::v1;
use uuid::Uuid;

use crate::append::encode_append;
use crate::error::Error;
use crate::field::{
    decode_correlation, decode_payload, decode_stream, decode_stream_at, decode_timestamp,
    encode_cover, encode_payload, encode_timestamp,
};

/// Reads a command that a client or peer sent. An absent command id is assigned; an absent correlation id is derived from the command id, so
/// that a repeat has the same one.
///
/// # Errors
/// [`Error::Invalid`] names the field; [`Error::Unsupported`] for editions and merge strategies that come later.
pub fn decode_command(book: v1::CommandBook) -> Result<Command, Error> {
    let stream = decode_stream(book.cover.as_ref())?;
    let id = match book.command_id.as_str() {
        "" => CommandId::parse(&Uuid::new_v4().to_string()).expect("a UUID is a command id"),
        text => {
            CommandId::parse(text).map_err(|broken| Error::invalid("command_id", broken.rule))?
        }
    };
    let given = book
        .cover
        .as_ref()
        .map_or("", |cover| &cover.correlation_id);
    let correlation_id = decode_correlation(given)?.unwrap_or_else(|| derived_correlation(&id));
    let origin = book.saga_origin.map(decode_origin).transpose()?;
    let merge_strategy = decode_merge_strategy(&book.pages, origin.is_some())?;
    let expected = Sequence(book.pages.first().map_or(0, |page| page.sequence));
    let pages = decode_pages(book.pages)?;
    Ok(Command {
        stream,
        id,
        correlation_id,
        expected,
        merge_strategy,
        pages,
        origin,
        trace_parent: None,
    })
}

/// Reads a command that a saga asks for: only target and payload are its own; `derived` gives the rest.
///
/// # Errors
/// As [`decode_command`].
pub fn decode_requested_command(mut book: v1::CommandBook) -> Result<Command, Error> {
    book.command_id = String::new();
    book.saga_origin = None;
    for page in &mut book.pages {
        page.merge_strategy = v1::MergeStrategy::AggregateHandles.into();
    }
    decode_command(book)
}

fn derived_correlation(id: &CommandId) -> CorrelationId {
    let derived = Uuid::new_v5(&Uuid::NAMESPACE_OID, id.as_str().as_bytes());
    CorrelationId::parse(&derived.to_string()).expect("a UUID is a correlation id")
}

fn decode_pages(
    pages: Vec<v1::CommandPage>,
) -> Result<Vec<angzarr_coordinator::model::Payload>, Error> {
    if pages.is_empty() {
        return Err(Error::invalid(
            "pages",
            "is empty; give at least one command",
        ));
    }
    let mut decoded = Vec::with_capacity(pages.len());
    for (index, page) in pages.into_iter().enumerate() {
        let payload = page
            .command
            .map(decode_payload)
            .filter(|payload| !payload.type_name().is_empty());
        let missing = || {
            Error::invalid(
                format!("pages[{index}].command"),
                "is missing or has no type_url",
            )
        };
        decoded.push(payload.ok_or_else(missing)?);
    }
    Ok(decoded)
}

fn decode_merge_strategy(
    pages: &[v1::CommandPage],
    has_origin: bool,
) -> Result<MergeStrategy, Error> {
    let first = pages.first().map_or(0, |page| page.merge_strategy);
    if let Some(index) = pages.iter().position(|page| page.merge_strategy != first) {
        return Err(Error::invalid(
            format!("pages[{index}].merge_strategy"),
            "differs from that of the first page; all pages of a book share one",
        ));
    }
    let field = "pages[0].merge_strategy";
    match v1::MergeStrategy::try_from(first) {
        Ok(v1::MergeStrategy::Unspecified) if has_origin => Ok(MergeStrategy::AggregateHandles),
        Ok(v1::MergeStrategy::Unspecified | v1::MergeStrategy::Strict) => Ok(MergeStrategy::Strict),
        Ok(v1::MergeStrategy::AggregateHandles) => Ok(MergeStrategy::AggregateHandles),
        Ok(v1::MergeStrategy::Commutative | v1::MergeStrategy::Manual) => Err(Error::unsupported(
            field,
            "is not served yet; use STRICT or AGGREGATE_HANDLES",
        )),
        Err(_) => Err(Error::invalid(
            field,
            format!("has the unknown value {first}"),
        )),
    }
}

fn decode_origin(origin: v1::SagaCommandOrigin) -> Result<Origin, Error> {
    let trigger = decode_stream_at(
        "saga_origin.triggering_aggregate",
        origin.triggering_aggregate.as_ref(),
    )?;
    Ok(Origin {
        component: origin.saga_name,
        trigger,
        sequence: Sequence(origin.triggering_event_sequence),
        index: origin.command_index,
    })
}

/// Writes a command.
pub fn encode_command(command: &Command) -> v1::CommandBook {
    let merge_strategy = match command.merge_strategy {
        MergeStrategy::Strict => v1::MergeStrategy::Strict,
        MergeStrategy::AggregateHandles => v1::MergeStrategy::AggregateHandles,
    };
    let pages = command
        .pages
        .iter()
        .enumerate()
        .map(|(index, payload)| v1::CommandPage {
            sequence: if index == 0 { command.expected.0 } else { 0 },
            command: Some(encode_payload(payload)),
            merge_strategy: merge_strategy.into(),
        });
    v1::CommandBook {
        cover: Some(encode_cover(&command.stream, Some(&command.correlation_id))),
        pages: pages.collect(),
        saga_origin: command.origin.as_ref().map(encode_origin),
        command_id: command.id.to_string(),
    }
}

fn encode_origin(origin: &Origin) -> v1::SagaCommandOrigin {
    v1::SagaCommandOrigin {
        saga_name: origin.component.clone(),
        triggering_aggregate: Some(encode_cover(&origin.trigger, None)),
        triggering_event_sequence: origin.sequence.0,
        command_index: origin.index,
    }
}

/// Reads facts to record; `now` dates those that have no time.
///
/// # Errors
/// [`Error::Invalid`] names the field; every page needs an event and an external id, the first also `num` or `force`.
pub fn decode_facts(book: v1::EventBook, now: Timestamp) -> Result<Facts, Error> {
    for (index, page) in book.pages.iter().enumerate() {
        if page.external_id.is_empty() {
            return Err(Error::invalid(
                format!("pages[{index}].external_id"),
                "is missing; it keeps the fact from being recorded twice",
            ));
        }
    }
    let expected = match book.pages.first().and_then(|page| page.sequence) {
        Some(v1::event_page::Sequence::Num(next)) => Some(Sequence(next)),
        Some(v1::event_page::Sequence::Force(true)) => None,
        Some(v1::event_page::Sequence::Force(false)) | None => {
            return Err(Error::invalid(
                "pages[0]",
                "needs num, the next sequence, or force to append at the end",
            ));
        }
    };
    decode_facts_at(book, expected, now)
}

/// Reads facts that a saga asks for: they go to the end of their stream, under ids that are derived afterwards.
///
/// # Errors
/// As [`decode_facts`], except that sequence and external id are not looked at.
pub fn decode_requested_facts(mut book: v1::EventBook, now: Timestamp) -> Result<Facts, Error> {
    for (index, page) in book.pages.iter_mut().enumerate() {
        page.external_id = index.to_string();
    }
    decode_facts_at(book, None, now)
}

fn decode_facts_at(
    book: v1::EventBook,
    expected: Option<Sequence>,
    now: Timestamp,
) -> Result<Facts, Error> {
    let stream: StreamId = decode_stream(book.cover.as_ref())?;
    if book.pages.is_empty() {
        return Err(Error::invalid("pages", "is empty; give at least one event"));
    }
    let mut events = Vec::with_capacity(book.pages.len());
    for (index, page) in book.pages.into_iter().enumerate() {
        let at = |name: &str| format!("pages[{index}].{name}");
        let payload = page
            .event
            .map(decode_payload)
            .filter(|payload| !payload.type_name().is_empty());
        let payload =
            payload.ok_or_else(|| Error::invalid(at("event"), "is missing or has no type_url"))?;
        let id = ExternalId::parse(&page.external_id)
            .map_err(|broken| Error::invalid(at("external_id"), broken.rule))?;
        let external = Some(ExternalKey {
            id,
            hash: payload_hash([&payload]),
        });
        let created_at = page.created_at.map_or(now, decode_timestamp);
        if !created_at.is_valid() {
            return Err(Error::invalid(
                at("created_at"),
                "is not within the years 1 to 9999",
            ));
        }
        events.push(NewEvent {
            payload,
            created_at,
            external,
        });
    }
    let given = book
        .cover
        .as_ref()
        .map_or("", |cover| &cover.correlation_id);
    let correlation_id = match decode_correlation(given)? {
        Some(given) => given,
        None => {
            let first = events
                .first()
                .and_then(|event| event.external.as_ref())
                .expect("every fact has an external id");
            derived_correlation(&CommandId::parse(first.id.as_str()).expect("ids share one rule"))
        }
    };
    Ok(Facts {
        stream,
        correlation_id,
        events,
        expected,
        trace_parent: None,
    })
}

/// Writes facts.
pub fn encode_facts(facts: &Facts) -> v1::EventBook {
    let pages = facts.events.iter().enumerate().map(|(index, event)| {
        let sequence = match facts.expected {
            Some(first) => v1::event_page::Sequence::Num(first.plus(index).0),
            None => v1::event_page::Sequence::Force(true),
        };
        v1::EventPage {
            sequence: Some(sequence),
            created_at: Some(encode_timestamp(event.created_at)),
            event: Some(encode_payload(&event.payload)),
            external_id: event
                .external
                .as_ref()
                .map(|key| key.id.to_string())
                .unwrap_or_default(),
            position: 0,
        }
    });
    v1::EventBook {
        cover: Some(encode_cover(&facts.stream, Some(&facts.correlation_id))),
        pages: pages.collect(),
        ..v1::EventBook::default()
    }
}

/// Writes what became of a command, with its receipt.
pub fn encode_executed(
    executed: &Executed,
    identity: StoreIdentity,
    durability: Durability,
) -> v1::CommandResponse {
    let append = &executed.append;
    let durable_level = match durability {
        Durability::Process => v1::DurableLevel::Process,
        Durability::Disk => v1::DurableLevel::Disk,
        Durability::Majority => v1::DurableLevel::Majority,
    };
    let receipt = v1::Receipt {
        domain: append.stream.domain.to_string(),
        incarnation: identity.incarnation.as_bytes().to_vec().into(),
        position: append.last_position.0,
        replayed: executed.is_replayed,
        durable_level: durable_level.into(),
        consumers_reached: Vec::new(),
        known_external_ids: executed.known.iter().map(ToString::to_string).collect(),
    };
    v1::CommandResponse {
        events: Some(encode_append(append)),
        receipt: Some(receipt),
        ..v1::CommandResponse::default()
    }
}
