//! SQLite: one private file of one sidecar.
//!
//! # Design
//! An append is one row, keyed by its stream and first sequence, so that the history of a root lies side by side; a second, narrow table has the
//! order of the log. One thread writes, in WAL mode with `synchronous=FULL`: a commit is a flush. Readers have connections of their own and never
//! wait for it.

mod append;
mod backlog;
mod error;
mod leases;
mod load;
mod progress;
mod row;
mod schema;
mod statement;
#[cfg(test)]
mod tests;
mod threads;
mod write;

use std::fs::File;
use std::path::Path;
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
    OutgoingId, Parked, Progress, RootProgress, SourceProgress,
};
use angzarr_coordinator::port::store::{Durability, Error};
use angzarr_coordinator::port::writer::{Entry, Outcome, Writer};
use async_trait::async_trait;
use tokio::time::Instant;
use uuid::Uuid;

pub use error::OpenError;
use leases::Session;
use threads::{Running, Threads};

/// An open store in a file. It is closed, and its threads have ended, when the last handle is dropped.
pub struct SqliteStore {
    // The order of the fields is that of their end: no more work, then the threads, then the lock.
    threads: Threads,
    _running: Running,
    _lock: File,
    identity: StoreIdentity,
    session: Uuid,
    opened: Instant,
}

impl SqliteStore {
    /// Opens the store in a file and makes it, if it is missing; the folder must exist.
    ///
    /// # Errors
    /// [`OpenError`], a sentence that says what to do.
    pub fn open(path: &Path) -> Result<Arc<Self>, OpenError> {
        let opened = schema::open(path)?;
        let started = Threads::start(opened.writer, opened.readers);
        let (threads, running) = started.map_err(|source| OpenError::File {
            what: "start the threads of",
            path: path.to_owned(),
            source,
        })?;
        Ok(Arc::new(Self {
            threads,
            _running: running,
            _lock: opened.lock,
            identity: opened.identity,
            session: Uuid::new_v4(),
            opened: Instant::now(),
        }))
    }

    fn session(&self) -> Session {
        Session {
            id: self.session,
            now: self.opened.elapsed(),
        }
    }
}

#[async_trait]
impl Writer for SqliteStore {
    async fn write(&self, batch: Vec<Entry>) -> Result<Vec<Outcome>, Error> {
        self.threads
            .write(move |conn| write::write(conn, &batch))
            .await
    }
}

#[async_trait]
impl Log for SqliteStore {
    async fn load(&self, load: Load) -> Result<Loaded, Error> {
        self.threads.read(move |conn| load::load(conn, &load)).await
    }

    async fn read_stream(&self, read: StreamRead) -> Result<Vec<Append>, Error> {
        self.threads
            .read(move |conn| load::read_stream(conn, &read))
            .await
    }

    async fn read_partition(&self, read: PartitionRead) -> Result<PartitionPage, Error> {
        self.threads
            .read(move |conn| load::read_partition(conn, &read))
            .await
    }

    fn identity(&self) -> StoreIdentity {
        self.identity
    }
}

#[async_trait]
impl Catalog for SqliteStore {
    async fn list_roots(
        &self,
        domain: &Domain,
        after: Option<Root>,
        limit: usize,
    ) -> Result<Vec<RootHead>, Error> {
        let domain = domain.clone();
        self.threads
            .read(move |conn| load::list_roots(conn, &domain, after, limit))
            .await
    }

    async fn read_correlated(
        &self,
        domain: &Domain,
        correlation: &CorrelationId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Append>, Error> {
        let (domain, correlation) = (domain.clone(), correlation.clone());
        self.threads
            .read(move |conn| load::read_correlated(conn, &domain, &correlation, after, limit))
            .await
    }

    async fn probe(&self) -> Result<(), Error> {
        let read = |conn: &rusqlite::Connection| {
            conn.query_row("SELECT id FROM format", [], |_| Ok(()))?;
            Ok(())
        };
        self.threads.read(read).await
    }

    fn durability(&self) -> Durability {
        Durability::Disk
    }
}

#[async_trait]
impl Progress for SqliteStore {
    async fn open_source(
        &self,
        consumer: &ConsumerId,
        domain: &Domain,
        start: Cursor,
    ) -> Result<SourceProgress, Error> {
        let (consumer, domain) = (consumer.clone(), domain.clone());
        self.threads
            .write(move |conn| progress::open_source(conn, &consumer, &domain, start))
            .await
    }

    async fn read_source(
        &self,
        consumer: &ConsumerId,
        domain: &Domain,
    ) -> Result<Option<SourceProgress>, Error> {
        let (consumer, domain) = (consumer.clone(), domain.clone());
        self.threads
            .read(move |conn| progress::read_source(conn, &consumer, &domain))
            .await
    }

    async fn read_roots(
        &self,
        consumer: &ConsumerId,
        streams: Vec<StreamId>,
    ) -> Result<Vec<RootProgress>, Error> {
        let consumer = consumer.clone();
        self.threads
            .read(move |conn| progress::read_roots(conn, &consumer, &streams))
            .await
    }
}

#[async_trait]
impl Backlog for SqliteStore {
    async fn list_work(
        &self,
        consumer: &ConsumerId,
        state: WorkState,
        after: u64,
        limit: usize,
    ) -> Result<Vec<WorkHead>, Error> {
        let consumer = consumer.clone();
        self.threads
            .read(move |conn| backlog::list_work(conn, &consumer, state, after, limit))
            .await
    }

    async fn read_work(
        &self,
        consumer: &ConsumerId,
        ids: Vec<OutgoingId>,
    ) -> Result<Vec<Option<KeptWork>>, Error> {
        let consumer = consumer.clone();
        self.threads
            .read(move |conn| backlog::read_work(conn, &consumer, &ids))
            .await
    }

    async fn list_parked(
        &self,
        consumer: &ConsumerId,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<(StreamId, Parked)>, Error> {
        let (consumer, after) = (consumer.clone(), after.cloned());
        self.threads
            .read(move |conn| backlog::list_parked(conn, &consumer, after.as_ref(), limit))
            .await
    }
}

#[async_trait]
impl Leases for SqliteStore {
    async fn acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Grant, Error> {
        let (name, holder, session) = (name.to_owned(), holder.to_owned(), self.session());
        self.threads
            .write(move |conn| leases::acquire(conn, session, &name, &holder, ttl))
            .await
    }

    async fn renew(&self, name: &str, epoch: u64, ttl: Duration) -> Result<(), Error> {
        let (lease, session) = (name.to_owned(), self.session());
        let renewed = self
            .threads
            .write(move |conn| leases::renew(conn, session, &lease, epoch, ttl));
        if renewed.await? {
            return Ok(());
        }
        let name = name.to_owned();
        Err(Error::Fenced { name })
    }

    async fn release(&self, name: &str, epoch: u64) -> Result<(), Error> {
        let name = name.to_owned();
        self.threads
            .write(move |conn| leases::release(conn, &name, epoch))
            .await
    }
}
