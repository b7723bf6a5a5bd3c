//! What sidecars said when they were asked, as far as status shows it: equal answers lead to the same status.

use std::collections::{BTreeMap, HashMap};

use angzarr_admin::shape::{SourceStatus, Statusz};
use angzarr_config::Routing;

use super::pod::Pod;
use crate::model::Key;

/// How far behind a consumer still counts as caught up.
const CAUGHT_UP: u64 = 100;

/// What is known of the sidecars of all components.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// The routing slices that were applied last.
    applied: HashMap<Key, Routing>,
    looks: HashMap<Key, BTreeMap<String, Look>>,
}

/// What the sidecar of a pod said when it was asked last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    /// Where it was asked.
    pub(super) ip: String,
    /// The routing slice that was applied then.
    pub(super) slice: Option<Routing>,
    pub(super) answer: Answer,
    /// How often in a row there was no answer; once is forgiven.
    pub(super) misses: u32,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// There is none, or not one of a sidecar.
    Silent(String),
    Said(Box<Said>),
}

/// What a sidecar said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// Whether it has the routing that was applied, and the directory.
    pub(super) is_routed: bool,
    /// Why it does not take the routing.
    pub(super) routing_error: Option<String>,
    pub(super) logic: Reach,
    pub(super) store: Reach,
    /// The identity of its store, once that is open.
    pub(super) store_id: Option<String>,
    /// What it says of another store that is where its own should be.
    pub(super) other_store: Option<String>,
    /// How far a consumer that acts here is behind.
    pub(super) lag: Option<Lag>,
}

/// Whether something answers a sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    Unknown,
    Reachable,
    Unreachable(String),
}

/// How far a consumer is behind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lag {
    /// The next higher power of ten.
    below: u64,
    pub(super) is_caught_up: bool,
}

/// A pod that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) pod: String,
    pub(super) is_ready: bool,
    /// `None` until it was asked once.
    pub(super) answer: Option<Answer>,
    /// Whether it has the routing that was applied last.
    pub(super) is_routed: bool,
}

impl Looks {
    /// Enters the routing that was applied.
    pub(super) fn apply(&mut self, key: &Key, routing: Routing) {
        if self.applied.get(key) != Some(&routing) {
            self.applied.insert(key.clone(), routing);
        }
    }

    /// The routing slice that was applied last.
    pub(super) fn applied(&self, key: &Key) -> Option<&Routing> {
        self.applied.get(key)
    }

    /// Enters what a pod said; returns what is known of it now, if that is news.
    pub(super) fn enter(&mut self, key: &Key, pod: &str, mut look: Look) -> Option<&Look> {
        let looks = self.looks.entry(key.clone()).or_default();
        let before = looks.get(pod).filter(|before| before.ip == look.ip);
        if let (Some(before), Answer::Silent(_)) = (before, &look.answer) {
            look.misses = before.misses.saturating_add(1);
            let is_forgiven = look.misses < 2 && matches!(before.answer, Answer::Said(_));
            if is_forgiven {
                look = Look {
                    misses: look.misses,
                    ..before.clone()
                };
            }
        }
        let is_news = before.is_none_or(|it| it.answer != look.answer || it.slice != look.slice);
        looks.insert(pod.to_owned(), look);
        is_news.then(|| &looks[pod])
    }

    /// What a pod said last.
    pub(super) fn get(&self, key: &Key, pod: &str) -> Option<&Look> {
        self.looks.get(key)?.get(pod)
    }

    /// Whether a pod is asked again soon: it was not asked since the routing changed, does not have it yet, or did not answer once.
    pub(super) fn is_pending(&self, key: &Key, pod: &str) -> bool {
        let Some(look) = self.get(key, pod) else {
            return true;
        };
        let is_routed = match &look.answer {
            Answer::Said(said) => said.is_routed,
            Answer::Silent(_) => true,
        };
        !is_routed || look.misses == 1 || look.slice.as_ref() != self.applied(key)
    }

    /// The pods of a component that can be asked, with what they said.
    pub(super) fn asked(&self, key: &Key, pods: &[Pod]) -> Vec<Asked> {
        let own = pods.iter().filter(|pod| pod.has_sidecar && !pod.is_leaving);
        own.filter(|pod| pod.ip.is_some() || pod.is_ready)
            .map(|pod| self.asked_of(key, pod))
            .collect()
    }

    fn asked_of(&self, key: &Key, pod: &Pod) -> Asked {
        let look = self.get(key, &pod.name);
        let look = look.filter(|look| Some(&look.ip) == pod.ip.as_ref());
        let no_address = || Answer::Silent("it has no address".to_owned());
        let is_current = look.is_some_and(|it| it.slice.as_ref() == self.applied(key));
        let answer = look.map(|look| look.answer.clone());
        Asked {
            pod: pod.name.clone(),
            is_ready: pod.is_ready,
            is_routed: is_current && matches!(&answer, Some(Answer::Said(said)) if said.is_routed),
            answer: answer.or_else(|| pod.ip.is_none().then(no_address)),
        }
    }

    /// Forgets all pods but these.
    pub(super) fn retain(&mut self, is_there: impl Fn(&Key, &str) -> bool) {
        for (key, looks) in &mut self.looks {
            looks.retain(|pod, _| is_there(key, pod));
        }
        self.looks.retain(|_, looks| !looks.is_empty());
    }

    /// Forgets a component.
    pub(super) fn forget(&mut self, key: &Key) {
        self.applied.remove(key);
        self.looks.remove(key);
    }
}

impl Said {
    /// Reads what a sidecar said; `hash` is that of the routing which it should have.
    pub(super) fn read(status: &Statusz, hash: Option<&str>, was_behind: bool) -> Self {
        let routing = status.routing.as_ref();
        let mut unreachable = status
            .components
            .iter()
            .filter(|it| it.logic == "unreachable");
        let is_reachable = |it: &angzarr_admin::shape::ComponentStatus| it.logic == "reachable";
        let logic = match unreachable.next() {
            Some(it) => Reach::Unreachable(it.reason.clone().unwrap_or_default()),
            None if status.components.is_empty() => Reach::Unknown,
            None if status.components.iter().all(is_reachable) => Reach::Reachable,
            None => Reach::Unknown,
        };
        let store = match status.store.state.as_str() {
            "reachable" => Reach::Reachable,
            "unreachable" => Reach::Unreachable(status.store.reason.clone().unwrap_or_default()),
            _ => Reach::Unknown,
        };
        let acting = status.consumers.iter().filter(|it| it.holder == "here");
        let sources = acting.flat_map(|it| &it.sources);
        let behind = sources.filter(|it| it.head.is_some()).map(lag_of).max();
        Self {
            is_routed: routing.is_some_and(|it| it.loaded && Some(it.hash.as_str()) == hash),
            routing_error: routing.and_then(|it| it.error.clone()),
            logic,
            store,
            store_id: status.store.id.clone(),
            other_store: (status.store.state == "other")
                .then(|| status.store.reason.clone().unwrap_or_default()),
            lag: behind.map(|behind| Lag::new(behind, was_behind)),
        }
    }

    /// Whether it says the same of its store.
    pub(super) fn is_like_of_store(&self, other: &Self) -> bool {
        let of = |said: &Self| {
            let Self {
                store,
                store_id,
                other_store,
                ..
            } = said;
            (store.clone(), store_id.clone(), other_store.clone())
        };
        of(self) == of(other)
    }
}

fn lag_of(source: &SourceStatus) -> u64 {
    source.lag
}

impl Lag {
    /// A consumer that was behind counts as caught up again at half the bound, so that one at the bound does not change all the time.
    fn new(events: u64, was_behind: bool) -> Self {
        let bound = if was_behind { CAUGHT_UP / 2 } else { CAUGHT_UP };
        Self {
            below: 10u64.saturating_pow(events.max(1).ilog10() + 1),
            is_caught_up: events <= bound,
        }
    }
}

impl std::fmt::Display for Lag {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(formatter, "<{}", self.below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_shown_by_powers_of_ten() {
        for (events, shown) in [(0, "<10"), (9, "<10"), (10, "<100"), (12_345, "<100000")] {
            assert_eq!(Lag::new(events, false).to_string(), shown);
        }
        assert_eq!(
            Lag::new(u64::MAX, false).to_string(),
            format!("<{}", u64::MAX)
        );
    }

    #[test]
    fn a_consumer_that_was_behind_has_to_come_closer() {
        assert!(Lag::new(100, false).is_caught_up && !Lag::new(101, false).is_caught_up);
        assert!(!Lag::new(51, true).is_caught_up && Lag::new(50, true).is_caught_up);
    }

    fn key() -> Key {
        Key {
            namespace: "lake".to_owned(),
            kind: angzarr_crds::Kind::Aggregate,
            name: "nest".to_owned(),
        }
    }

    fn pod() -> Pod {
        Pod {
            name: "nest-0".to_owned(),
            ip: Some("10.0.0.7".to_owned()),
            is_ready: true,
            is_leaving: false,
            asks: false,
            injected: None,
            has_sidecar: true,
            config_maps: Vec::new(),
            owner: None,
            prepared: None,
            trouble: None,
        }
    }

    fn look(answer: Answer) -> Look {
        Look {
            ip: "10.0.0.7".to_owned(),
            slice: Some(Routing::default()),
            answer,
            misses: 0,
        }
    }

    fn said() -> Answer {
        Answer::Said(Box::new(Said {
            is_routed: true,
            routing_error: None,
            logic: Reach::Reachable,
            store: Reach::Reachable,
            store_id: None,
            other_store: None,
            lag: None,
        }))
    }

    fn silent() -> Answer {
        Answer::Silent("no response".to_owned())
    }

    #[test]
    fn the_same_again_and_a_single_miss_are_no_news() {
        let mut looks = Looks::default();
        looks.apply(&key(), Routing::default());
        let mut is_news = |answer| looks.enter(&key(), "nest-0", look(answer)).is_some();
        assert!(is_news(said()));
        assert!(!is_news(said()));
        assert!(!is_news(silent()));
        assert!(is_news(silent()));
        assert!(!is_news(silent()));
        assert!(is_news(said()));
    }

    #[test]
    fn an_acknowledgement_is_of_one_routing() {
        let mut looks = Looks::default();
        looks.apply(&key(), Routing::default());
        looks.enter(&key(), "nest-0", look(said()));
        let is_routed = |looks: &Looks| looks.asked(&key(), &[pod()])[0].is_routed;
        assert!(is_routed(&looks) && !looks.is_pending(&key(), "nest-0"));
        let mut next = Routing::default();
        next.owners.insert("reed".to_owned(), Vec::new());
        looks.apply(&key(), next);
        assert!(!is_routed(&looks) && looks.is_pending(&key(), "nest-0"));
    }

    #[test]
    fn a_pod_with_another_address_was_not_asked_yet() {
        let mut looks = Looks::default();
        looks.enter(&key(), "nest-0", look(said()));
        let moved = Pod {
            ip: Some("10.0.0.8".to_owned()),
            ..pod()
        };
        assert_eq!(looks.asked(&key(), &[moved])[0].answer, None);
    }
}
