//! The proposals of a batch as arguments of `write_v2`, and its answers as outcomes.

use std::collections::{BTreeSet, HashMap, HashSet};

use angzarr_coordinator::model::{CommandId, ExternalId, NewEvent, Position, Sequence, StreamId};
use angzarr_coordinator::port::writer::{Outcome, Proposal};
use sqlx::Row;
use sqlx::postgres::PgRow;
use tokio::time::Instant;
use uuid::Uuid;

use super::error::Fault;
use super::load::KNOWN;
use super::pool::Asked;
use crate::stored::{
    Columns, Corrupt, build_append, column, edition_column, encode_events, read_append,
};

/// Proposals, their facts and snapshots side by side. Numbers of places count from 1.
#[derive(Default)]
pub(super) struct Proposals<'a> {
    batch: Vec<&'a Proposal>,
    locks: Vec<i32>,
    partitions: Vec<i32>,
    partition_no: Vec<i32>,
    editions: Vec<&'a str>,
    roots: Vec<Uuid>,
    stream_of: Vec<i32>,
    key_of: Vec<Option<i32>>,
    expected: Vec<Option<i64>>,
    append_ids: Vec<Uuid>,
    command_ids: Vec<Option<&'a str>>,
    hashes: Vec<Option<&'a [u8]>>,
    correlation_ids: Vec<&'a str>,
    trace_parents: Vec<Option<&'a str>>,
    counts: Vec<i32>,
    sizes: Vec<i32>,
    blobs: Vec<Option<Vec<u8>>>,
    fact_from: Vec<Option<i32>>,
    fact_through: Vec<Option<i32>>,
    facts: Facts<'a>,
    snapshot_of: Vec<Option<i32>>,
    snapshots: Snapshots<'a>,
    groups: Vec<Option<i32>>,
}

/// The events of proposals some of whose events have external ids.
#[derive(Default)]
struct Facts<'a> {
    earlier: Vec<Option<i32>>,
    ids: Vec<Option<&'a str>>,
    hashes: Vec<Option<&'a [u8]>>,
    sizes: Vec<i32>,
    blobs: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Snapshots<'a> {
    sequences: Vec<i64>,
    versions: Vec<i64>,
    seconds: Vec<i64>,
    nanos: Vec<i32>,
    types: Vec<&'a str>,
    states: Vec<&'a [u8]>,
}

/// The place of what comes next in a list, from 1.
pub(super) fn place<T>(list: &[T]) -> i32 {
    i32::try_from(list.len() + 1).expect("a batch is small")
}

fn size<'a>(events: impl Iterator<Item = &'a NewEvent>) -> i32 {
    let size: usize = events.map(|event| event.size()).sum();
    i32::try_from(size).unwrap_or(i32::MAX)
}

impl<'a> Proposals<'a> {
    /// Fills the arrays; `partitions` are the numbers of the proposals' domains, `groups` the places of their steps, for those that have some.
    pub(super) fn fill(
        batch: Vec<&'a Proposal>,
        partitions: &[i32],
        groups: Vec<Option<i32>>,
    ) -> Self {
        let locks: Vec<_> = partitions
            .iter()
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let mut arrays = Self {
            locks,
            groups,
            ..Self::default()
        };
        let mut streams = HashMap::new();
        let mut keys = HashMap::new();
        for (proposal, partition) in batch.iter().copied().zip(partitions) {
            arrays.push(proposal, *partition, &mut streams, &mut keys);
        }
        arrays.batch = batch;
        arrays
    }

    fn push(
        &mut self,
        proposal: &'a Proposal,
        partition: i32,
        streams: &mut HashMap<&'a StreamId, i32>,
        keys: &mut HashMap<(&'a StreamId, &'a CommandId), i32>,
    ) {
        let stream = &proposal.stream;
        let own = place(&self.append_ids);
        let key = proposal.key.as_ref();
        let lock = self
            .locks
            .binary_search(&partition)
            .expect("every partition is locked");
        self.partitions.push(partition);
        self.partition_no.push(place(&self.locks[..lock]));
        self.editions.push(edition_column(&stream.edition));
        self.roots.push(stream.root.0);
        self.stream_of.push(*streams.entry(stream).or_insert(own));
        self.key_of
            .push(key.map(|key| *keys.entry((stream, &key.id)).or_insert(own)));
        self.expected
            .push(proposal.expected.map(|expected| i64::from(expected.0)));
        self.append_ids.push(proposal.id.0);
        self.command_ids.push(key.map(|key| key.id.as_str()));
        self.hashes.push(key.map(|key| &key.hash.0[..]));
        self.correlation_ids.push(proposal.correlation_id.as_str());
        self.trace_parents.push(proposal.trace_parent.as_deref());
        self.push_events(&proposal.events);
        self.push_snapshot(proposal);
    }

    fn push_events(&mut self, events: &'a [NewEvent]) {
        let count = i32::try_from(events.len()).expect("an append has at most 1,000 events");
        self.counts.push(count);
        self.sizes.push(size(events.iter()));
        if events.iter().all(|event| event.external.is_none()) {
            self.blobs.push(Some(encode_events(events.iter())));
            self.fact_from.push(None);
            self.fact_through.push(None);
            return;
        }
        self.blobs.push(None);
        let from = place(&self.facts.ids);
        let mut seen = HashMap::new();
        for event in events {
            let own = place(&self.facts.ids);
            let external = event.external.as_ref();
            self.facts
                .earlier
                .push(external.and_then(|key| seen.insert(&key.id, own)));
            self.facts.ids.push(external.map(|key| key.id.as_str()));
            self.facts.hashes.push(external.map(|key| &key.hash.0[..]));
            self.facts.sizes.push(size(std::iter::once(event)));
            self.facts.blobs.push(encode_events(std::iter::once(event)));
        }
        self.fact_from.push(Some(from));
        self.fact_through.push(Some(from + count - 1));
    }

    fn push_snapshot(&mut self, proposal: &'a Proposal) {
        let Some(snapshot) = &proposal.snapshot else {
            return self.snapshot_of.push(None);
        };
        self.snapshot_of
            .push(Some(place(&self.snapshots.sequences)));
        self.snapshots
            .sequences
            .push(i64::from(snapshot.sequence.0));
        self.snapshots.versions.push(i64::from(snapshot.version.0));
        self.snapshots.seconds.push(snapshot.created_at.seconds);
        self.snapshots.nanos.push(snapshot.created_at.nanos);
        self.snapshots.types.push(&snapshot.state.type_url);
        self.snapshots.states.push(&snapshot.state.value);
    }

    /// Binds the arrays, which come first in the arguments.
    pub(super) fn bind<'q>(&'q self, asked: Asked<'q>, is_repeat: bool) -> Asked<'q> {
        let now = Instant::now();
        let times_left = self.batch.iter().map(|proposal| {
            let left = proposal.deadline?.saturating_duration_since(now);
            Some(column(left.as_micros()))
        });
        let times_left: Vec<Option<i64>> = times_left.collect();
        asked
            .bind(is_repeat)
            .bind(&self.locks)
            .bind(&self.partitions)
            .bind(&self.partition_no)
            .bind(&self.editions)
            .bind(&self.roots)
            .bind(&self.stream_of)
            .bind(&self.key_of)
            .bind(&self.expected)
            .bind(&self.append_ids)
            .bind(&self.command_ids)
            .bind(&self.hashes)
            .bind(&self.correlation_ids)
            .bind(&self.trace_parents)
            .bind(&self.counts)
            .bind(&self.sizes)
            .bind(&self.blobs)
            .bind(&self.fact_from)
            .bind(&self.fact_through)
            .bind(&self.facts.earlier)
            .bind(&self.facts.ids)
            .bind(&self.facts.hashes)
            .bind(&self.facts.sizes)
            .bind(&self.facts.blobs)
            .bind(&self.snapshot_of)
            .bind(&self.snapshots.sequences)
            .bind(&self.snapshots.versions)
            .bind(&self.snapshots.seconds)
            .bind(&self.snapshots.nanos)
            .bind(&self.snapshots.types)
            .bind(&self.snapshots.states)
            .bind(&self.groups)
            .bind(times_left)
    }
}

/// What the database says of a proposal.
enum Verdict {
    Done(Outcome),
    /// Known with the append of an earlier proposal.
    As(usize),
}

/// What the database says of a batch.
pub(super) struct Answers<'a> {
    pub(super) proposals: &'a Proposals<'a>,
    /// Whether the batch was sent before: what it finds under an id of its own was recorded by itself.
    pub(super) is_repeat: bool,
}

impl Answers<'_> {
    /// Reads the outcome of each proposal; absent where its lease was lost.
    pub(super) fn read(&self, rows: &[PgRow]) -> Result<Vec<Option<Outcome>>, Fault> {
        let mut verdicts: Vec<Option<Verdict>> =
            self.proposals.batch.iter().map(|_| None).collect();
        for found in rows.iter().filter(|found| !is_fenced(found)) {
            let at = at(found.try_get("no")?)?;
            let proposal = self.proposals.batch.get(at).ok_or_else(unasked)?;
            verdicts[at] = Some(self.judge(at, proposal, found)?);
        }
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(verdicts.len());
        for verdict in verdicts {
            outcomes.push(match verdict {
                None => None,
                Some(Verdict::Done(outcome)) => Some(outcome),
                Some(Verdict::As(earlier)) => match outcomes.get(earlier) {
                    Some(Some(Outcome::Appended { append, .. })) => {
                        Some(Outcome::Duplicate(append.clone()))
                    }
                    _ => return Err(unasked().into()),
                },
            });
        }
        Ok(outcomes)
    }

    fn judge(&self, at_place: usize, proposal: &Proposal, found: &PgRow) -> Result<Verdict, Fault> {
        let outcome = match found.try_get("outcome")? {
            1_i16 => self.appended(at_place, proposal, found)?,
            KNOWN => self.known(proposal, found)?,
            3 => return Ok(Verdict::As(at(found.try_get("earlier")?)?)),
            4 => Outcome::KeyReused {
                key: found.try_get("reused")?,
            },
            5 => Outcome::Conflict {
                actual: Sequence(Columns::from(found, STORED).read()?),
            },
            7 => Outcome::Late,
            other => return Err(Corrupt::new(format!("outcome: {other}")).into()),
        };
        Ok(Verdict::Done(outcome))
    }

    fn appended(
        &self,
        at_place: usize,
        proposal: &Proposal,
        found: &PgRow,
    ) -> Result<Outcome, Fault> {
        let taken: Option<Vec<i32>> = found.try_get("taken")?;
        let mut columns = Columns::from(found, STORED);
        let (first, last): (_, u64) = (Sequence(columns.read()?), columns.read()?);
        let (mut events, mut known) = (Vec::new(), Vec::new());
        match (taken, self.proposals.fact_from[at_place]) {
            (Some(taken), Some(from)) => {
                let taken: HashSet<_> = taken.into_iter().collect();
                for (place, event) in (from..).zip(&proposal.events) {
                    match &event.external {
                        Some(key) if !taken.contains(&place) => known.push(key.id.clone()),
                        _ => events.push(event),
                    }
                }
            }
            _ => events.extend(&proposal.events),
        }
        let before = Position(last.saturating_sub(events.len() as u64));
        let append = build_append(proposal, &events, first, before);
        Ok(Outcome::Appended { append, known })
    }

    /// A stored append: that of the same command, or, of a batch that was sent before, the proposal's own.
    fn known(&self, proposal: &Proposal, found: &PgRow) -> Result<Outcome, Fault> {
        let append = read_append(&proposal.stream, &mut Columns::from(found, STORED))?;
        if !self.is_repeat || append.id != proposal.id {
            return Ok(Outcome::Duplicate(append));
        }
        let mut recorded: HashSet<_> = append
            .events
            .iter()
            .filter_map(|event| event.external_id.as_ref())
            .collect();
        let externals = proposal
            .events
            .iter()
            .filter_map(|event| event.external.as_ref());
        let known: Vec<ExternalId> = externals
            .filter(|key| !recorded.remove(&key.id))
            .map(|key| key.id.clone())
            .collect();
        Ok(Outcome::Appended { append, known })
    }
}

/// The outcome of a group whose lease was lost.
const FENCED: i16 = 6;
/// Where the columns of a stored append begin, which are those of its place first.
const STORED: usize = 5;

fn at(number: i32) -> Result<usize, Corrupt> {
    usize::try_from(number - 1).map_err(|_| unasked())
}

pub(super) fn unasked() -> Corrupt {
    Corrupt::new("write: the answers do not match the batch")
}

/// Whether a row says that the lease of a group was lost.
fn is_fenced(found: &PgRow) -> bool {
    matches!(found.try_get("outcome"), Ok(FENCED))
}

/// The groups whose leases were lost.
pub(super) fn fenced(rows: &[PgRow]) -> Result<HashSet<usize>, Fault> {
    let rows = rows.iter().filter(|found| is_fenced(found));
    rows.map(|found| Ok(at(found.try_get("no")?)?)).collect()
}
