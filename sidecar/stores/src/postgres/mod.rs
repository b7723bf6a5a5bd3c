//! PostgreSQL: one database that several sidecars share.
//!
//! # Design
//! Each operation is one statement in autocommit, and so one round trip. A batch of appends is a function that takes the lock of each partition
//! first: so positions are dense and in commit order, no matter who else writes. Tables are only added to, except for progress and leases; what a batch
//! does not conflict with it never waits for, beyond that lock.

mod append;
mod backlog;
mod connect;
mod error;
mod heads;
mod leases;
mod load;
mod pool;
mod progress;
mod row;
mod schema;
mod steps;
mod write;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use angzarr_config::postgres::Postgres;
use angzarr_coordinator::batcher::{Batcher, Bounds};
use angzarr_coordinator::feed::Heads;
use angzarr_coordinator::model::{
    Append, ConsumerId, CorrelationId, Cursor, Domain, Position, Root, RootHead, StoreIdentity,
    StreamId,
};
use angzarr_coordinator::port::backlog::{Backlog, KeptWork, WorkHead, WorkState};
use angzarr_coordinator::port::catalog::Catalog;
use angzarr_coordinator::port::leases::{Grant, Leases};
use angzarr_coordinator::port::log::{Load, Loaded, Log, PartitionPage, PartitionRead, StreamRead};
use angzarr_coordinator::port::progress::{
    OutgoingId, Parked, Progress, RootProgress, SourceProgress,
};
use angzarr_coordinator::port::store::{Durability, Error};
use angzarr_coordinator::port::writer::{Entry, Outcome, Writer};
use async_trait::async_trait;
use tokio::task::JoinSet;

pub use error::OpenError;
use heads::Growth;
pub use pool::Trips;
use pool::{Operation, Pool};

use crate::stored::{Corrupt, EMPTY_PAGE, read_value};

/// Loads that share a statement.
const MOST_LOADS: usize = 512;

/// An open store on a server. Its tasks and connections end when the last handle is dropped.
pub struct PostgresStore {
    pool: Arc<Pool>,
    growth: Arc<Growth>,
    /// Loads that wait together, with the numbers of their domains.
    loads: Batcher<(Load, Option<i32>), Result<Loaded, Error>>,
    /// The numbers of domains, which never change.
    partitions: Mutex<HashMap<Domain, i32>>,
    _tasks: JoinSet<()>,
}

impl PostgresStore {
    /// Opens the store in a database, and makes or migrates its tables; what other sidecars append is announced to `heads`.
    ///
    /// # Errors
    /// [`OpenError`], a sentence that says what to do.
    pub async fn open(settings: Postgres, heads: Heads) -> Result<Arc<Self>, OpenError> {
        let (first, identity) = schema::open(&settings).await?;
        let pool = Arc::new(Pool::new(settings, identity, first));
        let growth = Arc::new(Growth::default());
        let mut tasks = heads::start(&pool, &growth, heads);
        let reader = Arc::clone(&pool);
        let (loads, loading) = Batcher::start(Bounds::of_requests(MOST_LOADS), move |batch| {
            let pool = Arc::clone(&reader);
            async move { load::load(&pool, batch).await }
        });
        tasks.spawn(async move {
            if let Err(error) = loading.await {
                tracing::error!(%error, "the task that loads ended");
            }
        });
        Ok(Arc::new(Self {
            pool,
            growth,
            loads,
            partitions: Mutex::default(),
            _tasks: tasks,
        }))
    }

    /// How many batches were written, and how many round trips that took.
    pub fn write_trips(&self) -> Trips {
        self.pool.trips(Operation::Write)
    }

    /// How many batches were loaded, and how many round trips that took.
    pub fn load_trips(&self) -> Trips {
        self.pool.trips(Operation::Load)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Domain, i32>> {
        // Entries are put in whole, so a panic elsewhere does not spoil the map.
        self.partitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a domain, if it has one.
    async fn find_partition(&self, domain: &Domain) -> Result<Option<i32>, Error> {
        const FIND: &str = "SELECT id FROM partitions WHERE domain = $1";
        if let Some(id) = self.known().get(domain) {
            return Ok(Some(*id));
        }
        self.ask_partition(FIND, domain).await
    }

    /// The number of a domain, which it gets with its first write.
    async fn ensure_partition(&self, domain: &Domain) -> Result<i32, Error> {
        const MAKE: &str = "INSERT INTO partitions (domain) VALUES ($1) ON CONFLICT (domain) DO UPDATE SET domain = excluded.domain RETURNING id";
        if let Some(id) = self.find_partition(domain).await? {
            return Ok(id);
        }
        let made = self.ask_partition(MAKE, domain).await?;
        let missing = || {
            Corrupt::new(format!(
                "partition {domain}: it is missing after it was stored"
            ))
        };
        Ok(made.ok_or_else(missing)?)
    }

    async fn ask_partition(
        &self,
        sql: &'static str,
        domain: &Domain,
    ) -> Result<Option<i32>, Error> {
        let build = || sqlx::query(sql).bind(domain.as_str());
        let found = self.pool.find(build, read_value).await?;
        if let Some(id) = found {
            self.known().insert(domain.clone(), id);
        }
        Ok(found)
    }
}

#[async_trait]
impl Writer for PostgresStore {
    async fn write(&self, batch: Vec<Entry>) -> Result<Vec<Outcome>, Error> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut placed = Vec::with_capacity(batch.len());
        for entry in &batch {
            let partition = match entry.proposal() {
                Some(proposal) => Some(self.ensure_partition(&proposal.stream.domain).await?),
                None => None,
            };
            placed.push((entry, partition));
        }
        let outcomes = write::write(&self.pool, &placed).await?;
        for outcome in &outcomes {
            if let Outcome::Appended { append, .. } = outcome
                && !append.events.is_empty()
            {
                self.growth
                    .note(&append.stream.domain, append.last_position);
            }
        }
        Ok(outcomes)
    }
}

#[async_trait]
impl Log for PostgresStore {
    async fn load(&self, load: Load) -> Result<Loaded, Error> {
        let partition = self.find_partition(&load.stream.domain).await?;
        let loaded = self.loads.ask((load, partition)).await;
        loaded.map_err(|ended| Error::Unavailable(Arc::new(ended)))?
    }

    async fn read_stream(&self, read: StreamRead) -> Result<Vec<Append>, Error> {
        match self.find_partition(&read.stream.domain).await? {
            Some(partition) => load::read_stream(&self.pool, partition, &read).await,
            None => Ok(Vec::new()),
        }
    }

    async fn read_partition(&self, read: PartitionRead) -> Result<PartitionPage, Error> {
        match self.find_partition(&read.domain).await? {
            Some(partition) => load::read_partition(&self.pool, partition, &read).await,
            None => Ok(EMPTY_PAGE),
        }
    }

    fn identity(&self) -> StoreIdentity {
        self.pool.identity()
    }
}

#[async_trait]
impl Catalog for PostgresStore {
    async fn list_roots(
        &self,
        domain: &Domain,
        after: Option<Root>,
        limit: usize,
    ) -> Result<Vec<RootHead>, Error> {
        match self.find_partition(domain).await? {
            Some(partition) => load::list_roots(&self.pool, partition, after, limit).await,
            None => Ok(Vec::new()),
        }
    }

    async fn read_correlated(
        &self,
        domain: &Domain,
        correlation: &CorrelationId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Append>, Error> {
        let Some(partition) = self.find_partition(domain).await? else {
            return Ok(Vec::new());
        };
        let wanted = load::Correlated {
            partition,
            domain,
            correlation,
        };
        load::read_correlated(&self.pool, wanted, after, limit).await
    }

    async fn probe(&self) -> Result<(), Error> {
        let asked = self
            .pool
            .fetch(Operation::Other, |_| sqlx::query("SELECT 1"));
        asked.await.map(|_| ())
    }

    fn durability(&self) -> Durability {
        Durability::Disk
    }
}

#[async_trait]
impl Progress for PostgresStore {
    async fn open_source(
        &self,
        consumer: &ConsumerId,
        domain: &Domain,
        start: Cursor,
    ) -> Result<SourceProgress, Error> {
        progress::open_source(&self.pool, consumer, domain, start).await
    }

    async fn read_source(
        &self,
        consumer: &ConsumerId,
        domain: &Domain,
    ) -> Result<Option<SourceProgress>, Error> {
        progress::read_source(&self.pool, consumer, domain).await
    }

    async fn read_roots(
        &self,
        consumer: &ConsumerId,
        streams: Vec<StreamId>,
    ) -> Result<Vec<RootProgress>, Error> {
        progress::read_roots(&self.pool, consumer, &streams).await
    }
}

#[async_trait]
impl Backlog for PostgresStore {
    async fn list_work(
        &self,
        consumer: &ConsumerId,
        state: WorkState,
        after: u64,
        limit: usize,
    ) -> Result<Vec<WorkHead>, Error> {
        backlog::list_work(&self.pool, consumer, state, after, limit).await
    }

    async fn read_work(
        &self,
        consumer: &ConsumerId,
        ids: Vec<OutgoingId>,
    ) -> Result<Vec<Option<KeptWork>>, Error> {
        backlog::read_work(&self.pool, consumer, ids).await
    }

    async fn list_parked(
        &self,
        consumer: &ConsumerId,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<(StreamId, Parked)>, Error> {
        backlog::list_parked(&self.pool, consumer, after, limit).await
    }
}

#[async_trait]
impl Leases for PostgresStore {
    async fn acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Grant, Error> {
        leases::acquire(&self.pool, name, holder, ttl).await
    }

    async fn renew(&self, name: &str, epoch: u64, ttl: Duration) -> Result<(), Error> {
        leases::renew(&self.pool, name, epoch, ttl).await
    }

    async fn release(&self, name: &str, epoch: u64) -> Result<(), Error> {
        leases::release(&self.pool, name, epoch).await
    }
}
