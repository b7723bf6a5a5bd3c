//! Measures a store from outside, so that adapters need not.

mod instruments;

use std::sync::Arc;
use std::time::Duration;

use angzarr_coordinator::model::{
    Append, ConsumerId, CorrelationId, Cursor, Domain, Position, Root, RootHead, StoreIdentity,
    StreamId,
};
use angzarr_coordinator::port::backlog::{Backlog, KeptWork, WorkHead, WorkState};
use angzarr_coordinator::port::catalog::Catalog;
use angzarr_coordinator::port::leases::{Grant, Leases};
use angzarr_coordinator::port::log::{Load, Loaded, Log, PartitionPage, PartitionRead, StreamRead};
use angzarr_coordinator::port::progress::{
    OutgoingId, Parked, Progress, RootProgress, SourceProgress, Step,
};
use angzarr_coordinator::port::store::{Durability, Error};
use angzarr_coordinator::port::writer::{Entry, Outcome, Writer};
use async_trait::async_trait;

use instruments::{Batch, ByName, Maker, Operation};

/// A store whose calls are measured: durations of all, sizes of batches, and what was stored, loaded and moved on.
pub struct Instrumented<S> {
    inner: Arc<S>,
    write: Operation,
    load: Operation,
    read_stream: Operation,
    read_partition: Operation,
    list_roots: Operation,
    read_correlated: Operation,
    probe: Operation,
    open_source: Operation,
    read_source: Operation,
    read_roots: Operation,
    list_work: Operation,
    read_work: Operation,
    list_parked: Operation,
    acquire: Operation,
    renew: Operation,
    release: Operation,
    written: Batch,
    events_stored: ByName,
    events_loaded: ByName,
    snapshots_stored: ByName,
    positions_updated: ByName,
}

impl<S> Instrumented<S> {
    /// Measures a store under the name of its kind. The instruments are those of the meter that is global now.
    pub fn new(inner: Arc<S>, store: &'static str) -> Arc<Self> {
        let make = Maker::new(store);
        Arc::new(Self {
            inner,
            write: make.operation("write"),
            load: make.operation("load"),
            read_stream: make.operation("read_stream"),
            read_partition: make.operation("read_partition"),
            list_roots: make.operation("list_roots"),
            read_correlated: make.operation("read_correlated"),
            probe: make.operation("probe"),
            open_source: make.operation("open_source"),
            read_source: make.operation("read_source"),
            read_roots: make.operation("read_roots"),
            list_work: make.operation("list_work"),
            read_work: make.operation("read_work"),
            list_parked: make.operation("list_parked"),
            acquire: make.operation("acquire"),
            renew: make.operation("renew"),
            release: make.operation("release"),
            written: make.batch("write"),
            events_stored: make.by_domain("angzarr.events.stored_total", "Events that were stored"),
            events_loaded: make.by_domain("angzarr.events.loaded_total", "Events that were read"),
            snapshots_stored: make.by_domain(
                "angzarr.snapshots.stored_total",
                "Snapshots that were stored with events",
            ),
            positions_updated: make.by_consumer(
                "angzarr.positions.updated_total",
                "Roots and sources in which a consumer got on",
            ),
        })
    }
}

/// What an entry adds to the counters if it is written.
struct Asked {
    domain: Option<Domain>,
    has_snapshot: bool,
    moves: Option<(ConsumerId, usize)>,
}

impl Asked {
    fn of(entry: &Entry) -> Self {
        let proposal = entry.proposal();
        let moves = entry.steps().map(|steps| {
            let moves = steps.steps.iter().filter(|step| is_move(step)).count();
            (steps.consumer.clone(), moves)
        });
        Self {
            domain: proposal.map(|proposal| proposal.stream.domain.clone()),
            has_snapshot: proposal.is_some_and(|proposal| proposal.snapshot.is_some()),
            moves,
        }
    }
}

impl<S> Instrumented<S> {
    fn count(&self, asked: &[Asked], outcomes: &[Outcome]) {
        let recorded = || {
            let each = asked.iter().zip(outcomes);
            each.filter_map(|(asked, outcome)| match outcome {
                Outcome::Appended { append, .. } => Some((asked.domain.as_ref()?, asked, append)),
                Outcome::Duplicate(_)
                | Outcome::Stepped
                | Outcome::KeyReused { .. }
                | Outcome::Late
                | Outcome::Conflict { .. }
                | Outcome::Fenced { .. }
                | Outcome::Unstorable { .. } => None,
            })
        };
        let events = recorded().map(|(domain, _, append)| (domain, append.events.len()));
        self.events_stored.add_each(events);
        let snapshots = recorded();
        self.snapshots_stored.add_each(
            snapshots.map(|(domain, asked, _)| (domain, usize::from(asked.has_snapshot))),
        );
        for (asked, outcome) in asked.iter().zip(outcomes) {
            if let Some((consumer, moves)) = &asked.moves
                && !outcome.is_refused()
            {
                self.positions_updated.add_of(consumer, *moves);
            }
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: Writer> Writer for Instrumented<S> {
    async fn write(&self, batch: Vec<Entry>) -> Result<Vec<Outcome>, Error> {
        self.written.note(batch.len());
        let asked: Vec<_> = batch.iter().map(Asked::of).collect();
        let outcomes = self.write.measure(self.inner.write(batch)).await?;
        self.count(&asked, &outcomes);
        Ok(outcomes)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: Log> Log for Instrumented<S> {
    async fn load(&self, load: Load) -> Result<Loaded, Error> {
        let domain = load.stream.domain.clone();
        let loaded = self.load.measure(self.inner.load(load)).await?;
        let events = match &loaded {
            Loaded::History { events, .. } => events.len(),
            Loaded::Known(append) => append.events.len(),
            Loaded::KeyReused(_) | Loaded::Conflict { .. } | Loaded::TooLarge => 0,
        };
        self.events_loaded.add_each([(&domain, events)].into_iter());
        Ok(loaded)
    }

    async fn read_stream(&self, read: StreamRead) -> Result<Vec<Append>, Error> {
        let domain = read.stream.domain.clone();
        let reading = self.inner.read_stream(read);
        let appends = self.read_stream.measure(reading).await?;
        self.events_loaded.add_events(&domain, &appends);
        Ok(appends)
    }

    async fn read_partition(&self, read: PartitionRead) -> Result<PartitionPage, Error> {
        let domain = read.domain.clone();
        let reading = self.inner.read_partition(read);
        let page = self.read_partition.measure(reading).await?;
        self.events_loaded.add_events(&domain, &page.appends);
        Ok(page)
    }

    fn identity(&self) -> StoreIdentity {
        self.inner.identity()
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: Catalog> Catalog for Instrumented<S> {
    async fn list_roots(
        &self,
        domain: &Domain,
        after: Option<Root>,
        limit: usize,
    ) -> Result<Vec<RootHead>, Error> {
        let listing = self.inner.list_roots(domain, after, limit);
        self.list_roots.measure(listing).await
    }

    async fn read_correlated(
        &self,
        domain: &Domain,
        correlation: &CorrelationId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Append>, Error> {
        let reading = self
            .inner
            .read_correlated(domain, correlation, after, limit);
        let appends = self.read_correlated.measure(reading).await?;
        self.events_loaded.add_events(domain, &appends);
        Ok(appends)
    }

    async fn probe(&self) -> Result<(), Error> {
        self.probe.measure(self.inner.probe()).await
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: Progress> Progress for Instrumented<S> {
    async fn open_source(
        &self,
        consumer: &ConsumerId,
        domain: &Domain,
        start: Cursor,
    ) -> Result<SourceProgress, Error> {
        let opening = self.inner.open_source(consumer, domain, start);
        self.open_source.measure(opening).await
    }

    async fn read_source(
        &self,
        consumer: &ConsumerId,
        domain: &Domain,
    ) -> Result<Option<SourceProgress>, Error> {
        let reading = self.inner.read_source(consumer, domain);
        self.read_source.measure(reading).await
    }

    async fn read_roots(
        &self,
        consumer: &ConsumerId,
        streams: Vec<StreamId>,
    ) -> Result<Vec<RootProgress>, Error> {
        let reading = self.inner.read_roots(consumer, streams);
        self.read_roots.measure(reading).await
    }
}

/// Whether a step moves a consumer on.
fn is_move(step: &Step) -> bool {
    match step {
        Step::Advance { .. } | Step::MoveCursor { .. } => true,
        Step::Park { .. }
        | Step::Unpark { .. }
        | Step::Settle { .. }
        | Step::Resend { .. }
        | Step::Discard { .. } => false,
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: Backlog> Backlog for Instrumented<S> {
    async fn list_work(
        &self,
        consumer: &ConsumerId,
        state: WorkState,
        after: u64,
        limit: usize,
    ) -> Result<Vec<WorkHead>, Error> {
        let listing = self.inner.list_work(consumer, state, after, limit);
        self.list_work.measure(listing).await
    }

    async fn read_work(
        &self,
        consumer: &ConsumerId,
        ids: Vec<OutgoingId>,
    ) -> Result<Vec<Option<KeptWork>>, Error> {
        let reading = self.inner.read_work(consumer, ids);
        self.read_work.measure(reading).await
    }

    async fn list_parked(
        &self,
        consumer: &ConsumerId,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<(StreamId, Parked)>, Error> {
        let listing = self.inner.list_parked(consumer, after, limit);
        self.list_parked.measure(listing).await
    }
}

#[async_trait]
impl<S: Leases> Leases for Instrumented<S> {
    async fn acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Grant, Error> {
        let acquiring = self.inner.acquire(name, holder, ttl);
        self.acquire.measure(acquiring).await
    }

    async fn renew(&self, name: &str, epoch: u64, ttl: Duration) -> Result<(), Error> {
        let renewing = self.inner.renew(name, epoch, ttl);
        self.renew.measure(renewing).await
    }

    async fn release(&self, name: &str, epoch: u64) -> Result<(), Error> {
        let releasing = self.inner.release(name, epoch);
        self.release.measure(releasing).await
    }
}
