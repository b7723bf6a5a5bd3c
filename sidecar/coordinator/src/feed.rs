//! The log as subscribers see it: everything after a cursor, then whatever is committed, without a gap.
//!
//! # Design
//! The producer keeps no cursor: a feed reads pages of the partition after its own position and waits for the head to move. The head watch is a
//! hint that saves polling; the log decides what is delivered, so a missed hint costs time only.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::model::{Append, Cursor, Domain, Position};
use crate::port::bus::{self, Bus, Delivery, From, Subscribe, Subscription};
use crate::port::log::{Log, PartitionPage, PartitionRead};
use crate::port::observer::Observer;

/// How long a feed waits for a hint before it looks at the log by itself.
const POLL: Duration = Duration::from_millis(250);
/// Bytes of payload that a feed reads at a time.
const PAGE_BYTES: usize = 1 << 20;

/// Where the heads of partitions are announced after each commit.
#[derive(Debug, Clone, Default)]
pub struct Heads {
    watches: Arc<Mutex<HashMap<Domain, watch::Sender<Position>>>>,
}

impl Heads {
    /// Announces that the partition reaches up to a position.
    pub fn announce(&self, domain: &Domain, head: Position) {
        self.with(domain, |sender| {
            sender.send_if_modified(|known| {
                let is_news = head > *known;
                *known = head.max(*known);
                is_news
            });
        });
    }

    /// Watches the head of a partition.
    pub fn watch(&self, domain: &Domain) -> watch::Receiver<Position> {
        self.with(domain, |sender| sender.subscribe())
    }

    fn with<R>(&self, domain: &Domain, act: impl FnOnce(&watch::Sender<Position>) -> R) -> R {
        // The map is consistent between any two statements, so a panic elsewhere does not spoil it.
        let mut watches = self
            .watches
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let sender = watches
            .entry(domain.clone())
            .or_insert_with(|| watch::channel(Position::ORIGIN).0);
        act(sender)
    }
}

/// A running subscription to a partition of an open log.
pub struct Feed {
    log: Arc<dyn Log>,
    head: watch::Receiver<Position>,
    domain: Domain,
    opened: Cursor,
    last: Position,
    pending: VecDeque<Append>,
    credit: u32,
    is_caught_up: bool,
    /// When what is pending was read.
    read_at: Instant,
    observer: Arc<dyn Observer>,
}

impl Feed {
    /// Opens a feed.
    ///
    /// # Errors
    /// [`bus::Error::Diverged`] when the cursor is not of this history, [`bus::Error::Unavailable`] when the log did not reply.
    pub async fn open(source: &InProcess, subscribe: Subscribe) -> Result<Self, bus::Error> {
        let log = Arc::clone(&source.log);
        let head = source.heads.watch(&subscribe.domain);
        let identity = log.identity();
        let beginning = Cursor {
            position: Position::ORIGIN,
            append_id: None,
            identity,
        };
        let opened = match subscribe.from {
            From::Beginning => beginning,
            From::Now => {
                let page = read(&*log, &subscribe.domain, Position::ORIGIN, 0).await?;
                Cursor {
                    position: page.head,
                    append_id: page.head_append,
                    identity,
                }
            }
            From::Cursor(cursor) => {
                verify(&*log, &subscribe.domain, cursor).await?;
                cursor
            }
        };
        Ok(Self {
            log,
            head,
            read_at: Instant::now(),
            observer: Arc::clone(&source.observer),
            domain: subscribe.domain,
            opened,
            last: opened.position,
            pending: VecDeque::new(),
            credit: subscribe.credit,
            is_caught_up: false,
        })
    }

    fn take_pending(&mut self) -> Result<Option<Append>, bus::Error> {
        if self.credit == 0 {
            return Ok(None);
        }
        let Some(append) = self.pending.pop_front() else {
            return Ok(None);
        };
        if append.position_before() != self.last {
            let (found, last) = (append.position_before().0 + 1, self.last.0);
            return Err(bus::Error::Corrupt(format!(
                "position {found} follows {last} in {}",
                self.domain
            )));
        }
        self.last = append.last_position;
        self.credit -= 1;
        self.is_caught_up = false;
        self.observer
            .append_taken(&self.domain, self.read_at.elapsed());
        Ok(Some(append))
    }
}

#[async_trait]
impl Subscription for Feed {
    fn opened(&self) -> Cursor {
        self.opened
    }

    async fn next(&mut self) -> Result<Delivery, bus::Error> {
        loop {
            if let Some(append) = self.take_pending()? {
                return Ok(Delivery::Append(append));
            }
            if !self.pending.is_empty() {
                // Out of credit: only a grant, which needs `&mut self`, ends this wait.
                std::future::pending::<()>().await;
            }
            self.head.borrow_and_update();
            let page = read(&*self.log, &self.domain, self.last, PAGE_BYTES).await?;
            let is_at_head = page.appends.is_empty();
            self.pending.extend(page.appends);
            self.read_at = Instant::now();
            if is_at_head && !self.is_caught_up {
                self.is_caught_up = true;
                return Ok(Delivery::CaughtUp(self.last));
            }
            if is_at_head {
                // An elapsed wait and a closed watch both mean: look at the log.
                let _ = tokio::time::timeout(POLL, self.head.changed()).await;
            }
        }
    }

    fn grant(&mut self, appends: u32) {
        self.credit = self.credit.saturating_add(appends);
    }
}

async fn read(
    log: &dyn Log,
    domain: &Domain,
    after: Position,
    limit: usize,
) -> Result<PartitionPage, bus::Error> {
    let read = PartitionRead {
        domain: domain.clone(),
        after,
        limit,
    };
    log.read_partition(read)
        .await
        .map_err(bus::Error::unavailable)
}

async fn verify(log: &dyn Log, domain: &Domain, cursor: Cursor) -> Result<(), bus::Error> {
    let own = log.identity();
    if cursor.identity != own {
        return Err(bus::Error::of_histories(cursor.identity, own));
    }
    let page = read(log, domain, cursor.position, 0).await?;
    let (position, head) = (cursor.position.0, page.head.0);
    if cursor.position > page.head {
        return Err(bus::Error::Diverged(format!(
            "position {position} was read, and the source ends at {head}"
        )));
    }
    let is_within = page.previous.is_none() && cursor.position > Position::ORIGIN;
    if is_within || page.previous != cursor.append_id {
        return Err(bus::Error::Diverged(format!(
            "at position {position} the source has another append than the one that was read"
        )));
    }
    Ok(())
}

/// The bus within one process: subscribers read the log directly.
#[derive(Clone)]
pub struct InProcess {
    /// The log of the own store.
    pub log: Arc<dyn Log>,
    /// Where commits are announced.
    pub heads: Heads,
    /// Receives what subscribers take.
    pub observer: Arc<dyn Observer>,
}

#[async_trait]
impl Bus for InProcess {
    async fn subscribe(&self, subscribe: Subscribe) -> Result<Box<dyn Subscription>, bus::Error> {
        let feed = Feed::open(self, subscribe).await?;
        Ok(Box::new(feed))
    }
}
