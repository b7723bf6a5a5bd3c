//! The log: one list of appends, in the order of their commits.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::ModelStore;
use crate::model::{
    Append, AppendId, CommandKey, Domain, Event, ExternalId, ExternalKey, NewEvent, Position,
    Sequence, Snapshot, StoreIdentity, StreamId,
};
use crate::port::log::{Load, Loaded, Log, PartitionPage, PartitionRead, StreamRead};
use crate::port::store::Error;
use crate::port::writer::{Outcome, Proposal};

/// All that appends left.
#[derive(Default)]
pub(super) struct Recorded {
    /// The appends that have events.
    pub(super) appends: Vec<Append>,
    /// The first result of each command id; the stream is that of the append.
    commands: Vec<(CommandKey, Append)>,
    facts: Vec<(StreamId, ExternalKey)>,
    snapshots: BTreeMap<StreamId, Snapshot>,
}

/// What is known of a command id.
enum Probe {
    Unknown,
    Known(Append),
    Reused,
}

impl Recorded {
    fn of_stream(&self, stream: &StreamId) -> impl Iterator<Item = &Append> {
        self.appends
            .iter()
            .filter(move |append| append.stream == *stream)
    }

    pub(super) fn of_domain(&self, domain: &Domain) -> impl Iterator<Item = &Append> {
        self.appends
            .iter()
            .filter(move |append| append.stream.domain == *domain)
    }

    pub(super) fn next_sequence(&self, stream: &StreamId) -> Sequence {
        let last = self.of_stream(stream).last();
        last.map_or(Sequence::FIRST, Append::next_sequence)
    }

    fn head(&self, domain: &Domain) -> (Position, Option<AppendId>) {
        match self.of_domain(domain).last() {
            Some(append) => (append.last_position, Some(append.id)),
            None => (Position::ORIGIN, None),
        }
    }

    fn probe(&self, stream: &StreamId, key: &CommandKey) -> Probe {
        let recorded = self
            .commands
            .iter()
            .find(|(known, append)| append.stream == *stream && known.id == key.id);
        match recorded {
            None => Probe::Unknown,
            Some((known, append)) if known.hash == key.hash => Probe::Known(append.clone()),
            Some(_) => Probe::Reused,
        }
    }

    pub(super) fn append(&mut self, proposal: Proposal) -> Outcome {
        if let Some(key) = &proposal.key {
            match self.probe(&proposal.stream, key) {
                Probe::Unknown => {}
                Probe::Known(append) => return Outcome::Duplicate(append),
                Probe::Reused => {
                    return Outcome::KeyReused {
                        key: key.id.to_string(),
                    };
                }
            }
        }
        if proposal.is_late() {
            return Outcome::Late;
        }
        let (fresh, known) = match self.deduplicate(&proposal) {
            Ok(deduplicated) => deduplicated,
            Err(reused) => {
                return Outcome::KeyReused {
                    key: reused.to_string(),
                };
            }
        };
        let is_repeat = fresh.is_empty() && !known.is_empty();
        let actual = self.next_sequence(&proposal.stream);
        if !is_repeat && proposal.expected.is_some_and(|at| at != actual) {
            return Outcome::Conflict { actual };
        }
        let append = self.record(proposal, fresh);
        Outcome::Appended { append, known }
    }

    /// Parts the events of a proposal into new ones and ids of known ones, or answers an id that stands for something else.
    fn deduplicate(
        &self,
        proposal: &Proposal,
    ) -> Result<(Vec<NewEvent>, Vec<ExternalId>), ExternalId> {
        let of_stream = self
            .facts
            .iter()
            .filter(|(stream, _)| *stream == proposal.stream);
        let mut hashes: BTreeMap<_, _> = of_stream.map(|(_, key)| (&key.id, key.hash)).collect();
        let (mut fresh, mut known) = (Vec::new(), Vec::new());
        for event in &proposal.events {
            match &event.external {
                Some(key) if hashes.get(&key.id) == Some(&key.hash) => known.push(key.id.clone()),
                Some(key) if hashes.contains_key(&key.id) => return Err(key.id.clone()),
                Some(key) => {
                    hashes.insert(&key.id, key.hash);
                    fresh.push(event.clone());
                }
                None => fresh.push(event.clone()),
            }
        }
        Ok((fresh, known))
    }

    fn record(&mut self, proposal: Proposal, fresh: Vec<NewEvent>) -> Append {
        let first = self.next_sequence(&proposal.stream);
        let (head, _) = self.head(&proposal.stream.domain);
        for event in &fresh {
            let facts = event.external.iter().cloned();
            self.facts
                .extend(facts.map(|key| (proposal.stream.clone(), key)));
        }
        let last_position = head.plus(fresh.len());
        let events = fresh.into_iter().enumerate().map(|(index, event)| Event {
            sequence: first.plus(index),
            position: head.plus(index + 1),
            payload: event.payload,
            created_at: event.created_at,
            external_id: event.external.map(|key| key.id),
        });
        let append = Append {
            id: proposal.id,
            stream: proposal.stream,
            first_sequence: first,
            last_position,
            correlation_id: proposal.correlation_id,
            command_id: proposal.key.as_ref().map(|key| key.id.clone()),
            trace_parent: proposal.trace_parent,
            events: events.collect(),
        };
        if let Some(key) = proposal.key {
            self.commands.push((key, append.clone()));
        }
        if let Some(snapshot) = proposal.snapshot {
            self.keep(&append.stream, snapshot);
        }
        if !append.events.is_empty() {
            self.appends.push(append.clone());
        }
        append
    }

    fn keep(&mut self, stream: &StreamId, snapshot: Snapshot) {
        let is_newer = self.snapshots.get(stream).is_none_or(|kept| {
            kept.sequence < snapshot.sequence || kept.version != snapshot.version
        });
        if is_newer {
            self.snapshots.insert(stream.clone(), snapshot);
        }
    }

    fn load(&self, load: &Load) -> Loaded {
        if let Some(key) = &load.key {
            match self.probe(&load.stream, key) {
                Probe::Unknown => {}
                Probe::Known(append) => return Loaded::Known(append),
                Probe::Reused => return Loaded::KeyReused(key.id.clone()),
            }
        }
        let is_within = |sequence| load.through.is_none_or(|through| sequence <= through);
        let kept = self.snapshots.get(&load.stream);
        let snapshot = kept.filter(|snapshot| {
            Some(snapshot.version) == load.snapshot_version && is_within(snapshot.sequence)
        });
        let events: Vec<Event> = self
            .of_stream(&load.stream)
            .flat_map(|append| &append.events)
            .filter(|event| is_within(event.sequence))
            .filter(|event| snapshot.is_none_or(|snapshot| event.sequence > snapshot.sequence))
            .cloned()
            .collect();
        let actual = self.next_sequence(&load.stream);
        if load.expected.is_some_and(|expected| expected != actual) {
            return Loaded::Conflict { actual };
        }
        let history = Loaded::History {
            snapshot: snapshot.cloned(),
            events,
            next_sequence: actual,
        };
        if history.size() > load.limit {
            return Loaded::TooLarge;
        }
        history
    }

    fn read_partition(&self, read: &PartitionRead) -> PartitionPage {
        let (head, head_append) = self.head(&read.domain);
        let previous = self
            .of_domain(&read.domain)
            .find(|append| append.last_position == read.after);
        let later = self
            .of_domain(&read.domain)
            .filter(|append| append.last_position > read.after);
        let appends = if read.limit == 0 {
            Vec::new()
        } else {
            until_exceeded(later, read.limit)
        };
        PartitionPage {
            previous: previous.map(|append| append.id),
            appends,
            head,
            head_append,
        }
    }
}

/// Appends up to the one with which the limit of bytes is exceeded.
pub(super) fn until_exceeded<'a>(
    appends: impl Iterator<Item = &'a Append>,
    limit: usize,
) -> Vec<Append> {
    let mut taken = Vec::new();
    let mut size = 0;
    for append in appends {
        if size > limit {
            break;
        }
        size += append.size();
        taken.push(append.clone());
    }
    taken
}

#[async_trait]
impl Log for ModelStore {
    async fn load(&self, load: Load) -> Result<Loaded, Error> {
        Ok(self.state().recorded.load(&load))
    }

    async fn read_stream(&self, read: StreamRead) -> Result<Vec<Append>, Error> {
        let state = self.state();
        let wanted = state.recorded.of_stream(&read.stream).filter(|append| {
            append.next_sequence() > read.from && append.last_position > read.after
        });
        Ok(until_exceeded(wanted, read.limit))
    }

    async fn read_partition(&self, read: PartitionRead) -> Result<PartitionPage, Error> {
        Ok(self.state().recorded.read_partition(&read))
    }

    fn identity(&self) -> StoreIdentity {
        self.identity
    }
}
