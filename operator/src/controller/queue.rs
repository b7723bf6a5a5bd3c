//! Which resources are due: each once, in turn, a bounded number beside each other, and never one of them twice at a time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use futures::{StreamExt, stream};
use kube::runtime::scheduler::{ScheduleRequest, scheduler};
use prometheus::IntGauge;
use rand::Rng;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::JoinMap;

use crate::model::Key;

/// Asks for resources to be looked at. Requests for the same resource become one, so that what waits is bounded by the number of resources.
#[derive(Debug, Clone)]
pub(super) struct Requests(UnboundedSender<ScheduleRequest<Key>>);

impl Requests {
    /// Asks for a look at once.
    pub(super) fn now(&self, key: Key) {
        self.after(key, Duration::ZERO);
    }

    /// Asks for a look at all of them at once.
    pub(super) fn all(&self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            self.now(key);
        }
    }

    fn after(&self, message: Key, delay: Duration) {
        let run_at = Instant::now() + delay;
        // The queue is gone only when the process ends.
        let _ = self.0.send(ScheduleRequest { message, run_at });
    }
}

/// When a resource is looked at again without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// At the regular interval.
    Regular,
    /// After a failure: sooner at first, later with each further one.
    Failed,
    /// Never: it is gone.
    Never,
}

/// The times and bounds of the operator's work.
#[derive(Debug, Clone, Copy, Args)]
pub struct Pace {
    /// How many resources are looked at beside each other.
    #[arg(long, hide = true, default_value_t = 16)]
    pub concurrency: usize,
    /// How often each resource is looked at without being asked.
    #[arg(long, hide = true, default_value = "10m", value_parser = humantime::parse_duration)]
    pub resync: Duration,
    /// The wait after a first failure.
    #[arg(long, hide = true, default_value = "200ms", value_parser = humantime::parse_duration)]
    pub backoff_initial: Duration,
    /// The longest wait after a failure.
    #[arg(long, hide = true, default_value = "1m", value_parser = humantime::parse_duration)]
    pub backoff_max: Duration,
    /// How long a call of the API server may take.
    #[arg(long, hide = true, default_value = "30s", value_parser = humantime::parse_duration)]
    pub call: Duration,
    /// How long a watch lasts until it is begun anew; one that died in silence is noticed then.
    #[arg(long, hide = true, default_value = "1m", value_parser = humantime::parse_duration)]
    pub watch: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            concurrency: 16,
            resync: Duration::from_secs(600),
            backoff_initial: Duration::from_millis(200),
            backoff_max: Duration::from_secs(60),
            call: Duration::from_secs(30),
            watch: Duration::from_secs(60),
        }
    }
}

/// The queue.
pub(super) struct Queue {
    pace: Pace,
    requests: Requests,
    received: UnboundedReceiver<ScheduleRequest<Key>>,
    failures: HashMap<Key, u32>,
    /// Shows how many resources are due or looked at.
    length: IntGauge,
}

impl Queue {
    /// An empty queue, whose length a gauge shows.
    pub(super) fn new(pace: Pace, length: IntGauge) -> Self {
        let (sender, received) = unbounded_channel();
        Self {
            pace,
            requests: Requests(sender),
            received,
            failures: HashMap::new(),
            length,
        }
    }

    /// What asks it.
    pub(super) fn requests(&self) -> Requests {
        self.requests.clone()
    }

    /// Looks at what is due until it is stopped; what is under way then ends first.
    pub(super) async fn run<F>(mut self, look: impl Fn(Key) -> F, stop: CancellationToken)
    where
        F: Future<Output = Next> + Send + 'static,
    {
        let (_none, closed) = unbounded_channel();
        let received = std::mem::replace(&mut self.received, closed);
        let received = stream::unfold(received, |mut received| async {
            let request = received.recv().await?;
            Some((request, received))
        });
        let mut due = pin!(scheduler(received).fuse());
        let mut under_way: JoinMap<Key, Next> = JoinMap::new();
        let mut waiting = Waiting::default();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some((key, next)) = under_way.join_next() => {
                    // One that panicked has failed; the panic was reported where it happened.
                    self.settle(key, next.unwrap_or(Next::Failed));
                }
                Some(key) = due.next() => waiting.add(key),
            }
            while under_way.len() < self.pace.concurrency {
                let Some(key) = waiting.take(|key| !under_way.contains_key(key)) else {
                    break;
                };
                let looked = look(key.clone());
                under_way.spawn(key, looked);
            }
            let length = waiting.turn.len() + under_way.len();
            self.length.set(i64::try_from(length).unwrap_or(i64::MAX));
        }
        while under_way.join_next().await.is_some() {}
    }

    fn settle(&mut self, key: Key, next: Next) {
        match next {
            Next::Failed => {
                let failures = self.failures.entry(key.clone()).or_default();
                let wait = self.pace.backoff(*failures);
                *failures = failures.saturating_add(1);
                self.requests.after(key, wait);
            }
            Next::Regular => {
                self.failures.remove(&key);
                self.requests.after(key, self.pace.resync);
            }
            Next::Never => {
                self.failures.remove(&key);
            }
        }
    }
}

/// What is due and has no room yet, in turn, each once.
#[derive(Debug, Default)]
struct Waiting {
    turn: VecDeque<Key>,
    known: HashSet<Key>,
}

impl Waiting {
    fn add(&mut self, key: Key) {
        if self.known.insert(key.clone()) {
            self.turn.push_back(key);
        }
    }

    /// The first one that may go.
    fn take(&mut self, may_go: impl Fn(&Key) -> bool) -> Option<Key> {
        let place = self.turn.iter().position(may_go)?;
        let key = self.turn.remove(place)?;
        self.known.remove(&key);
        Some(key)
    }
}

impl Pace {
    /// The wait after a failure that followed so many others: twice as long each time, and up to half of it by chance, so that many that failed together
    /// do not come back together.
    fn backoff(&self, failures: u32) -> Duration {
        let doubled = self.backoff_initial.saturating_mul(1 << failures.min(16));
        let wait = doubled.min(self.backoff_max);
        wait.mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests;
