//! What the parts of a running consumer share while it holds its lease.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::committer::{Ended, Handle};
use super::derive::Derived;
use super::error::Error;
use super::failures::Failures;
use super::live_status::{LiveStatus, Needed};
use super::lock;
use super::outgoing::landing;
use super::progress_cache::ProgressCache;
use super::root::{DeliveryError, Failure};
use super::settings::{Ports, Settings};
use super::settlements::Settlements;
use crate::describe;
use crate::model::{Append, Code, Cursor, Domain, Position, Sequence, Status, StreamId};
use crate::port::progress::{Parked, RootProgress, Step};
use crate::port::store;
use crate::turns::Turns;

/// Bytes of the progress of roots that is kept in memory; what was unused longest is read from the store again.
const CACHED_PROGRESS_BYTES: usize = 4 << 20;

/// Synchronous calls and replays that may wait for one root.
const MAX_WAITING: usize = 256;

/// A consumer that holds its lease.
pub(super) struct Active {
    pub(super) settings: Arc<Settings>,
    pub(super) ports: Ports,
    pub(super) status: Arc<LiveStatus>,
    pub(super) committer: Handle,
    /// Who may call the logic about a root and store its progress; held for one attempt.
    pub(super) turns: Turns<StreamId>,
    /// How many roots have deliveries, waiting ones included.
    pub(super) roots_under_way: AtomicUsize,
    /// How many deliveries are with the logic.
    pub(super) permits: Semaphore,
    /// Who among the roots whose calls broke may be tried again.
    pub(super) suspects: Semaphore,
    /// Calls of others that must not end in the middle when the caller goes.
    pub(super) calls: TaskTracker,
    /// Says that outgoing work was stored.
    pub(super) outgoing: Notify,
    /// At most one delivery that waits for something outside looks often; the others hear of it through `recovered`.
    pub(super) scout: Semaphore,
    pub(super) recovered: Notify,
    /// Who waits for the final reply to outgoing work.
    pub(super) settlements: Settlements,
    /// Whether so much outgoing work waits that the sources bring no more.
    outgoing_full: watch::Sender<bool>,
    /// Until then nobody else was granted the lease.
    lease_until: Mutex<Instant>,
    /// Ends all waiting.
    pub(super) stop: CancellationToken,
    failure: Mutex<Option<Error>>,
    roots: Mutex<ProgressCache>,
    pub(super) failures: Failures,
}

impl Active {
    pub(super) fn new(
        settings: Arc<Settings>,
        ports: Ports,
        status: Arc<LiveStatus>,
        committer: Handle,
        lease_until: Instant,
    ) -> Self {
        Self {
            permits: Semaphore::new(settings.concurrency.max(1)),
            suspects: Semaphore::new(1),
            settings,
            ports,
            status,
            committer,
            turns: Turns::new(MAX_WAITING),
            roots_under_way: AtomicUsize::new(0),
            calls: TaskTracker::new(),
            outgoing: Notify::new(),
            scout: Semaphore::new(1),
            recovered: Notify::new(),
            settlements: Settlements::default(),
            outgoing_full: watch::Sender::new(false),
            lease_until: Mutex::new(lease_until),
            stop: CancellationToken::new(),
            failure: Mutex::default(),
            roots: Mutex::new(ProgressCache::new(CACHED_PROGRESS_BYTES)),
            failures: Failures::default(),
        }
    }

    /// Notes why the consumer ends, unless it ends already for another reason, and ends it.
    pub(super) fn fail(&self, error: Error) {
        lock(&self.failure).get_or_insert(error);
        self.stop.cancel();
    }

    pub(super) fn failure(&self) -> Option<Error> {
        lock(&self.failure).clone()
    }

    /// Notes that the lease was renewed by a call that began at `asked`.
    pub(super) fn renewed(&self, asked: Instant) {
        *lock(&self.lease_until) = asked + self.settings.lease_ttl;
    }

    /// Whether nobody else can hold the lease now. Both clocks only need to run equally fast.
    pub(super) fn holds_lease(&self) -> bool {
        Instant::now() < *lock(&self.lease_until)
    }

    pub(super) fn set_outgoing_full(&self, is_full: bool) {
        self.outgoing_full
            .send_if_modified(|known| std::mem::replace(known, is_full) != is_full);
    }

    /// Watches whether the sources are to bring no more.
    pub(super) fn watch_outgoing(&self) -> watch::Receiver<bool> {
        self.outgoing_full.subscribe()
    }

    /// The place after which events of a domain count.
    pub(super) fn start(&self, domain: &Domain) -> Option<Cursor> {
        self.status.start(domain)
    }

    /// How far the consumer got in a root; to be asked under the root's turn. A root whose progress cannot be read is parked as long as the consumer
    /// runs: nothing of it is handled, all others go on, and what it missed is fetched from its owner once it can be read.
    pub(super) async fn read_root(&self, stream: &StreamId) -> Result<RootProgress, DeliveryError> {
        if let Some(known) = lock(&self.roots).get(stream) {
            return Ok(known);
        }
        let id = &self.settings.id;
        let read = self
            .ports
            .progress
            .read_roots(id, vec![stream.clone()])
            .await;
        let progress = match read {
            Ok(read) => read.into_iter().next().unwrap_or_default(),
            Err(error) if error.is_retryable() => {
                return Err(DeliveryError::Outage(Needed::Store, describe(&error)));
            }
            Err(error @ store::Error::Corrupt(_)) => self.unreadable(stream, &error),
            Err(error) => return Err(DeliveryError::Fatal(Error::from_store(id, error))),
        };
        lock(&self.roots).insert(stream.clone(), progress.clone());
        Ok(progress)
    }

    fn unreadable(&self, stream: &StreamId, error: &store::Error) -> RootProgress {
        let error = describe(error);
        tracing::error!(
            consumer = %self.settings.id, domain = %stream.domain, root = %stream.root, error,
            "the progress of a root cannot be read; the root is parked"
        );
        self.status.parked_one();
        RootProgress {
            next_sequence: None,
            parked: Some(Parked {
                sequence: Sequence::FIRST,
                attempts: 0,
                error: Status::new(Code::DataLoss, error),
            }),
        }
    }

    /// Stores that a root is handled below `append`'s end, with what that caused; under the root's turn.
    pub(super) async fn advance(
        &self,
        append: &Append,
        caused: Derived,
        done: &[Position],
    ) -> Result<(), DeliveryError> {
        let Derived { outgoing, settled } = caused;
        let has_outgoing = !outgoing.is_empty();
        let stream = &append.stream;
        let next = append.next_sequence();
        let mut steps = vec![Step::Advance {
            stream: stream.clone(),
            next,
            outgoing,
            may_land_within: landing::stored(&self.settings),
        }];
        steps.extend(settled);
        self.commit(steps, &stream.domain, done).await?;
        lock(&self.roots).advance(stream, next);
        self.failures.forget(stream);
        if has_outgoing {
            self.outgoing.notify_one();
        }
        Ok(())
    }

    /// Stores that appends that were received need nothing.
    pub(super) async fn finish(
        &self,
        domain: &Domain,
        done: &[Position],
    ) -> Result<(), DeliveryError> {
        self.commit(Vec::new(), domain, done).await
    }

    /// Parks a root; under its turn.
    pub(super) async fn park(
        &self,
        stream: &StreamId,
        parked: Parked,
        done: &[Position],
    ) -> Result<(), DeliveryError> {
        self.set_parked(stream, parked, None, done).await
    }

    /// Parks a root at a later append than before, and moves its progress there, in one step; under its turn.
    pub(super) async fn park_further_on(
        &self,
        stream: &StreamId,
        parked: Parked,
    ) -> Result<(), DeliveryError> {
        let next = parked.sequence;
        self.set_parked(stream, parked, Some(next), &[]).await
    }

    async fn set_parked(
        &self,
        stream: &StreamId,
        mut parked: Parked,
        next: Option<Sequence>,
        done: &[Position],
    ) -> Result<(), DeliveryError> {
        parked.error = parked.error.to_stored();
        tracing::error!(
            consumer = %self.settings.id, domain = %stream.domain, root = %stream.root, sequence = parked.sequence.0,
            attempts = parked.attempts, error = %parked.error, "a root is parked for a consumer"
        );
        let mut progress = self.read_root(stream).await?;
        let mut steps = Vec::new();
        if let Some(next) = next {
            progress.next_sequence = Some(next);
            steps.push(Step::Advance {
                stream: stream.clone(),
                next,
                outgoing: Vec::new(),
                may_land_within: Duration::ZERO,
            });
        }
        steps.push(Step::Park {
            stream: stream.clone(),
            parked: parked.clone(),
        });
        self.commit(steps, &stream.domain, done).await?;
        if progress.parked.replace(parked).is_none() {
            self.status.parked_one();
        }
        lock(&self.roots).insert(stream.clone(), progress);
        self.failures.forget(stream);
        Ok(())
    }

    /// Takes a root back in; under its turn.
    pub(super) async fn unpark(&self, stream: &StreamId) -> Result<(), DeliveryError> {
        let mut progress = self.read_root(stream).await?;
        let step = Step::Unpark {
            stream: stream.clone(),
        };
        self.commit(vec![step], &stream.domain, &[]).await?;
        if progress.parked.take().is_some() {
            self.status.unparked_one();
        }
        lock(&self.roots).insert(stream.clone(), progress);
        Ok(())
    }

    /// Stores steps, and that appends that were received are done with them.
    async fn commit(
        &self,
        steps: Vec<Step>,
        domain: &Domain,
        done: &[Position],
    ) -> Result<(), DeliveryError> {
        let done = (!done.is_empty()).then(|| (domain.clone(), done.to_vec()));
        self.commit_steps(steps, done).await
    }

    /// Stores steps that belong to no append of a source.
    pub(super) async fn commit_steps(
        &self,
        steps: Vec<Step>,
        done: Option<(Domain, Vec<Position>)>,
    ) -> Result<(), DeliveryError> {
        let committed = self.committer.commit(steps, done).await;
        committed.map_err(|Ended| DeliveryError::Ending)
    }

    /// Counts a failure of the logic, and parks the root when it was the last attempt; under the root's turn. Returns whether it was parked.
    pub(super) async fn count_failure(
        &self,
        stream: &StreamId,
        failure: Failure,
        done: &[Position],
    ) -> Result<bool, DeliveryError> {
        let attempts = self.failures.count(stream, &failure);
        let Failure {
            at, status: error, ..
        } = failure;
        tracing::warn!(
            consumer = %self.settings.id, domain = %stream.domain, root = %stream.root, sequence = at.0, attempts,
            error = %error, "the logic failed on an append"
        );
        if attempts < self.settings.max_attempts {
            return Ok(false);
        }
        let parked = Parked {
            sequence: at,
            attempts,
            error,
        };
        self.park(stream, parked, done).await?;
        Ok(true)
    }

    /// Whether an append is to blame for a call that broke; otherwise it looks like an outage.
    pub(super) fn is_to_blame(&self, stream: &StreamId, at: Sequence) -> bool {
        let is_alone = self.roots_under_way.load(Ordering::Relaxed) <= 1;
        self.failures.is_to_blame(stream, at, is_alone)
    }

    /// Notes that what a call needs is there, and wakes those that wait for it.
    pub(super) fn note_recovered(&self) {
        let was_paused = [Needed::Logic, Needed::Owner].map(|needed| self.status.resume(needed));
        if was_paused.contains(&true) {
            self.recovered.notify_waiters();
        }
    }
}
