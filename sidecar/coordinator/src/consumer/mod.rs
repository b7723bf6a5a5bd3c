//! The way of an event through a consumer: a projector, a saga or a process manager.
//!
//! ```text
//!            source ─▶ lane of the root ─▶ attempt ─▶ root ─▶ logic ─▶ committer ─▶ progress, cursor, outgoing work
//!  bus ──▶  (one per    (keeps order)      (retries,  (drops repeats,     │            │
//!            domain)                        parks)     fetches gaps)      │            └▶ outgoing ─▶ commands
//!  sync call, replay ────────────────────────────────▶ under the root's turn
//! ```
//!
//! # Design
//! Two queues stand before a root. The lane keeps deliveries in order and is held over waits. The turn is held for one attempt only, so that a
//! synchronous call or a replay comes in between; whichever holds it reads the root's progress first, so it does not matter who was faster.

mod active;
mod attempt;
mod committer;
mod derive;
mod error;
mod failures;
mod lanes;
mod live_status;
mod outgoing;
mod parked;
mod prefix;
mod progress_cache;
mod root;
mod settings;
mod settlements;
mod source;
mod sync;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use error::Error;
pub use live_status::{Holder, Snapshot, SourceSnapshot, SourceState};
pub use parked::Refused;
pub use settings::{OutgoingBounds, Ports, Settings, Source};
pub use settlements::Settlement;
pub use sync::Until;

use crate::describe;
use crate::model::{Projection, Status};
use crate::port::backlog::KeptWork;
use crate::port::leases::Grant;
use crate::port::progress::{Outgoing, OutgoingId};
use active::Active;
use committer::Committer;
use live_status::LiveStatus;

/// Stands between the address of a holder and the name of its process.
const PROCESS_MARK: char = '#';
/// Roots that are counted with one read.
const PARKED_PAGE: usize = 1_000;

/// The right to act, as it was granted.
#[derive(Debug, Clone, Copy)]
struct Lease {
    epoch: u64,
    /// Until then nobody else is granted it, unless it is renewed.
    until: Instant,
}

/// A projector, saga or process manager as a reader of events.
pub struct Consumer {
    settings: Mutex<Arc<Settings>>,
    ports: Ports,
    status: Arc<LiveStatus>,
    active: Mutex<Option<Arc<Active>>>,
    /// Ends the work under way, so that it starts over with other settings.
    round: Mutex<CancellationToken>,
    /// Tells it apart from others at the same address.
    process: Uuid,
    /// Whether a lease of it was once granted to another.
    was_fenced: AtomicBool,
}

impl Consumer {
    /// Makes a consumer that does not run yet.
    pub fn new(settings: Settings, ports: Ports) -> Self {
        Self {
            settings: Mutex::new(Arc::new(settings)),
            ports,
            status: Arc::default(),
            active: Mutex::default(),
            round: Mutex::default(),
            process: Uuid::new_v4(),
            was_fenced: AtomicBool::new(false),
        }
    }

    /// Starts a consumer as a task; the owner awaits the handle.
    pub fn start(
        settings: Settings,
        ports: Ports,
        shutdown: CancellationToken,
    ) -> (Arc<Self>, tokio::task::JoinHandle<Result<(), Error>>) {
        let consumer = Arc::new(Self::new(settings, ports));
        let running = Arc::clone(&consumer);
        let task = tokio::spawn(async move { running.run(shutdown).await });
        (consumer, task)
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&lock(&self.settings))
    }

    /// Takes over other settings: what runs is finished and stored, then the work goes on with the new ones. Id and sources must be the same.
    pub fn configure(&self, settings: Settings) {
        let mut current = lock(&self.settings);
        if **current != settings {
            *current = Arc::new(settings);
            lock(&self.round).cancel();
        }
    }

    /// Waits for the lease, then consumes until the shutdown; what runs then is finished and stored, as far as the grace allows. May be called
    /// again after it returned.
    ///
    /// # Errors
    /// [`Error`] when going on makes no sense; whatever may pass is waited for.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), Error> {
        while !shutdown.is_cancelled() {
            let round = shutdown.child_token();
            *lock(&self.round) = round.clone();
            self.run_round(self.settings(), round).await?;
        }
        Ok(())
    }

    async fn run_round(
        &self,
        settings: Arc<Settings>,
        shutdown: CancellationToken,
    ) -> Result<(), Error> {
        let Some(lease) = self.acquire(&settings, &shutdown).await? else {
            return Ok(());
        };
        let epoch = lease.epoch;
        let ran = self.work(&settings, lease, &shutdown).await;
        lock(&self.active).take();
        self.status.ended();
        let name = settings.id.to_string();
        let released = timeout(settings.lease_ttl, self.ports.leases.release(&name, epoch));
        if !matches!(released.await, Ok(Ok(()))) {
            // It expires by itself.
            tracing::warn!(consumer = name, "the lease was not given back");
        }
        if matches!(ran, Err(Error::Fenced { .. })) {
            self.was_fenced.store(true, Ordering::Relaxed);
        }
        ran
    }

    /// Brings the consumer up to a point of a root and returns its projection.
    ///
    /// # Errors
    /// The status of the logic, or UNAVAILABLE at once when the consumer does not run here ([`Snapshot::holder`] says where), is paused, or the
    /// root waits or is parked; DEADLINE_EXCEEDED when the budget is used up.
    pub async fn handle_sync(&self, until: Until, budget: Duration) -> Result<Projection, Status> {
        sync::project(self.active()?, until, Instant::now() + budget).await
    }

    /// Brings a saga up to a point of a root and returns what that caused, which is stored to be sent; nothing when it was there already.
    ///
    /// # Errors
    /// As those of [`Consumer::handle_sync`].
    pub async fn orchestrate(
        &self,
        until: Until,
        budget: Duration,
    ) -> Result<Vec<Outgoing>, Status> {
        sync::orchestrate(self.active()?, until, Instant::now() + budget).await
    }

    /// Waits until outgoing work has its final reply and that is stored, as long as the budget allows.
    ///
    /// # Errors
    /// UNAVAILABLE when the store does not reply or the consumer does not run here.
    pub async fn settlement(
        &self,
        id: &OutgoingId,
        budget: Duration,
    ) -> Result<Settlement, Status> {
        // Watched first: what is not stored as settled when it is read is reported afterwards.
        let settled = self.active()?.settlements.watch(id);
        match self.read_work(id).await? {
            None => Ok(Settlement::Done),
            Some(KeptWork {
                refusal: Some(refusal),
                ..
            }) => Ok(Settlement::Refused(refusal)),
            Some(_) => match timeout(budget, settled).await {
                Ok(Ok(settlement)) => Ok(settlement),
                // Without a reply in time, or the consumer is ending.
                Ok(Err(_)) | Err(_) => Ok(Settlement::Waiting),
            },
        }
    }

    /// The state of the consumer now.
    pub fn snapshot(&self) -> Snapshot {
        let settings = self.settings();
        let domains: Vec<_> = settings
            .sources
            .iter()
            .map(|source| source.domain.clone())
            .collect();
        self.status.snapshot(&settings.id, &domains)
    }

    fn active(&self) -> Result<Arc<Active>, Status> {
        lock(&self.active).clone().ok_or_else(|| {
            let holder = match self.status.holder() {
                Holder::Elsewhere(address) => format!("{address} acts for it"),
                Holder::Twin => {
                    "another process with the address of this one acts for it".to_owned()
                }
                Holder::Unknown | Holder::Here(_) => "it does not run".to_owned(),
            };
            sync::not_reached(&format!("{}: {holder}", self.settings().id))
        })
    }

    /// What the lease names as its holder.
    ///
    /// # Design
    /// A process takes over at once from one at its own address, which is what was there before a restart. Two processes with the same address would
    /// so take the lease from each other for ever. So one that lost it asks under a name of its own from then on, and waits like all others.
    fn holder(&self, settings: &Settings) -> String {
        if self.was_fenced.load(Ordering::Relaxed) {
            format!("{}{PROCESS_MARK}{}", settings.holder, self.process)
        } else {
            settings.holder.clone()
        }
    }

    /// Notes who acts; one that is still there after a whole lease, and at this address, is another running process.
    fn note_holder(&self, settings: &Settings, holder: &str, began: Instant) {
        let address = holder.split(PROCESS_MARK).next().unwrap_or(holder);
        let holder = if address != settings.holder {
            Holder::Elsewhere(address.to_owned())
        } else if began.elapsed() <= settings.lease_ttl {
            Holder::Unknown
        } else {
            Holder::Twin
        };
        if holder == Holder::Twin && self.status.holder() != Holder::Twin {
            tracing::error!(
                consumer = %settings.id,
                address,
                "another process with the address of this one acts for the consumer; give each its own"
            );
        }
        self.status.set_holder(holder);
    }

    /// Waits for the lease; returns nothing when the shutdown came first.
    async fn acquire(
        &self,
        settings: &Settings,
        shutdown: &CancellationToken,
    ) -> Result<Option<Lease>, Error> {
        let (name, own) = (settings.id.to_string(), self.holder(settings));
        let began = Instant::now();
        let mut backoff = settings.backoff();
        loop {
            let lease_until = Instant::now() + settings.lease_ttl;
            let asked = self.ports.leases.acquire(&name, &own, settings.lease_ttl);
            let delay = match until(shutdown, asked).await {
                None => return Ok(None),
                Some(Ok(Grant::Granted { epoch })) => {
                    tracing::info!(consumer = name, epoch, "the consumer acts");
                    self.status.set_holder(Holder::Here(epoch));
                    return Ok(Some(Lease {
                        epoch,
                        until: lease_until,
                    }));
                }
                Some(Ok(Grant::Held { holder })) => {
                    backoff.reset();
                    self.note_holder(settings, &holder, began);
                    settings.lease_ttl / 3
                }
                Some(Err(error)) if error.is_retryable() => {
                    tracing::warn!(
                        consumer = name,
                        error = describe(&error),
                        "the lease waits for the store"
                    );
                    backoff.next_delay()
                }
                Some(Err(error)) => return Err(Error::from_store(&settings.id, error)),
            };
            if until(shutdown, sleep(delay)).await.is_none() {
                return Ok(None);
            }
        }
    }

    /// Works under a lease until the shutdown or a failure.
    async fn work(
        &self,
        settings: &Arc<Settings>,
        lease: Lease,
        shutdown: &CancellationToken,
    ) -> Result<(), Error> {
        let (handle, committer) = Committer::new(
            Arc::clone(settings),
            self.ports.clone(),
            Arc::clone(&self.status),
            lease.epoch,
        );
        let active = Arc::new(Active::new(
            Arc::clone(settings),
            self.ports.clone(),
            Arc::clone(&self.status),
            handle,
            lease.until,
        ));
        let finish = CancellationToken::new();
        let mut keepers = JoinSet::new();
        keepers.spawn(commit(Arc::clone(&active), committer, finish.clone()));
        keepers.spawn(renew(Arc::clone(&active), lease.epoch, finish.clone()));
        match until(shutdown, self.count_parked(settings)).await {
            None => active.stop.cancel(),
            Some(Err(error)) => active.fail(error),
            Some(Ok(parked)) => self.status.set_parked(parked),
        }
        lock(&self.active).replace(Arc::clone(&active));
        let mut workers = JoinSet::new();
        workers.spawn(outgoing::run(Arc::clone(&active)));
        for source in &settings.sources {
            workers.spawn(source::run(Arc::clone(&active), source.clone()));
        }
        self.watch(&active, &mut workers, &mut keepers, shutdown)
            .await;
        self.drain(&active, workers).await;
        finish.cancel();
        let kept = timeout(settings.grace, join(&active, &mut keepers)).await;
        if kept.is_err() {
            tracing::warn!(consumer = %settings.id, "the store did not take the last progress in time");
            keepers.shutdown().await;
        }
        active.failure().map_or(Ok(()), Err)
    }

    async fn watch(
        &self,
        active: &Active,
        workers: &mut JoinSet<()>,
        keepers: &mut JoinSet<()>,
        shutdown: &CancellationToken,
    ) {
        loop {
            let joined = tokio::select! {
                () = shutdown.cancelled() => return,
                () = active.stop.cancelled() => return,
                Some(joined) = workers.join_next() => joined,
                Some(joined) = keepers.join_next() => joined,
            };
            if joined.is_err() {
                active.fail(Error::Panicked {
                    consumer: active.settings.id.to_string(),
                });
            }
        }
    }

    async fn drain(&self, active: &Active, mut workers: JoinSet<()>) {
        active.stop.cancel();
        active.calls.close();
        let drained = timeout(active.settings.grace, async {
            join(active, &mut workers).await;
            active.calls.wait().await;
        });
        if drained.await.is_err() {
            tracing::warn!(consumer = %active.settings.id, "deliveries under way are given up; they come again");
            workers.shutdown().await;
        }
    }

    async fn count_parked(&self, settings: &Settings) -> Result<u64, Error> {
        let id = &settings.id;
        let mut backoff = settings.backoff();
        let mut last = None;
        let mut count = 0;
        loop {
            let listed = self
                .ports
                .backlog
                .list_parked(id, last.as_ref(), PARKED_PAGE);
            match listed.await {
                Ok(page) => {
                    count += page.len() as u64;
                    if page.len() < PARKED_PAGE {
                        return Ok(count);
                    }
                    last = page.into_iter().last().map(|(stream, _)| stream);
                }
                Err(error) if error.is_retryable() => sleep(backoff.next_delay()).await,
                Err(error) => return Err(Error::from_store(id, error)),
            }
        }
    }
}

async fn commit(active: Arc<Active>, committer: Committer, finish: CancellationToken) {
    if let Err(error) = committer.run(finish).await {
        active.fail(error);
    }
}

/// Renews the lease three times per life, until the end or until it is lost.
async fn renew(active: Arc<Active>, epoch: u64, finish: CancellationToken) {
    let settings = &active.settings;
    let name = settings.id.to_string();
    while until(&finish, sleep(settings.lease_ttl / 3))
        .await
        .is_some()
    {
        let asked = Instant::now();
        let renewing = active.ports.leases.renew(&name, epoch, settings.lease_ttl);
        match until(&finish, renewing).await {
            None => {}
            Some(Ok(())) => active.renewed(asked),
            Some(Err(error)) if error.is_retryable() => {
                // Until it expires, nobody else acts; after that, commits are refused.
                tracing::warn!(
                    consumer = name,
                    error = describe(&error),
                    "the lease was not renewed"
                );
            }
            Some(Err(error)) => {
                active.fail(Error::from_store(&settings.id, error));
                return;
            }
        }
    }
}

async fn join(active: &Active, tasks: &mut JoinSet<()>) {
    while let Some(joined) = tasks.join_next().await {
        if joined.is_err_and(|error| error.is_panic()) {
            active.fail(Error::Panicked {
                consumer: active.settings.id.to_string(),
            });
        }
    }
}

/// Runs a future unless the token is cancelled first.
async fn until<T>(token: &CancellationToken, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = token.cancelled() => None,
        output = future => Some(output),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The value is replaced as a whole, so a panic elsewhere does not spoil it.
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
