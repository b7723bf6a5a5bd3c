//! What a command is judged on, put together append by append.

use angzarr_coordinator::model::{Append, Event, Sequence, Snapshot};
use angzarr_coordinator::port::log::{Load, Loaded};

/// A history that is being read.
pub(crate) struct Reading<'a> {
    load: &'a Load,
    snapshot: Option<Snapshot>,
    events: Vec<Event>,
    next_sequence: Sequence,
    size: usize,
}

impl<'a> Reading<'a> {
    /// Begins with the snapshot and the length of the stream.
    pub(crate) fn begin(
        load: &'a Load,
        snapshot: Option<Snapshot>,
        next_sequence: Sequence,
    ) -> Self {
        Self {
            load,
            size: snapshot.as_ref().map_or(0, |kept| kept.state.size()),
            snapshot,
            events: Vec::new(),
            next_sequence,
        }
    }

    /// The first event that is needed.
    pub(crate) fn from(&self) -> Sequence {
        let snapshot = self.snapshot.as_ref();
        snapshot.map_or(Sequence::FIRST, |snapshot| snapshot.sequence.plus(1))
    }

    /// Takes the events of the next append that are needed.
    pub(crate) fn push(&mut self, append: Append) {
        let (from, through) = (self.from(), self.load.through);
        for event in append.events {
            if event.sequence >= from && through.is_none_or(|through| event.sequence <= through) {
                self.size += event.size();
                self.events.push(event);
            }
        }
    }

    /// Whether what was read exceeds the limit.
    pub(crate) fn is_too_large(&self) -> bool {
        self.size > self.load.limit
    }

    /// What was read.
    pub(crate) fn finish(self) -> Loaded {
        if self.is_too_large() {
            return Loaded::TooLarge;
        }
        Loaded::History {
            snapshot: self.snapshot,
            events: self.events,
            next_sequence: self.next_sequence,
        }
    }
}
