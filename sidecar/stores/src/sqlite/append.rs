//! Appending proposals within a transaction.

use std::collections::HashMap;

use angzarr_coordinator::model::{
    Append, Domain, ExternalId, NewEvent, PayloadHash, Position, Sequence, Snapshot,
};
use angzarr_coordinator::port::writer::{Outcome, Proposal};
use rusqlite::{Connection, params};

use super::error::Fault;
use super::load::{self, Probe};
use super::row;
use super::statement::{execute, find};
use crate::stored::{build_append, column, edition_column, encode_events, read_value};

/// A domain's number, once it has one, and the end of its log.
struct Partition {
    id: Option<i64>,
    head: Position,
}

/// A stream's number and its length.
#[derive(Clone, Copy)]
pub(super) struct Stream {
    pub(super) id: i64,
    pub(super) next: Sequence,
}

/// What is left of a proposal's events after those that are known.
enum Deduplicated<'a> {
    Fresh {
        events: Vec<&'a NewEvent>,
        known: Vec<ExternalId>,
    },
    Reused(ExternalId),
}

/// The partitions that a batch has met.
#[derive(Default)]
pub(super) struct Partitions(HashMap<Domain, Partition>);

impl Partitions {
    fn get(&mut self, conn: &Connection, domain: &Domain) -> Result<&mut Partition, Fault> {
        if !self.0.contains_key(domain) {
            self.0.insert(domain.clone(), find_partition(conn, domain)?);
        }
        let partition = self.0.get_mut(domain);
        Ok(partition.expect("it was inserted if it was missing"))
    }
}

/// Judges a proposal and records it. What is refused writes nothing.
pub(super) fn append(
    conn: &Connection,
    partitions: &mut Partitions,
    proposal: &Proposal,
) -> Result<Outcome, Fault> {
    let partition = partitions.get(conn, &proposal.stream.domain)?;
    let stream = load::find_stream(conn, &proposal.stream)?;
    if let (Some(stream), Some(key)) = (stream, &proposal.key) {
        match load::probe(conn, stream.id, &proposal.stream, key)? {
            Probe::Unknown => {}
            Probe::Known(append) => return Ok(Outcome::Duplicate(append)),
            Probe::Reused => {
                return Ok(Outcome::KeyReused {
                    key: key.id.to_string(),
                });
            }
        }
    }
    if proposal.is_late() {
        return Ok(Outcome::Late);
    }
    let (events, known) = match deduplicate(conn, stream, &proposal.events)? {
        Deduplicated::Fresh { events, known } => (events, known),
        Deduplicated::Reused(id) => {
            return Ok(Outcome::KeyReused {
                key: id.to_string(),
            });
        }
    };
    let is_repeat = events.is_empty() && !known.is_empty();
    let actual = stream.map_or(Sequence::FIRST, |stream| stream.next);
    if !is_repeat && proposal.expected.is_some_and(|at| at != actual) {
        return Ok(Outcome::Conflict { actual });
    }
    let append = record(conn, partition, stream, proposal, &events)?;
    Ok(Outcome::Appended { append, known })
}

/// Leaves out the events whose external id is known, here or earlier in the proposal.
fn deduplicate<'a>(
    conn: &Connection,
    stream: Option<Stream>,
    proposed: &'a [NewEvent],
) -> Result<Deduplicated<'a>, Fault> {
    let mut events = Vec::with_capacity(proposed.len());
    let mut known = Vec::new();
    let mut seen: HashMap<&ExternalId, PayloadHash> = HashMap::new();
    for event in proposed {
        let Some(key) = &event.external else {
            events.push(event);
            continue;
        };
        let recorded = match seen.get(&key.id) {
            Some(hash) => Some(*hash),
            None => find_external(conn, stream, &key.id)?,
        };
        match recorded {
            None => events.push(event),
            Some(hash) if hash == key.hash => known.push(key.id.clone()),
            Some(_) => return Ok(Deduplicated::Reused(key.id.clone())),
        }
        seen.insert(&key.id, key.hash);
    }
    Ok(Deduplicated::Fresh { events, known })
}

/// Writes what is left of a proposal and returns it as recorded.
fn record(
    conn: &Connection,
    partition: &mut Partition,
    stream: Option<Stream>,
    proposal: &Proposal,
    events: &[&NewEvent],
) -> Result<Append, Fault> {
    const COMMAND: &str = "INSERT INTO commands (stream, command_id, hash, first_sequence, empty) VALUES (?, ?, ?, ?, ?)";
    let first = stream.map_or(Sequence::FIRST, |stream| stream.next);
    let append = build_append(proposal, events, first, partition.head);
    let has_effect = !events.is_empty() || proposal.key.is_some() || proposal.snapshot.is_some();
    if !has_effect {
        return Ok(append);
    }
    let partition_id = match partition.id {
        Some(id) => id,
        None => insert_partition(conn, &proposal.stream.domain)?,
    };
    partition.id = Some(partition_id);
    let id = put_stream(conn, partition_id, stream, &append)?;
    if !append.events.is_empty() {
        insert_append(conn, partition_id, id, &append, events)?;
        partition.head = append.last_position;
    }
    if let Some(key) = &proposal.key {
        let empty = append.events.is_empty().then(|| row::encode_empty(&append));
        let values = params![id, key.id.as_str(), key.hash.0, first.0, empty];
        execute(conn, COMMAND, values)?;
    }
    if let Some(snapshot) = &proposal.snapshot {
        put_snapshot(conn, id, snapshot)?;
    }
    Ok(append)
}

fn insert_append(
    conn: &Connection,
    partition: i64,
    stream: i64,
    append: &Append,
    events: &[&NewEvent],
) -> Result<(), Fault> {
    const APPEND: &str = "INSERT INTO appends (id, append_id, last_position, correlation_id, command_id, trace_parent, events) VALUES (?, ?, ?, ?, ?, ?, ?)";
    const PLACE: &str =
        "INSERT INTO log (id, append, append_id, correlation_id) VALUES (?, ?, ?, ?)";
    const EXTERNAL: &str = "INSERT INTO externals (stream, external_id, hash) VALUES (?, ?, ?)";
    let key = row::append_key(stream, append.first_sequence);
    let (id, correlation_id) = (append.id.as_bytes(), append.correlation_id.as_str());
    let values = params![
        key,
        id,
        column(append.last_position.0),
        correlation_id,
        append.command_id.as_ref().map(|id| id.as_str()),
        append.trace_parent,
        encode_events(events.iter().copied()),
    ];
    execute(conn, APPEND, values)?;
    let place = row::place_key(partition, append.last_position);
    execute(conn, PLACE, params![place, key, id, correlation_id])?;
    for external in events.iter().filter_map(|event| event.external.as_ref()) {
        let values = params![stream, external.id.as_str(), external.hash.0];
        execute(conn, EXTERNAL, values)?;
    }
    Ok(())
}

fn find_partition(conn: &Connection, domain: &Domain) -> Result<Partition, Fault> {
    let id = load::partition_id(conn, domain)?;
    let head = match id {
        Some(id) => load::head(conn, id)?.map_or(Position::ORIGIN, |(position, _)| position),
        None => Position::ORIGIN,
    };
    Ok(Partition { id, head })
}

fn insert_partition(conn: &Connection, domain: &Domain) -> Result<i64, Fault> {
    const MAKE: &str = "INSERT INTO partitions (domain) VALUES (?)";
    execute(conn, MAKE, [domain.as_str()])?;
    Ok(conn.last_insert_rowid())
}

fn put_stream(
    conn: &Connection,
    partition: i64,
    stream: Option<Stream>,
    append: &Append,
) -> Result<i64, Fault> {
    const INSERT: &str =
        "INSERT INTO streams (partition, edition, root, next_sequence) VALUES (?, ?, ?, ?)";
    const UPDATE: &str = "UPDATE streams SET next_sequence = ? WHERE id = ?";
    let next = append.next_sequence();
    let Some(stream) = stream else {
        let edition = edition_column(&append.stream.edition);
        let root = append.stream.root.as_bytes();
        execute(conn, INSERT, params![partition, edition, root, next.0])?;
        return Ok(conn.last_insert_rowid());
    };
    if next != stream.next {
        execute(conn, UPDATE, params![next.0, stream.id])?;
    }
    Ok(stream.id)
}

fn find_external(
    conn: &Connection,
    stream: Option<Stream>,
    id: &ExternalId,
) -> Result<Option<PayloadHash>, Fault> {
    const HASH: &str = "SELECT hash FROM externals WHERE stream = ? AND external_id = ?";
    let Some(stream) = stream else {
        return Ok(None);
    };
    find(conn, HASH, params![stream.id, id.as_str()], read_value)
}

/// Keeps a snapshot unless a newer one of the same version is there.
fn put_snapshot(conn: &Connection, stream: i64, snapshot: &Snapshot) -> Result<(), Fault> {
    const PUT: &str = "INSERT INTO snapshots (stream, sequence, version, seconds, nanos, type_url, state) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (stream) DO UPDATE SET sequence = excluded.sequence, version = excluded.version, seconds = excluded.seconds,
             nanos = excluded.nanos, type_url = excluded.type_url, state = excluded.state
         WHERE sequence < excluded.sequence OR version <> excluded.version";
    let values = params![
        stream,
        snapshot.sequence.0,
        snapshot.version.0,
        snapshot.created_at.seconds,
        snapshot.created_at.nanos,
        snapshot.state.type_url,
        &snapshot.state.value[..],
    ];
    execute(conn, PUT, values)
}
