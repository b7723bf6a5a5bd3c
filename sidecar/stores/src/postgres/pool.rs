//! Connections, and statements that survive the loss of one.
//!
//! # Design
//! Every operation of the store is one statement, so a connection is lent for a statement only, and a statement whose answer was lost is sent again
//! on another connection. A pool that pings before each use would double the round trips; here a dead connection shows in the statement itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use angzarr_config::postgres::Postgres as Settings;
use angzarr_coordinator::model::StoreIdentity;
use angzarr_coordinator::port::store::Error;
use angzarr_coordinator::retry::{Bound, Jitter, Policy, Retries};
use opentelemetry::{KeyValue, global, metrics};
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::{Connection, Postgres};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep};

use super::connect::{self, ServerClock, within};
use super::error::Fault;
use super::schema::Opened;
use crate::stored::{Columns, Corrupt};

/// How long a lost statement is sent again, beside the time that it takes.
const RETRY_WITHIN: Duration = Duration::from_secs(3);
/// The pauses between retries. The first retry does without, since connections die while they are idle.
const PAUSES: Policy = Policy {
    first: Duration::from_millis(12),
    longest: Duration::from_millis(500),
    jitter: Jitter::Half,
};
/// What an answer may take beyond the statement's own time.
const MARGIN: Duration = Duration::from_secs(2);
/// How long a connection may be idle.
const IDLE_WITHIN: Duration = Duration::from_secs(300);

/// A statement with its values.
pub(super) type Asked<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// An array of one value of each line of a list.
pub(super) fn each<'a, L, T>(lines: &'a [L], of: impl Fn(&'a L) -> T) -> Vec<T> {
    lines.iter().map(of).collect()
}

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// A batch of entries.
    Write,
    /// A batch of loads.
    Load,
    /// Everything else.
    Other,
}

/// How often something was asked, and how many round trips that took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trips {
    /// Batches or statements.
    pub asked: u64,
    /// Round trips, those of retries and of preparing a statement on a new connection included.
    pub round_trips: u64,
}

/// Counts one operation, for anyone who has the store and for the metrics.
struct Counter {
    asked: AtomicU64,
    round_trips: AtomicU64,
    statements_total: metrics::Counter<u64>,
    round_trips_total: metrics::Counter<u64>,
    labels: [KeyValue; 1],
}

impl Counter {
    fn new(meter: &metrics::Meter, operation: &'static str) -> Self {
        let count = |name: &'static str, what: &'static str| {
            meter.u64_counter(name).with_description(what).build()
        };
        Self {
            asked: AtomicU64::new(0),
            round_trips: AtomicU64::new(0),
            statements_total: count(
                "angzarr.postgres.statements_total",
                "Statements that the store was asked for, by operation",
            ),
            round_trips_total: count(
                "angzarr.postgres.round_trips_total",
                "Round trips that they took, those of retries and of preparing included",
            ),
            labels: [KeyValue::new("operation", operation)],
        }
    }

    fn note_asked(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.statements_total.add(1, &self.labels);
    }

    fn note_trips(&self, trips: u64) {
        self.round_trips.fetch_add(trips, Ordering::Relaxed);
        self.round_trips_total.add(trips, &self.labels);
    }
}

struct Idle {
    conn: PgConnection,
    since: Instant,
}

/// Connections to one database.
pub(super) struct Pool {
    settings: Settings,
    identity: StoreIdentity,
    idle: Mutex<Vec<Idle>>,
    permits: Semaphore,
    counters: [Counter; 3],
    /// As it was read last.
    clock: Mutex<ServerClock>,
}

impl Pool {
    /// Makes a pool over a database that was opened before.
    pub(super) fn new(settings: Settings, opened: Opened) -> Self {
        let meter = global::meter("angzarr");
        let most = usize::try_from(settings.max_connections.get()).unwrap_or(usize::MAX);
        Self {
            permits: Semaphore::new(most.min(Semaphore::MAX_PERMITS)),
            settings,
            identity: opened.identity,
            idle: Mutex::new(vec![Idle {
                conn: opened.conn,
                since: Instant::now(),
            }]),
            counters: ["write", "load", "other"].map(|operation| Counter::new(&meter, operation)),
            clock: Mutex::new(opened.clock),
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The clock of the server.
    pub(super) fn clock(&self) -> ServerClock {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the clock of the server again.
    pub(super) async fn read_clock(&self) -> Result<(), Error> {
        let (mut conn, _permit) = self.borrow().await?;
        let clock = within(MARGIN, connect::read_clock(&mut conn)).await?;
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = clock;
        self.give_back(conn);
        Ok(())
    }

    pub(super) fn identity(&self) -> StoreIdentity {
        self.identity
    }

    /// How often an operation was asked for.
    pub(super) fn trips(&self, operation: Operation) -> Trips {
        let counter = &self.counters[operation as usize];
        Trips {
            asked: counter.asked.load(Ordering::Relaxed),
            round_trips: counter.round_trips.load(Ordering::Relaxed),
        }
    }

    /// Reads the first row of a statement, if it has one; it runs as [`Pool::fetch`] says.
    pub(super) async fn find<'q, T>(
        &self,
        build: impl Fn() -> Asked<'q> + Send + Sync,
        read: impl Fn(&mut Columns<'_>) -> Result<T, Corrupt> + Send,
    ) -> Result<Option<T>, Error> {
        Ok(self.list(build, read).await?.into_iter().next())
    }

    /// Reads all rows of a statement; it runs as [`Pool::fetch`] says.
    pub(super) async fn list<'q, T>(
        &self,
        build: impl Fn() -> Asked<'q> + Send + Sync,
        read: impl Fn(&mut Columns<'_>) -> Result<T, Corrupt> + Send,
    ) -> Result<Vec<T>, Error> {
        let rows = self.fetch(Operation::Other, |_| build()).await?;
        let read: Result<_, _> = rows.iter().map(|row| read(&mut Columns::of(row))).collect();
        Ok(read?)
    }

    /// Runs a statement and returns its rows. Lost ones are sent again; `build` is told how often it was sent before. The statement must be harmless
    /// when it is run twice.
    pub(super) async fn fetch<'q>(
        &self,
        operation: Operation,
        build: impl Fn(u32) -> Asked<'q> + Send + Sync,
    ) -> Result<Vec<PgRow>, Error> {
        let counter = &self.counters[operation as usize];
        counter.note_asked();
        let mut retries = Retries::new(PAUSES, Bound::Within(RETRY_WITHIN));
        let mut sent = 0;
        loop {
            let fault = match self.send(counter, build(sent)).await {
                Ok(rows) => return Ok(rows),
                Err(fault) => fault,
            };
            let retry = if fault.is_lost() {
                retries.next_delay()
            } else {
                None
            };
            let Some(pause) = retry else {
                return Err(match fault.into() {
                    // An earlier sending may have found room.
                    Error::Full(cause) if sent > 0 => Error::Unavailable(cause),
                    error => error,
                });
            };
            if sent > 0 {
                sleep(pause).await;
            }
            sent += 1;
        }
    }

    async fn send(&self, counter: &Counter, asked: Asked<'_>) -> Result<Vec<PgRow>, Fault> {
        let (mut conn, _permit) = self.borrow().await?;
        let prepared = conn.cached_statements_size();
        let asking = async { Ok(asked.fetch_all(&mut conn).await?) };
        let answer = within(self.settings.statement_timeout + MARGIN, asking).await;
        let prepares = conn.cached_statements_size().saturating_sub(prepared);
        counter.note_trips(1 + prepares as u64);
        match &answer {
            Ok(_) => self.give_back(conn),
            Err(fault) if fault.leaves_connection() => self.give_back(conn),
            // What is lost for one is likely lost for all.
            Err(fault) if fault.is_lost() => self.idle().clear(),
            Err(_) => {}
        }
        answer
    }

    async fn borrow(&self) -> Result<(PgConnection, SemaphorePermit<'_>), Fault> {
        let waiting = async { Ok(self.permits.acquire().await) };
        let permit = within(self.settings.statement_timeout + MARGIN, waiting).await?;
        let permit = permit.expect("the semaphore is never closed");
        let conn = match self.take_idle() {
            Some(conn) => conn,
            None => self.open().await?,
        };
        Ok((conn, permit))
    }

    /// Opens a connection to the same database.
    pub(super) async fn open(&self) -> Result<PgConnection, Fault> {
        let mut conn = connect::connect(&self.settings).await?;
        let checking = async {
            connect::check_durable(&mut conn, &self.settings).await?;
            connect::check_identity(&mut conn, self.identity).await
        };
        within(MARGIN, checking).await?;
        Ok(conn)
    }

    fn take_idle(&self) -> Option<PgConnection> {
        let mut idle = self.idle();
        idle.retain(|idle| idle.since.elapsed() < IDLE_WITHIN);
        idle.pop().map(|idle| idle.conn)
    }

    fn give_back(&self, conn: PgConnection) {
        self.idle().push(Idle {
            conn,
            since: Instant::now(),
        });
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        // Connections are put in and taken out whole, so a panic elsewhere does not spoil the list.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
