//! The proposals of a batch as arguments of `write_v3`, and what it returns as outcomes.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::{iter, slice};

use angzarr_coordinator::model::{
    Append, CommandId, NewEvent, Position, Sequence, Snapshot, StreamId,
};
use angzarr_coordinator::port::writer::{Outcome, Proposal};
use sqlx::Row;
use sqlx::postgres::PgRow;
use tokio::time::Instant;

use super::connect::ServerClock;
use super::load::KNOWN;
use super::pool::{Asked, each};
use crate::stored::{
    Columns, Corrupt, build_append, column, edition_column, encode_events, read_append, unreadable,
};

/// Proposals, with their facts and snapshots. Numbers of places count from 1.
#[derive(Default)]
pub(super) struct Proposals<'a> {
    lines: Vec<Line<'a>>,
    facts: Vec<Fact<'a>>,
    snapshots: Vec<&'a Snapshot>,
    locks: BTreeSet<i32>,
    first_of_stream: HashMap<&'a StreamId, i32>,
    first_of_key: HashMap<(&'a StreamId, &'a CommandId), i32>,
}

struct Line<'a> {
    proposal: &'a Proposal,
    partition: i32,
    group: Option<i32>,
    first_of_stream: i32,
    first_of_key: Option<i32>,
    /// The first fact and the last, if some events have external ids.
    facts: Option<(i32, i32)>,
    snapshot: Option<i32>,
}

/// An event of a proposal some of whose events have external ids, and the event before it with the same one.
struct Fact<'a> {
    event: &'a NewEvent,
    earlier: Option<i32>,
}

/// How long a list is; what comes last has that place.
pub(super) fn count<T>(list: &[T]) -> i32 {
    i32::try_from(list.len()).expect("a batch is small")
}

fn size(events: &[NewEvent]) -> i32 {
    let size: usize = events.iter().map(|event| event.size()).sum();
    i32::try_from(size).unwrap_or(i32::MAX)
}

impl<'a> Proposals<'a> {
    /// Adds a proposal with the number of its domain and the place of its steps, if it has some.
    pub(super) fn push(&mut self, proposal: &'a Proposal, partition: i32, group: Option<i32>) {
        let own = count(&self.lines) + 1;
        let stream = &proposal.stream;
        let key = proposal.key.as_ref().map(|key| (stream, &key.id));
        self.locks.insert(partition);
        let line = Line {
            proposal,
            partition,
            group,
            first_of_stream: *self.first_of_stream.entry(stream).or_insert(own),
            first_of_key: key.map(|key| *self.first_of_key.entry(key).or_insert(own)),
            facts: self.push_facts(&proposal.events),
            snapshot: proposal.snapshot.as_ref().map(|snapshot| {
                self.snapshots.push(snapshot);
                count(&self.snapshots)
            }),
        };
        self.lines.push(line);
    }

    fn push_facts(&mut self, events: &'a [NewEvent]) -> Option<(i32, i32)> {
        if events.iter().all(|event| event.external.is_none()) {
            return None;
        }
        let before = count(&self.facts);
        let mut seen = HashMap::new();
        for event in events {
            let external = event.external.as_ref();
            let own = count(&self.facts) + 1;
            let earlier = external.and_then(|key| seen.insert(&key.id, own));
            self.facts.push(Fact { event, earlier });
        }
        Some((before + 1, count(&self.facts)))
    }

    /// The deadline of each, if it has one, by the server's clock.
    pub(super) fn deadlines(&self, clock: ServerClock) -> Vec<Option<i64>> {
        each(&self.lines, |line| Some(clock.at(line.proposal.deadline?)))
    }

    /// Binds the arrays, which come first in the arguments.
    pub(super) fn bind<'q>(&'q self, asked: Asked<'q>, is_repeat: bool) -> Asked<'q> {
        let now = Instant::now();
        let locks: Vec<_> = self.locks.iter().copied().collect();
        let place_of = |id| count(&locks[..locks.partition_point(|lock| *lock <= id)]);
        let (lines, facts, snapshots) = (&self.lines, &self.facts, &self.snapshots);
        let proposals = each(lines, |line| line.proposal);
        let key = |it: &'q Proposal| it.key.as_ref();
        let external = |fact: &'q Fact<'_>| fact.event.external.as_ref();
        let left = |it: &Proposal| Some(it.deadline?.saturating_duration_since(now).as_micros());
        asked
            .bind(is_repeat)
            .bind(locks.clone())
            .bind(each(lines, |line| line.partition))
            .bind(each(lines, |line| place_of(line.partition)))
            .bind(each(&proposals, |it| edition_column(&it.stream.edition)))
            .bind(each(&proposals, |it| it.stream.root.0))
            .bind(each(lines, |line| line.first_of_stream))
            .bind(each(lines, |line| line.first_of_key))
            .bind(each(&proposals, |it| Some(i64::from(it.expected?.0))))
            .bind(each(&proposals, |it| it.id.0))
            .bind(each(&proposals, |it| Some(key(it)?.id.as_str())))
            .bind(each(&proposals, |it| Some(&key(it)?.hash.0[..])))
            .bind(each(&proposals, |it| it.correlation_id.as_str()))
            .bind(each(&proposals, |it| it.trace_parent.as_deref()))
            .bind(each(&proposals, |it| count(&it.events)))
            .bind(each(&proposals, |it| size(&it.events)))
            .bind(each(lines, |line| match line.facts {
                Some(_) => None,
                None => Some(encode_events(line.proposal.events.iter())),
            }))
            .bind(each(lines, |line| Some(line.facts?.0)))
            .bind(each(lines, |line| Some(line.facts?.1)))
            .bind(each(facts, |fact| fact.earlier))
            .bind(each(facts, |fact| Some(external(fact)?.id.as_str())))
            .bind(each(facts, |fact| Some(&external(fact)?.hash.0[..])))
            .bind(each(facts, |fact| size(slice::from_ref(fact.event))))
            .bind(each(facts, |fact| encode_events(iter::once(fact.event))))
            .bind(each(lines, |line| line.snapshot))
            .bind(each(snapshots, |it| i64::from(it.sequence.0)))
            .bind(each(snapshots, |it| i64::from(it.version.0)))
            .bind(each(snapshots, |it| it.created_at.seconds))
            .bind(each(snapshots, |it| it.created_at.nanos))
            .bind(each(snapshots, |it| it.state.type_url.as_str()))
            .bind(each(snapshots, |it| &it.state.value[..]))
            .bind(each(lines, |line| line.group))
            .bind(each(&proposals, |it| Some(column(left(it)?))))
    }

    /// Reads the outcome of each proposal; absent where its lease was lost. If the batch was sent before, what it finds under an id of its own was
    /// recorded by itself.
    pub(super) fn read(
        &self,
        rows: &[PgRow],
        is_repeat: bool,
    ) -> Result<Vec<Option<Outcome>>, Corrupt> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; self.lines.len()];
        for found in rows {
            let mut columns = Columns::of(found);
            let at: usize = columns.read()?;
            let says: i16 = columns.read()?;
            if says == FENCED {
                continue;
            }
            let line = self.lines.get(at.wrapping_sub(1)).ok_or_else(unasked)?;
            let (proposal, mut stored) = (line.proposal, Columns::from(found, STORED));
            let outcome = match says {
                1 => appended(line, found)?,
                KNOWN => known(
                    proposal,
                    read_append(&proposal.stream, &mut stored)?,
                    is_repeat,
                ),
                3 => {
                    let earlier: usize = columns.read()?;
                    match outcomes.get(earlier.wrapping_sub(1)) {
                        Some(Some(Outcome::Appended { append, .. })) => {
                            Outcome::Duplicate(append.clone())
                        }
                        _ => return Err(unasked()),
                    }
                }
                4 => Outcome::KeyReused {
                    key: Columns::from(found, REUSED).read()?,
                },
                5 => Outcome::Conflict {
                    actual: Sequence(stored.read()?),
                },
                7 => Outcome::Late,
                other => return Err(Corrupt::new(format!("outcome: {other}"))),
            };
            outcomes[at - 1] = Some(outcome);
        }
        Ok(outcomes)
    }
}

fn appended(line: &Line<'_>, found: &PgRow) -> Result<Outcome, Corrupt> {
    let taken: Option<Vec<i32>> = found.try_get(TAKEN).map_err(unreadable(TAKEN))?;
    let mut stored = Columns::from(found, STORED);
    let (first, last): (_, u64) = (Sequence(stored.read()?), stored.read()?);
    let (mut events, mut known) = (Vec::new(), Vec::new());
    match (taken, line.facts) {
        (Some(taken), Some((from, through))) => {
            let taken: HashSet<_> = taken.into_iter().collect();
            for (place, event) in (from..=through).zip(&line.proposal.events) {
                match &event.external {
                    Some(key) if !taken.contains(&place) => known.push(key.id.clone()),
                    _ => events.push(event),
                }
            }
        }
        _ => events.extend(&line.proposal.events),
    }
    let before = Position(last.saturating_sub(events.len() as u64));
    let append = build_append(line.proposal, &events, first, before);
    Ok(Outcome::Appended { append, known })
}

/// What a stored append means: that of the same command, or, of a batch that was sent before, the proposal's own.
fn known(proposal: &Proposal, append: Append, is_repeat: bool) -> Outcome {
    if !is_repeat || append.id != proposal.id {
        return Outcome::Duplicate(append);
    }
    let recorded = append.events.iter();
    let mut recorded: HashSet<_> = recorded.filter_map(|it| it.external_id.as_ref()).collect();
    let proposed = proposal.events.iter();
    let known = proposed
        .filter_map(|event| Some(&event.external.as_ref()?.id))
        .filter(|id| !recorded.remove(id))
        .cloned()
        .collect();
    Outcome::Appended { append, known }
}

/// The outcome of a group whose lease was lost.
const FENCED: i16 = 6;
/// Where the reused key is.
const REUSED: usize = 3;
/// Where the places of the facts that were recorded are.
const TAKEN: usize = 4;
/// Where the columns of a stored append begin, first of which are those of its place.
const STORED: usize = 5;

pub(super) fn unasked() -> Corrupt {
    Corrupt::new("write: the answers do not match the batch")
}

/// The places of the groups whose leases were lost.
pub(super) fn fenced(rows: &[PgRow]) -> Result<HashSet<i32>, Corrupt> {
    let mut fenced = HashSet::new();
    for row in rows {
        let mut columns = Columns::of(row);
        let (place, says): (_, i16) = (columns.read()?, columns.read()?);
        if says == FENCED {
            fenced.insert(place);
        }
    }
    Ok(fenced)
}
