//! Roots whose next append failed: how often, and whether they are to blame.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::lock;
use super::root::Failure;
use crate::model::{Sequence, StreamId};

/// What is known of the failures of calls to the logic.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// How many calls to the logic succeeded.
    successes: AtomicU64,
    roots: Mutex<HashMap<StreamId, Failing>>,
}

/// A root whose next append failed.
#[derive(Debug)]
struct Failing {
    at: Sequence,
    attempts: u32,
    /// How many calls had succeeded when a call about the append first broke since the last attempt that counted.
    broke_at: Option<u64>,
    was_healthy: bool,
    is_waiting: bool,
    /// The last failure that counted.
    last: Option<Failure>,
}

impl Failures {
    /// Counts a failure; returns how many there were about the same append.
    pub(super) fn count(&self, stream: &StreamId, failure: &Failure) -> u32 {
        let mut failing = lock(&self.roots);
        let failing = entry(&mut failing, stream, failure.at);
        failing.last = Some(failure.clone());
        failing.attempts += 1;
        failing.broke_at = None;
        failing.was_healthy = false;
        failing.attempts
    }

    /// Whether an append is to blame for a call that broke: calls about it broke before, and meanwhile those of other roots succeeded, or, when
    /// nothing else is to be delivered, the logic was healthy for a while. Otherwise it looks like an outage.
    pub(super) fn is_to_blame(&self, stream: &StreamId, at: Sequence, is_alone: bool) -> bool {
        let successes = self.successes.load(Ordering::Relaxed);
        let mut failing = lock(&self.roots);
        let failing = entry(&mut failing, stream, at);
        match failing.broke_at {
            None => {
                failing.broke_at = Some(successes);
                false
            }
            Some(before) => successes > before || (is_alone && failing.was_healthy),
        }
    }

    /// Notes that a call to the logic succeeded.
    pub(super) fn note_success(&self) {
        self.successes.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a call about the root broke and would count if it broke again.
    pub(super) fn is_suspect(&self, stream: &StreamId) -> bool {
        let failing = lock(&self.roots);
        failing
            .get(stream)
            .is_some_and(|root| root.broke_at.is_some() && root.was_healthy)
    }

    /// Notes that the logic was healthy for a while after a call about the root broke.
    pub(super) fn note_healthy(&self, stream: &StreamId) {
        if let Some(failing) = lock(&self.roots).get_mut(stream) {
            failing.was_healthy = true;
        }
    }

    /// Notes whether the delivery of a root waits before its next attempt.
    pub(super) fn set_waiting(&self, stream: &StreamId, is_waiting: bool) {
        if let Some(failing) = lock(&self.roots).get_mut(stream) {
            failing.is_waiting = is_waiting;
        }
    }

    pub(super) fn is_waiting(&self, stream: &StreamId) -> bool {
        lock(&self.roots)
            .get(stream)
            .is_some_and(|failing| failing.is_waiting)
    }

    /// The failure after which the delivery of a root waits.
    pub(super) fn before_wait(&self, stream: &StreamId) -> Option<Failure> {
        let failing = lock(&self.roots);
        let waiting = failing.get(stream).filter(|failing| failing.is_waiting);
        waiting.and_then(|failing| failing.last.clone())
    }

    /// Forgets the failures of a root.
    pub(super) fn forget(&self, stream: &StreamId) {
        lock(&self.roots).remove(stream);
    }
}

fn entry<'a>(
    failing: &'a mut HashMap<StreamId, Failing>,
    stream: &StreamId,
    at: Sequence,
) -> &'a mut Failing {
    let fresh = || Failing {
        at,
        attempts: 0,
        broke_at: None,
        was_healthy: false,
        is_waiting: false,
        last: None,
    };
    let entry = failing.entry(stream.clone()).or_insert_with(fresh);
    if entry.at != at {
        *entry = fresh();
    }
    entry
}
