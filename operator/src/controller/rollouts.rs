//! How many rollouts run beside each other: whoever would replace pods asks for a place, and waits in turn while there is none.
//!
//! # Design
//! Places are kept in memory and found again in the reports of workloads when an operator begins, so none is written anywhere. The turn is by the time since
//! which a component waits, as its condition has it, then by its name: the same before and after the operator begins anew. Whoever is at the front and
//! does not need a place any more says so at its next look, which it gets as soon as a place is free.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::jiff::Timestamp;

use super::child::{Child, ChildKey, ChildKind, Workload};
use super::world::State;
use crate::model::Key;

/// The places. No lock is held across an await.
pub(super) struct Rollouts {
    most: NonZeroUsize,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    taken: HashSet<Key>,
    waiting: BTreeSet<(Timestamp, Key)>,
    since: HashMap<Key, Timestamp>,
}

/// Whether pods may be replaced now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    Later,
}

/// What a component needs after a look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It waits for its turn.
    Turn,
    /// It may have pods that are being replaced.
    Place,
    Nothing,
}

impl Rollouts {
    /// No rollout runs, and as many may.
    pub(super) fn new(most: NonZeroUsize) -> Self {
        Self {
            most,
            places: Mutex::default(),
        }
    }

    /// How many may run beside each other.
    pub(super) fn most(&self) -> NonZeroUsize {
        self.most
    }

    /// Finds the rollouts that an operator before began. The first pods of a component are no rollout.
    pub(super) fn recover(&self, state: &State) {
        let mut places = self.places();
        for key in state.children.keys(ChildKind::Deployment) {
            let Some(child) = state.children.get(&key) else {
                continue;
            };
            let is_replacing = child.workload.as_ref().is_some_and(Workload::is_replacing);
            if let (true, Some(of)) = (is_replacing && has_history(child, &key, state), &child.of) {
                places.taken.insert(of.clone());
            }
        }
    }

    /// Asks for a place for a component that waits since a time.
    pub(super) fn ask(&self, key: &Key, since: Timestamp) -> Turn {
        let mut places = self.places();
        if places.taken.contains(key) {
            return Turn::Now;
        }
        let since = *places.since.entry(key.clone()).or_insert(since);
        places.waiting.insert((since, key.clone()));
        let free = self.most.get().saturating_sub(places.taken.len());
        if !places.waiting.iter().take(free).any(|(_, it)| it == key) {
            return Turn::Later;
        }
        places.leave(key);
        places.taken.insert(key.clone());
        Turn::Now
    }

    /// A component was looked at and needs this from now on; returns whose turn it is now.
    #[must_use = "those whose turn it is have to be looked at"]
    pub(super) fn settle(&self, key: &Key, need: Need) -> Vec<Key> {
        let mut places = self.places();
        let (had_place, has_waited) = match need {
            Need::Turn => (false, false),
            Need::Place => (false, places.leave(key)),
            Need::Nothing => (places.taken.remove(key), places.leave(key)),
        };
        if !had_place && !has_waited {
            return Vec::new();
        }
        let free = self.most.get().saturating_sub(places.taken.len());
        let next = places.waiting.iter().take(free);
        next.map(|(_, key)| key.clone()).collect()
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // Each change is whole in itself.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn leave(&mut self, key: &Key) -> bool {
        let Some(since) = self.since.remove(key) else {
            return false;
        };
        self.waiting.remove(&(since, key.clone()))
    }
}

/// Whether the pods of a workload are not its first.
fn has_history(child: &Child, workload: &ChildKey, state: &State) -> bool {
    let Some(pin) = &child.pin else { return false };
    let plan = ChildKey {
        kind: ChildKind::ControllerRevision,
        namespace: workload.namespace.clone(),
        name: pin.plan.clone(),
    };
    let kept = state.children.get(&plan).and_then(|it| it.kept.as_ref());
    kept.is_none_or(|kept| kept.number > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key {
            namespace: "lake".to_owned(),
            kind: angzarr_crds::Kind::Aggregate,
            name: name.to_owned(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("it is a time")
    }

    fn two() -> Rollouts {
        Rollouts::new(NonZeroUsize::new(2).expect("two is not zero"))
    }

    #[test]
    fn a_rollout_waits_while_all_places_are_taken_and_keeps_its_place() {
        let rollouts = two();
        for name in ["carp", "eel", "carp"] {
            assert_eq!(rollouts.ask(&key(name), at(9)), Turn::Now, "{name}");
        }
        assert_eq!(rollouts.ask(&key("bream"), at(1)), Turn::Later);
        assert_eq!(rollouts.settle(&key("eel"), Need::Nothing), [key("bream")]);
        assert_eq!(rollouts.ask(&key("bream"), at(1)), Turn::Now);
    }

    #[test]
    fn who_waits_longest_is_next_and_names_break_ties() {
        let rollouts = two();
        for name in ["carp", "eel"] {
            assert_eq!(rollouts.ask(&key(name), at(0)), Turn::Now);
        }
        for (name, since) in [("tench", 2), ("asp", 3), ("perch", 2)] {
            assert_eq!(rollouts.ask(&key(name), at(since)), Turn::Later);
        }
        assert_eq!(rollouts.settle(&key("carp"), Need::Nothing), [key("perch")]);
        // Somebody who comes in between does not get the place, nor does who waits behind.
        assert_eq!(rollouts.ask(&key("bream"), at(4)), Turn::Later);
        assert_eq!(rollouts.ask(&key("asp"), at(3)), Turn::Later);
        assert_eq!(
            rollouts.settle(&key("eel"), Need::Nothing),
            [key("perch"), key("tench")]
        );
    }

    #[test]
    fn who_does_not_need_its_turn_gives_it_to_the_next() {
        let rollouts = two();
        for name in ["carp", "eel"] {
            assert_eq!(rollouts.ask(&key(name), at(0)), Turn::Now);
        }
        assert_eq!(rollouts.ask(&key("asp"), at(1)), Turn::Later);
        assert_eq!(rollouts.ask(&key("tench"), at(2)), Turn::Later);
        assert_eq!(rollouts.settle(&key("carp"), Need::Nothing), [key("asp")]);
        assert_eq!(rollouts.settle(&key("asp"), Need::Nothing), [key("tench")]);
        assert_eq!(rollouts.ask(&key("tench"), at(2)), Turn::Now);
        // Whoever neither has nor wants a place changes nothing.
        assert!(rollouts.settle(&key("pike"), Need::Nothing).is_empty());
    }

    #[test]
    fn who_waits_keeps_its_turn_when_it_asks_again_later() {
        let rollouts = two();
        for name in ["carp", "eel"] {
            assert_eq!(rollouts.ask(&key(name), at(0)), Turn::Now);
        }
        assert_eq!(rollouts.ask(&key("tench"), at(1)), Turn::Later);
        assert_eq!(rollouts.ask(&key("asp"), at(2)), Turn::Later);
        assert_eq!(rollouts.ask(&key("tench"), at(5)), Turn::Later);
        assert_eq!(rollouts.settle(&key("eel"), Need::Nothing), [key("tench")]);
    }
}
