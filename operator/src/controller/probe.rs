//! Asks the sidecars of pods how they are, beside the reconciler and never in its way.
//!
//! # Design
//! Each pod is asked at an interval, sooner while an answer is pending, a bounded number at a time, each for a bounded time and size. Only news asks
//! for a reconcile, so a status that nothing changes is never written.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use angzarr_admin::Client;
use angzarr_admin::shape::Statusz;
use angzarr_config::boot::Ports;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::JoinMap;
use url::Url;

use super::look::{Answer, Look, Said};
use super::queue::Requests;
use super::world::{State, World};
use crate::model::Key;
use crate::plan::hash_in_force;

/// How often and how many sidecars are asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How often each is asked.
    pub(super) interval: Duration,
    /// How often each is asked while its answer is pending.
    pub(super) pending: Duration,
    /// How long an answer may take.
    pub(super) within: Duration,
    /// How many are asked beside each other.
    pub(super) concurrency: usize,
    /// How long an answer may be.
    pub(super) most_bytes: usize,
}

impl Pace {
    /// The pace with an interval.
    pub(super) fn every(interval: Duration) -> Self {
        Self {
            interval,
            pending: (interval / 10).max(Duration::from_millis(100)),
            within: Duration::from_secs(3),
            concurrency: 32,
            most_bytes: 256 << 10,
        }
    }
}

/// Asks the sidecars.
pub(super) struct Prober {
    pub(super) world: Arc<World>,
    pub(super) requests: Requests,
    pub(super) pace: Pace,
}

/// A sidecar to ask.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Target {
    key: Key,
    pod: String,
    ip: String,
}

impl Prober {
    /// Asks until it is stopped.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut tick = interval(self.pace.pending);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked: HashMap<Target, Instant> = HashMap::new();
        let mut under_way: JoinMap<Target, Result<Statusz, String>> = JoinMap::new();
        let mut due = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some((target, answer)) = under_way.join_next() => {
                    let answer = answer.unwrap_or_else(|error| Err(error.to_string()));
                    asked.insert(target.clone(), Instant::now());
                    self.enter(&target, answer);
                }
                _ = tick.tick() => due = self.due(&mut asked, |target| under_way.contains_key(target)),
            }
            while under_way.len() < self.pace.concurrency {
                let Some(target) = due.pop() else { break };
                let Pace {
                    within, most_bytes, ..
                } = self.pace;
                let ip = target.ip.clone();
                under_way.spawn(target, async move { ask(&ip, within, most_bytes).await });
            }
        }
    }

    /// Who is to be asked now, the one that waits longest last.
    fn due(
        &self,
        asked: &mut HashMap<Target, Instant>,
        is_under_way: impl Fn(&Target) -> bool,
    ) -> Vec<Target> {
        let mut state = self.world.state();
        let targets: HashSet<_> = targets(&state).collect();
        state.forget_gone_looks();
        asked.retain(|target, _| targets.contains(target));
        let now = Instant::now();
        let is_due = |target: &Target| {
            let is_pending = state.looks.is_pending(&target.key, &target.pod);
            let wait = if is_pending {
                self.pace.pending
            } else {
                self.pace.interval
            };
            asked.get(target).is_none_or(|last| now >= *last + wait)
        };
        let mut due: Vec<_> = targets
            .into_iter()
            .filter(|target| !is_under_way(target) && is_due(target))
            .collect();
        due.sort_by_key(|target| std::cmp::Reverse(asked.get(target).copied()));
        due
    }

    fn enter(&self, target: &Target, answer: Result<Statusz, String>) {
        let mut state = self.world.state();
        let before = state.looks.get(&target.key, &target.pod);
        let before = before.and_then(|look| match &look.answer {
            Answer::Said(said) => Some(said.clone()),
            Answer::Silent(_) => None,
        });
        let slice = state.looks.applied(&target.key).cloned();
        let store = state.store_of(&target.key);
        let answer = match answer {
            Ok(status) => {
                let in_force = slice.clone().zip(store.as_ref());
                let hash = in_force.map(|(slice, store)| hash_in_force(slice, store, &state.index));
                let lag = before.as_ref().and_then(|said| said.lag.as_ref());
                let was_behind = lag.is_some_and(|lag| !lag.is_caught_up);
                Answer::Said(Box::new(Said::read(&status, hash.as_deref(), was_behind)))
            }
            Err(reason) => Answer::Silent(reason),
        };
        let look = Look {
            ip: target.ip.clone(),
            slice,
            answer,
            misses: 0,
        };
        let Some(news) = state.looks.enter(&target.key, &target.pod, look) else {
            return;
        };
        let is_of_store = match (&before, &news.answer) {
            (Some(before), Answer::Said(said)) => !before.is_like_of_store(said),
            (Some(_), Answer::Silent(_)) | (None, _) => true,
        };
        drop(state);
        self.requests.now(target.key.clone());
        if let Some(store) = store.filter(|_| is_of_store) {
            self.requests.now(store.key());
        }
    }
}

fn targets(state: &State) -> impl Iterator<Item = Target> {
    let pods = state.all_pods();
    let pods = pods.filter(|(_, pod)| pod.has_sidecar && !pod.is_leaving);
    pods.filter_map(|(key, pod)| {
        Some(Target {
            key: key.clone(),
            pod: pod.name.clone(),
            ip: pod.ip.clone()?,
        })
    })
}

/// Asks the sidecar of an address; what it says of itself, or why it says nothing.
async fn ask(ip: &str, within: Duration, most_bytes: usize) -> Result<Statusz, String> {
    let address = address(ip).ok_or("it has no address")?;
    let client = Client::new(address, within).reading_at_most(most_bytes);
    client
        .get("/statusz", &[])
        .await
        .map_err(|error| error.to_string())
}

fn address(ip: &str) -> Option<Url> {
    let socket = SocketAddr::new(ip.parse::<IpAddr>().ok()?, Ports::default().admin);
    Url::parse(&format!("http://{socket}")).ok()
}
