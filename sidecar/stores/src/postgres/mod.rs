//! PostgreSQL: one database that several sidecars share.
//!
//! # Design
//! Each operation is one statement in autocommit, and so one round trip. A batch of appends is a function that takes the lock of each partition
//! first: so positions are dense and in commit order, no matter who else writes. Tables are only added to, except for progress and leases; what a batch
//! does not conflict with it never waits for, beyond that lock.

mod append;
mod connect;
mod error;
mod heads;
mod leases;
mod load;
mod partitions;
mod pool;
mod prepare;
mod row;
mod schema;
mod steps;
mod write;

use std::sync::Arc;
use std::time::Duration;

use angzarr_config::postgres::Postgres;
use angzarr_coordinator::feed::Heads;
use angzarr_coordinator::model::{
    Append, ConsumerId, CorrelationId, Cursor, Domain, Position, Root, RootHead, StoreId,
    StoreIdentity, StreamId,
};
use angzarr_coordinator::port::backlog::{Backlog, KeptWork, WorkHead, WorkState};
use angzarr_coordinator::port::catalog::{CORRELATED_APPENDS, Catalog};
use angzarr_coordinator::port::leases::{Grant, Leases};
use angzarr_coordinator::port::log::{
    Load, Loaded, Log, PartitionPage, PartitionRead, SMALL_LOAD, StreamRead,
};
use angzarr_coordinator::port::progress::{
    OutgoingId, Parked, Progress, RootProgress, SourceProgress,
};
use angzarr_coordinator::port::store::{Durability, Error};
use angzarr_coordinator::port::writer::{Entry, Outcome, Writer};
use async_trait::async_trait;
use tokio::task::JoinSet;
use uuid::Uuid;

pub use error::OpenError;
use heads::Growth;
use load::Loads;
use partitions::Partitions;
pub use pool::Trips;
use pool::{Operation, Pool, each};
pub use prepare::{Prepared, prepare};
use row::append_columns;

use crate::stored::{
    Columns, Corrupt, EMPTY_PAGE, TARGET_BYTES, column, edition_column, read_append_of,
    read_parked_root, read_root, read_root_head, read_source, read_work, read_work_head,
};

/// An open store on a server. Its tasks and connections end when the last handle is dropped.
pub struct PostgresStore {
    pool: Arc<Pool>,
    growth: Arc<Growth>,
    /// Small loads, of which those that wait together share a statement.
    small_loads: Loads,
    /// The others.
    large_loads: Loads,
    partitions: Partitions,
    _tasks: JoinSet<()>,
}

impl PostgresStore {
    /// Opens the store in a database, and makes or migrates its tables; what other sidecars append is announced to `heads`.
    ///
    /// # Errors
    /// [`OpenError`], a sentence that says what to do.
    pub async fn open(settings: Postgres, heads: Heads) -> Result<Arc<Self>, OpenError> {
        Self::open_expected(settings, heads, None).await
    }

    /// Does the same, unless the database holds another store than the expected one.
    ///
    /// # Errors
    /// [`OpenError`], a sentence that says what to do.
    pub async fn open_expected(
        settings: Postgres,
        heads: Heads,
        expected: Option<StoreId>,
    ) -> Result<Arc<Self>, OpenError> {
        let opened = schema::open(&settings, expected).await?;
        let pool = Arc::new(Pool::new(settings, opened));
        let growth = Arc::new(Growth::default());
        let mut tasks = heads::start(&pool, &growth, heads);
        let small_loads = load::start(&pool, &mut tasks, load::MOST);
        let large_loads = load::start(&pool, &mut tasks, 1);
        Ok(Arc::new(Self {
            partitions: Partitions::new(&pool),
            pool,
            growth,
            small_loads,
            large_loads,
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
                Some(proposal) => Some(self.partitions.ensure(&proposal.stream.domain).await?),
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
        let partition = self.partitions.find(&load.stream.domain).await?;
        let loads = match load.limit {
            ..=SMALL_LOAD => &self.small_loads,
            _ => &self.large_loads,
        };
        let loaded = loads.ask((load, partition)).await;
        loaded.map_err(|ended| Error::Unavailable(Arc::new(ended)))?
    }

    async fn read_stream(&self, read: StreamRead) -> Result<Vec<Append>, Error> {
        match self.partitions.find(&read.stream.domain).await? {
            Some(partition) => load::read_stream(&self.pool, partition, &read).await,
            None => Ok(Vec::new()),
        }
    }

    async fn read_partition(&self, read: PartitionRead) -> Result<PartitionPage, Error> {
        match self.partitions.find(&read.domain).await? {
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
        // The index is walked from root to root.
        const ROOTS: &str = "WITH RECURSIVE heads AS (
                 (SELECT a.root FROM appends a
                  WHERE a.partition_id = $1 AND a.edition = '' AND a.root >= $2 AND (a.root > $2 OR $3)
                  ORDER BY a.root LIMIT 1)
                 UNION ALL
                 SELECT (SELECT a.root FROM appends a WHERE a.partition_id = $1 AND a.edition = '' AND a.root > h.root ORDER BY a.root LIMIT 1)
                 FROM heads h WHERE h.root IS NOT NULL
             )
             SELECT h.root, (
                 SELECT a.first_sequence + a.event_count FROM appends a
                 WHERE a.partition_id = $1 AND a.edition = '' AND a.root = h.root ORDER BY a.first_sequence DESC LIMIT 1
             ) FROM heads h WHERE h.root IS NOT NULL LIMIT $4";
        let Some(partition) = self.partitions.find(domain).await? else {
            return Ok(Vec::new());
        };
        let build = || {
            sqlx::query(ROOTS)
                .bind(partition)
                .bind(after.map_or(Uuid::nil(), |root| root.0))
                .bind(after.is_none())
                .bind(column(limit))
        };
        self.pool.list(build, read_root_head).await
    }

    async fn read_correlated(
        &self,
        domain: &Domain,
        correlation: &CorrelationId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Append>, Error> {
        const CORRELATED: &str = concat!(
            "SELECT a.edition, a.root, ",
            append_columns!(),
            " FROM (
                SELECT *, sum(size) OVER (ORDER BY last_position) - size AS size_before FROM (
                    SELECT * FROM appends WHERE partition_id = $1 AND correlation_id = $2 AND last_position > $3
                    ORDER BY last_position LIMIT $4
                ) found
            ) a WHERE a.size_before <= $5 ORDER BY a.last_position"
        );
        let Some(partition) = self.partitions.find(domain).await? else {
            return Ok(Vec::new());
        };
        let build = || {
            sqlx::query(CORRELATED)
                .bind(partition)
                .bind(correlation.as_str())
                .bind(column(after.0))
                .bind(column(CORRELATED_APPENDS))
                .bind(column(limit))
        };
        let read = |columns: &mut Columns<'_>| read_append_of(domain, columns);
        self.pool.list(build, read).await
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
        const OPEN: &str = "WITH made AS (
                INSERT INTO consumers (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id
            )
            INSERT INTO sources (consumer_id, domain, start_position, start_append_id, start_store_id, start_incarnation,
                position, append_id, store_id, incarnation)
            SELECT id, $2, $3, $4, $5, $6, $3, $4, $5, $6 FROM made ON CONFLICT DO NOTHING";
        let name = consumer.to_string();
        let opened = self.pool.fetch(Operation::Other, |_| {
            sqlx::query(OPEN)
                .bind(&name)
                .bind(domain.as_str())
                .bind(column(start.position.0))
                .bind(start.append_id.map(|append| append.0))
                .bind(start.identity.store_id.0)
                .bind(start.identity.incarnation.0)
        });
        opened.await?;
        let source = self.read_source(consumer, domain).await?;
        Ok(source.ok_or_else(|| Corrupt::new("source: it is missing after it was stored"))?)
    }

    async fn read_source(
        &self,
        consumer: &ConsumerId,
        domain: &Domain,
    ) -> Result<Option<SourceProgress>, Error> {
        const SOURCE: &str = "SELECT s.start_position, s.start_append_id, s.start_store_id, s.start_incarnation,
                s.position, s.append_id, s.store_id, s.incarnation
            FROM sources s JOIN consumers c ON c.id = s.consumer_id WHERE c.name = $1 AND s.domain = $2";
        let name = consumer.to_string();
        let build = || sqlx::query(SOURCE).bind(&name).bind(domain.as_str());
        self.pool.find(build, read_source).await
    }

    async fn read_roots(
        &self,
        consumer: &ConsumerId,
        streams: Vec<StreamId>,
    ) -> Result<Vec<RootProgress>, Error> {
        const ROOTS: &str = "SELECT r.next_sequence, r.parked_sequence, r.parked_attempts, r.parked_code, r.parked_message, r.parked_details
            FROM unnest($2::text[], $3::text[], $4::uuid[]) WITH ORDINALITY q(domain, edition, root, ordinal)
            LEFT JOIN consumers c ON c.name = $1
            LEFT JOIN roots r ON r.consumer_id = c.id AND r.domain = q.domain AND r.edition = q.edition AND r.root = q.root
            ORDER BY q.ordinal";
        let name = consumer.to_string();
        let build = || {
            sqlx::query(ROOTS)
                .bind(&name)
                .bind(each(&streams, |stream| stream.domain.as_str()))
                .bind(each(&streams, |stream| edition_column(&stream.edition)))
                .bind(each(&streams, |stream| stream.root.0))
        };
        self.pool.list(build, read_root).await
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
        const HEADS: &str = "SELECT o.place, o.outgoing_id, o.trigger_domain, o.trigger_edition, o.trigger_root,
                substr(o.command, 1, $5), substr(o.facts, 1, $5), coalesce(octet_length(o.command), 0) + coalesce(octet_length(o.facts), 0),
                (extract(epoch FROM o.may_land_until - least(o.may_land_until, clock_timestamp())) * 1000000)::bigint
            FROM outgoing o JOIN consumers c ON c.id = o.consumer_id
            WHERE c.name = $1 AND o.place > $2 AND (o.refusal_code IS NOT NULL) = $3 ORDER BY o.place LIMIT $4";
        let name = consumer.to_string();
        let build = || {
            sqlx::query(HEADS)
                .bind(&name)
                .bind(column(after))
                .bind(state == WorkState::Refused)
                .bind(column(limit))
                .bind(TARGET_BYTES)
        };
        self.pool.list(build, read_work_head).await
    }

    async fn read_work(
        &self,
        consumer: &ConsumerId,
        ids: Vec<OutgoingId>,
    ) -> Result<Vec<Option<KeptWork>>, Error> {
        const WORK: &str = "SELECT o.outgoing_id, o.trigger_domain, o.trigger_edition, o.trigger_root, o.command, o.facts, o.trace_parent,
                o.refusal_code, o.refusal_message, o.refusal_details
            FROM unnest($2::text[]) WITH ORDINALITY q(id, ordinal)
            LEFT JOIN consumers c ON c.name = $1
            LEFT JOIN outgoing o ON o.consumer_id = c.id AND o.outgoing_id = q.id
            ORDER BY q.ordinal";
        let name = consumer.to_string();
        let build = || {
            let ids = each(&ids, |id| id.0.as_str());
            sqlx::query(WORK).bind(&name).bind(ids)
        };
        self.pool.list(build, read_work).await
    }

    async fn list_parked(
        &self,
        consumer: &ConsumerId,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<(StreamId, Parked)>, Error> {
        const PARKED: &str = "SELECT r.domain, r.edition, r.root,
                r.parked_sequence, r.parked_attempts, r.parked_code, r.parked_message, r.parked_details
            FROM roots r JOIN consumers c ON c.id = r.consumer_id
            WHERE c.name = $1 AND r.parked_sequence IS NOT NULL AND ($2::text IS NULL OR (r.domain, r.edition, r.root) > ($2, $3, $4))
            ORDER BY r.domain, r.edition, r.root LIMIT $5";
        let name = consumer.to_string();
        let build = || {
            sqlx::query(PARKED)
                .bind(&name)
                .bind(after.map(|stream| stream.domain.as_str()))
                .bind(after.map(|stream| edition_column(&stream.edition)))
                .bind(after.map(|stream| stream.root.0))
                .bind(column(limit))
        };
        self.pool.list(build, read_parked_root).await
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
