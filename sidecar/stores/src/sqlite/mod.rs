//! SQLite: one private file of one sidecar.
//!
//! # Design
//! An append is one row, keyed by its stream and first sequence, so that the history of a root lies side by side; a second, narrow table has the
//! order of the log. One thread writes, in WAL mode with `synchronous=FULL`: a commit is a flush. Readers have connections of their own and never
//! wait for it.

mod append;
mod error;
mod leases;
mod load;
mod lock;
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
use rusqlite::{Connection, params};
use tokio::time::Instant;
use uuid::Uuid;

pub use error::OpenError;
use leases::Session;
pub use lock::Holder;
use progress::stream_columns;
use row::{append_columns, last_place_key, place_key};
use statement::{find, list};
use threads::{Running, Threads};

use crate::stored::{
    Columns, TARGET_BYTES, column, read_append_of, read_parked_root, read_root_head, read_work,
    read_work_head,
};

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
        let limit = load.limit;
        let read = move |conn: &Connection| load::load(conn, &load);
        match limit {
            ..=SMALL_LOAD => self.threads.read(read).await,
            _ => self.threads.read_large(read).await,
        }
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
        const ROOTS: &str = "SELECT root, next_sequence FROM streams
             WHERE partition = (SELECT id FROM partitions WHERE domain = ?) AND edition = '' AND root > ? AND next_sequence > 0
             ORDER BY root LIMIT ?";
        let after = after.map_or(Vec::new(), |root| root.as_bytes().to_vec());
        let values = (domain.to_string(), after, column(limit));
        self.threads
            .read(move |conn| list(conn, ROOTS, values, read_root_head))
            .await
    }

    async fn read_correlated(
        &self,
        domain: &Domain,
        correlation: &CorrelationId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Append>, Error> {
        const CORRELATED: &str = concat!(
            "SELECT s.edition, s.root, ",
            append_columns!(),
            " FROM log l JOIN appends a ON a.id = l.append JOIN streams s ON s.id = (l.append >> 32)
              WHERE l.correlation_id = ? AND l.id > ? AND l.id <= ? ORDER BY l.id LIMIT ?"
        );
        let (domain, correlation) = (domain.clone(), correlation.to_string());
        let read_all = move |conn: &Connection| {
            let Some(partition) = load::partition_id(conn, &domain)? else {
                return Ok(Vec::new());
            };
            let (first, last) = (place_key(partition, after), last_place_key(partition));
            let values = params![correlation, first, last, column(CORRELATED_APPENDS)];
            let read = |columns: &mut Columns<'_>| read_append_of(&domain, columns);
            load::list_within(conn, limit, CORRELATED, values, read)
        };
        self.threads.read(read_all).await
    }

    async fn probe(&self) -> Result<(), Error> {
        let read = |conn: &Connection| {
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
        let consumer = consumer.to_string();
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
        const HEADS: &str = "SELECT place, outgoing_id, trigger_domain, trigger_edition, trigger_root, substr(command, 1, ?1), substr(facts, 1, ?1),
                 coalesce(length(command), 0) + coalesce(length(facts), 0), max(may_land_until - ?6, 0)
             FROM outgoing WHERE consumer = (SELECT id FROM consumers WHERE name = ?2) AND place > ?3 AND (refusal_code IS NOT NULL) = ?4
             ORDER BY place LIMIT ?5";
        let is_refused = state == WorkState::Refused;
        let (consumer, after, limit) = (consumer.to_string(), column(after), column(limit));
        let read = move |conn: &Connection| {
            let now = progress::clock();
            let values = (TARGET_BYTES, consumer, after, is_refused, limit, now);
            list(conn, HEADS, values, read_work_head)
        };
        self.threads.read(read).await
    }

    async fn read_work(
        &self,
        consumer: &ConsumerId,
        ids: Vec<OutgoingId>,
    ) -> Result<Vec<Option<KeptWork>>, Error> {
        const WORK: &str = "SELECT outgoing_id, trigger_domain, trigger_edition, trigger_root, command, facts, trace_parent,
                 refusal_code, refusal_message, refusal_details
             FROM outgoing WHERE consumer = (SELECT id FROM consumers WHERE name = ?) AND outgoing_id = ?";
        let consumer = consumer.to_string();
        let read_each = move |conn: &Connection| {
            let works = ids.iter().map(|id| {
                let found = find(conn, WORK, [&consumer, &id.0], read_work)?;
                Ok(found.flatten())
            });
            works.collect()
        };
        self.threads.read(read_each).await
    }

    async fn list_parked(
        &self,
        consumer: &ConsumerId,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<(StreamId, Parked)>, Error> {
        const PARKED: &str = "SELECT domain, edition, root, parked_sequence, parked_attempts, parked_code, parked_message, parked_details FROM roots
             WHERE consumer = (SELECT id FROM consumers WHERE name = ?) AND parked_sequence IS NOT NULL AND (domain, edition, root) > (?, ?, ?)
             ORDER BY domain, edition, root LIMIT ?";
        let (consumer, after) = (consumer.to_string(), after.cloned());
        let read_after = move |conn: &Connection| {
            let (domain, edition, root) = match &after {
                Some(stream) => stream_columns(stream),
                None => ("", "", &[][..]),
            };
            let values = params![consumer, domain, edition, root, column(limit)];
            list(conn, PARKED, values, read_parked_root)
        };
        self.threads.read(read_after).await
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
