//! Tells the other sidecars of a store that a partition grew, and hears it from them. A hint only: a sidecar that misses it looks at the log by itself.
//!
//! # Design
//! The notification is sent after the commit, on a connection of its own: within the append it would take a lock that all writers of the database
//! share. What was committed while one was on its way goes with the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use angzarr_coordinator::feed::Heads;
use angzarr_coordinator::model::{Domain, Position};
use angzarr_coordinator::retry::{Backoff, Policy};
use sqlx::postgres::{PgConnection, PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connect;
use super::error::Fault;
use super::pool::Pool;

/// All stores of a database speak on one channel; each notification begins with the id of its store.
const CHANNEL: &str = "angzarr_heads";
/// The pause between two notifications.
const GAP: Duration = Duration::from_millis(2);
/// How long a notification may take.
const SEND_WITHIN: Duration = Duration::from_secs(5);
/// Partitions that one notification names, so that it stays below the server's limit of 8,000 bytes.
const MOST: usize = 80;
/// A connection on which nothing was heard for so long may be dead without a sign, and is opened again.
const QUIET: Duration = Duration::from_secs(30);
/// The pauses before a lost connection is opened again.
const PAUSES: Policy = Policy::every(Duration::from_millis(500));

/// Growth that is yet to be told.
#[derive(Default)]
pub(super) struct Growth {
    grown: Mutex<HashMap<Domain, Position>>,
    wake: Notify,
}

impl Growth {
    /// Notes that a partition reaches up to a position.
    pub(super) fn note(&self, domain: &Domain, head: Position) {
        let mut grown = self.grown.lock().unwrap_or_else(PoisonError::into_inner);
        let known = grown.entry(domain.clone()).or_insert(head);
        *known = head.max(*known);
        drop(grown);
        self.wake.notify_one();
    }

    fn take(&self) -> Vec<(Domain, Position)> {
        let mut grown = self.grown.lock().unwrap_or_else(PoisonError::into_inner);
        let some: Vec<_> = grown.keys().take(MOST).cloned().collect();
        some.into_iter()
            .filter_map(|domain| grown.remove_entry(&domain))
            .collect()
    }
}

/// Starts telling and hearing; both end when the set is dropped.
pub(super) fn start(pool: &Arc<Pool>, growth: &Arc<Growth>, heads: Heads) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(tell(Arc::clone(pool), Arc::clone(growth)));
    tasks.spawn(hear(Arc::clone(pool), heads));
    tasks
}

async fn tell(pool: Arc<Pool>, growth: Arc<Growth>) {
    let mut conn = None;
    let mut backoff = Backoff::new(PAUSES);
    loop {
        growth.wake.notified().await;
        loop {
            let grown = growth.take();
            if grown.is_empty() {
                break;
            }
            if let Err(fault) = send(&pool, &mut conn, &grown).await {
                tracing::debug!(error = %fault, "others were not told that the log grew; they look by themselves");
                conn = None;
                sleep(backoff.next_delay()).await;
            }
            sleep(GAP).await;
        }
    }
}

async fn send(
    pool: &Pool,
    conn: &mut Option<PgConnection>,
    grown: &[(Domain, Position)],
) -> Result<(), Fault> {
    let mut text = pool.identity().store_id.to_string();
    for (domain, head) in grown {
        text.push_str(&format!(" {domain}={}", head.0));
    }
    let sending = async {
        let ready = match conn.take() {
            Some(ready) => conn.insert(ready),
            None => conn.insert(open(pool).await?),
        };
        let told = sqlx::query("SELECT pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(&text);
        told.execute(ready).await?;
        Ok(())
    };
    connect::within(SEND_WITHIN, sending).await
}

/// Opens a connection that does not wait for its own flush: a hint need not be durable.
async fn open(pool: &Pool) -> Result<PgConnection, Fault> {
    let mut conn = pool.open().await?;
    sqlx::query("SET synchronous_commit TO off")
        .execute(&mut conn)
        .await?;
    Ok(conn)
}

async fn hear(pool: Arc<Pool>, heads: Heads) {
    let mut backoff = Backoff::new(PAUSES);
    loop {
        if let Err(fault) = listen(&pool, &heads).await {
            tracing::debug!(error = %fault, "others are not heard; the log is looked at instead");
            sleep(backoff.next_delay()).await;
        }
    }
}

/// Hears until the connection is lost or quiet.
async fn listen(pool: &Pool, heads: &Heads) -> Result<(), Fault> {
    let options = connect::options(pool.settings())?;
    let single = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(SEND_WITHIN)
        .connect_lazy_with(options);
    let mut listener = PgListener::connect_with(&single).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    let store = pool.identity().store_id.to_string();
    while let Ok(heard) = timeout(QUIET, listener.try_recv()).await {
        let Some(notification) = heard? else {
            return Ok(());
        };
        let mut words = notification.payload().split(' ');
        if words.next() == Some(&store) {
            for (domain, head) in words.filter_map(read_growth) {
                heads.announce(&domain, head);
            }
        }
    }
    Ok(())
}

fn read_growth(word: &str) -> Option<(Domain, Position)> {
    let (domain, head) = word.split_once('=')?;
    Some((Domain::parse(domain).ok()?, Position(head.parse().ok()?)))
}
