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

use instruments::Instruments;

/// A store whose calls are measured: how long each took, how large batches are, and what was stored, loaded and moved on.
pub struct Instrumented<S> {
    inner: Arc<S>,
    instruments: Instruments,
}

impl<S> Instrumented<S> {
    /// Measures a store under the name of its kind. The instruments are those of the meter that is global now.
    pub fn new(inner: Arc<S>, store: &'static str) -> Arc<Self> {
        let instruments = Instruments::new(store);
        Arc::new(Self { inner, instruments })
    }
}

/// What an entry adds to the counters if it is written.
struct Asked {
    has_snapshot: bool,
    moves: Option<(ConsumerId, usize)>,
}

impl Asked {
    fn of(entry: &Entry) -> Self {
        let moves = entry.steps().map(|steps| {
            let moves = steps.steps.iter().filter(|step| is_move(step)).count();
            (steps.consumer.clone(), moves)
        });
        let proposal = entry.proposal();
        Self {
            has_snapshot: proposal.is_some_and(|proposal| proposal.snapshot.is_some()),
            moves,
        }
    }
}

impl<S> Instrumented<S> {
    fn count(&self, asked: &[Asked], outcomes: &[Outcome]) {
        let each = asked.iter().zip(outcomes);
        let recorded = each.clone().filter_map(|(asked, outcome)| match outcome {
            Outcome::Appended { append, .. } => Some((append, asked.has_snapshot)),
            Outcome::Duplicate(_)
            | Outcome::Stepped
            | Outcome::KeyReused { .. }
            | Outcome::Late
            | Outcome::Conflict { .. }
            | Outcome::Fenced { .. }
            | Outcome::Unstorable { .. } => None,
        });
        self.instruments.count_stored(recorded);
        for (asked, outcome) in each {
            if let Some((consumer, moves)) = &asked.moves
                && !outcome.is_refused()
            {
                self.instruments.count_moves(consumer, *moves);
            }
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: Writer> Writer for Instrumented<S> {
    async fn write(&self, batch: Vec<Entry>) -> Result<Vec<Outcome>, Error> {
        self.instruments.note_batch(batch.len());
        let asked: Vec<_> = batch.iter().map(Asked::of).collect();
        let writing = self.inner.write(batch);
        let outcomes = self.instruments.measure("write", writing).await?;
        self.count(&asked, &outcomes);
        Ok(outcomes)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: Log> Log for Instrumented<S> {
    async fn load(&self, load: Load) -> Result<Loaded, Error> {
        let domain = load.stream.domain.clone();
        let loading = self.inner.load(load);
        let loaded = self.instruments.measure("load", loading).await?;
        let events = match &loaded {
            Loaded::History { events, .. } => events.len(),
            Loaded::Known(append) => append.events.len(),
            Loaded::KeyReused(_) | Loaded::Conflict { .. } | Loaded::TooLarge => 0,
        };
        self.instruments.count_loaded(&domain, events);
        Ok(loaded)
    }

    async fn read_stream(&self, read: StreamRead) -> Result<Vec<Append>, Error> {
        let domain = read.stream.domain.clone();
        let reading = self.inner.read_stream(read);
        let appends = self.instruments.measure("read_stream", reading).await?;
        self.instruments.count_appends(&domain, &appends);
        Ok(appends)
    }

    async fn read_partition(&self, read: PartitionRead) -> Result<PartitionPage, Error> {
        let domain = read.domain.clone();
        let reading = self.inner.read_partition(read);
        let page = self.instruments.measure("read_partition", reading).await?;
        self.instruments.count_appends(&domain, &page.appends);
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
        self.instruments.measure("list_roots", listing).await
    }

    async fn read_correlated(
        &self,
        domain: &Domain,
        correlation: &CorrelationId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Append>, Error> {
        let inner = &self.inner;
        let reading = inner.read_correlated(domain, correlation, after, limit);
        let appends = self.instruments.measure("read_correlated", reading).await?;
        self.instruments.count_appends(domain, &appends);
        Ok(appends)
    }

    async fn probe(&self) -> Result<(), Error> {
        self.instruments.measure("probe", self.inner.probe()).await
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
        self.instruments.measure("open_source", opening).await
    }

    async fn read_source(
        &self,
        consumer: &ConsumerId,
        domain: &Domain,
    ) -> Result<Option<SourceProgress>, Error> {
        let reading = self.inner.read_source(consumer, domain);
        self.instruments.measure("read_source", reading).await
    }

    async fn read_roots(
        &self,
        consumer: &ConsumerId,
        streams: Vec<StreamId>,
    ) -> Result<Vec<RootProgress>, Error> {
        let reading = self.inner.read_roots(consumer, streams);
        self.instruments.measure("read_roots", reading).await
    }
}

/// Whether a step moves a consumer on.
fn is_move(step: &Step) -> bool {
    match step {
        Step::Advance { .. } | Step::MoveCursor { .. } => true,
        Step::Park { .. }
        | Step::Unpark { .. }
        | Step::Settle { .. }
        | Step::Attempt { .. }
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
        self.instruments.measure("list_work", listing).await
    }

    async fn read_work(
        &self,
        consumer: &ConsumerId,
        ids: Vec<OutgoingId>,
    ) -> Result<Vec<Option<KeptWork>>, Error> {
        let reading = self.inner.read_work(consumer, ids);
        self.instruments.measure("read_work", reading).await
    }

    async fn list_parked(
        &self,
        consumer: &ConsumerId,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<(StreamId, Parked)>, Error> {
        let listing = self.inner.list_parked(consumer, after, limit);
        self.instruments.measure("list_parked", listing).await
    }
}

#[async_trait]
impl<S: Leases> Leases for Instrumented<S> {
    async fn acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Grant, Error> {
        let acquiring = self.inner.acquire(name, holder, ttl);
        self.instruments.measure("acquire", acquiring).await
    }

    async fn renew(&self, name: &str, epoch: u64, ttl: Duration) -> Result<(), Error> {
        let renewing = self.inner.renew(name, epoch, ttl);
        self.instruments.measure("renew", renewing).await
    }

    async fn release(&self, name: &str, epoch: u64) -> Result<(), Error> {
        let releasing = self.inner.release(name, epoch);
        self.instruments.measure("release", releasing).await
    }
}
