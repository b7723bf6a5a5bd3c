//! One source: subscribed from where the consumer got to, each append given to its root's lane, and the subscription opened again when it ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use super::active::Active;
use super::attempt::{self, Event, Unit};
use super::error::Error;
use super::lanes::{Lanes, Pushed};
use super::live_status::SourceState;
use super::settings::Source;
use crate::describe;
use crate::model::{Append, Cursor, Position, StreamId};
use crate::port::bus::{self, Delivery, From, Subscribe, Subscription};
use crate::port::store;
use crate::retry::Backoff;

/// Bytes of appends under way at which a source brings no more for now; what a slow consumer leaves undone stays with its owner.
const MOST_BYTES: usize = 16 << 20;

/// Appends between the cursor and the last one received at which a source brings no more for now; each keeps about 40 bytes.
const MOST_UNDER_WAY: usize = 100_000;

/// Why reading stopped.
enum Halt {
    /// Something outside is away; it is tried again.
    Again(String),
    /// A person must look.
    Stop(Error),
    /// The consumer is ending.
    Ending,
}

struct Reader {
    active: Arc<Active>,
    source: Source,
    /// The last append received; the next must follow it.
    last: Option<Cursor>,
    lanes: Lanes,
    /// The deliveries under way, one for each root with something to deliver.
    running: JoinSet<StreamId>,
    events: (mpsc::UnboundedSender<Event>, mpsc::UnboundedReceiver<Event>),
    /// How many appends are held, each with its credit, and their bytes.
    held: usize,
    bytes: usize,
    backoff: Backoff,
}

/// Reads a source until the consumer ends, then waits for what is under way.
pub(super) async fn run(active: Arc<Active>, source: Source) {
    let mut reader = Reader {
        backoff: active.settings.outage_backoff(),
        active,
        source,
        last: None,
        lanes: Lanes::default(),
        running: JoinSet::new(),
        events: mpsc::unbounded_channel(),
        held: 0,
        bytes: 0,
    };
    reader.read().await;
    while let Some(joined) = reader.running.join_next().await {
        reader.note_panic(&joined);
    }
}

impl Reader {
    async fn read(&mut self) {
        loop {
            let halted = match self.open().await {
                Ok(subscription) => self.follow(subscription).await,
                Err(halt) => halt,
            };
            match halted {
                Halt::Ending => return,
                Halt::Stop(error) => {
                    let mut reason = describe(&error);
                    if error.is_diverged() {
                        reason = format!("{reason}; {}", self.active.settings.start_over);
                    }
                    tracing::error!(consumer = %self.active.settings.id, domain = %self.source.domain, error = reason, "a source is stopped");
                    self.set_state(SourceState::Stopped(reason));
                    self.active.fail(error);
                    return;
                }
                Halt::Again(reason) => {
                    tracing::warn!(consumer = %self.active.settings.id, domain = %self.source.domain, reason, "a subscription is opened again");
                    self.set_state(SourceState::Paused(reason));
                    let stop = self.active.stop.clone();
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = sleep(self.backoff.next_delay()) => {}
                    }
                }
            }
        }
    }

    /// Opens a subscription where the last one ended, where the stored progress says, or where a new consumer starts.
    async fn open(&mut self) -> Result<Box<dyn Subscription>, Halt> {
        self.make_room().await?;
        let from = self.place().await?;
        let settings = &self.active.settings;
        let under_way = u32::try_from(self.held).unwrap_or(u32::MAX);
        let subscribe = Subscribe {
            consumer: settings.id.clone(),
            domain: self.source.domain.clone(),
            from,
            credit: settings.credit.saturating_sub(under_way).max(1),
        };
        let opening = timeout(
            settings.command_budget,
            self.active.ports.bus.subscribe(subscribe),
        );
        let opened = tokio::select! {
            () = self.active.stop.cancelled() => return Err(Halt::Ending),
            opened = opening => opened,
        };
        let subscription = opened
            .map_err(|_| Halt::Again("open the subscription: out of time".into()))?
            .map_err(|error| self.judge(error))?;
        self.adopt(subscription.opened()).await?;
        Ok(subscription)
    }

    /// Waits until at least one append may be under way.
    async fn make_room(&mut self) -> Result<(), Halt> {
        let credit = self.active.settings.credit.max(1) as usize;
        let stop = self.active.stop.clone();
        while self.held >= credit {
            tokio::select! {
                () = stop.cancelled() => return Err(Halt::Ending),
                Some(joined) = self.running.join_next() => self.finish(joined),
                Some(event) = self.events.1.recv() => {
                    self.note(event);
                }
            }
        }
        Ok(())
    }

    async fn place(&mut self) -> Result<From, Halt> {
        if let Some(last) = self.last {
            return Ok(From::Cursor(last));
        }
        let id = &self.active.settings.id;
        let stored = self
            .active
            .ports
            .progress
            .read_source(id, &self.source.domain)
            .await;
        let stored = stored.map_err(|error| self.judge_store(error))?;
        Ok(match (stored, self.source.start) {
            (Some(stored), _) => {
                let cursor = stored.cursor;
                self.active
                    .status
                    .opened(&self.source.domain, stored.start, cursor.position);
                self.last = Some(cursor);
                From::Cursor(cursor)
            }
            (None, start) => start,
        })
    }

    /// Checks where a subscription begins; for a new consumer that is stored first.
    async fn adopt(&mut self, opened: Cursor) -> Result<(), Halt> {
        if let Some(last) = self.last {
            if last.identity != opened.identity {
                let (read, found) = (last.identity, opened.identity);
                return Err(self.stop(bus::Error::of_histories(read, found)));
            }
            if last.position != opened.position {
                let detail = format!(
                    "the subscription begins at {} and not at {}",
                    opened.position.0, last.position.0
                );
                return Err(self.stop(bus::Error::Corrupt(detail)));
            }
            return Ok(());
        }
        let domain = &self.source.domain;
        let id = &self.active.settings.id;
        let stored = self
            .active
            .ports
            .progress
            .open_source(id, domain, opened)
            .await;
        let stored = stored.map_err(|error| self.judge_store(error))?;
        let cursor = stored.cursor;
        self.active
            .status
            .opened(domain, stored.start, cursor.position);
        self.last = Some(cursor);
        if cursor == opened {
            return Ok(());
        }
        Err(Halt::Again("the start was stored before".into()))
    }

    async fn follow(&mut self, mut subscription: Box<dyn Subscription>) -> Halt {
        self.set_state(SourceState::CatchingUp);
        let stop = self.active.stop.clone();
        let mut outgoing_full = self.active.watch_outgoing();
        loop {
            let has_room = self.bytes < MOST_BYTES
                && self.active.committer.under_way(&self.source.domain) < MOST_UNDER_WAY
                && !*outgoing_full.borrow_and_update();
            let delivery = tokio::select! {
                biased;
                () = stop.cancelled() => return Halt::Ending,
                Some(event) = self.events.1.recv() => {
                    subscription.grant(self.note(event));
                    continue;
                }
                Some(joined) = self.running.join_next() => {
                    self.finish(joined);
                    continue;
                }
                Ok(()) = outgoing_full.changed() => continue,
                delivery = subscription.next(), if has_room => delivery,
            };
            match delivery {
                Ok(Delivery::Append(append)) => {
                    self.backoff.reset();
                    match self.receive(append) {
                        Ok(credit) => subscription.grant(credit),
                        Err(halt) => return halt,
                    }
                }
                Ok(Delivery::CaughtUp(head)) => {
                    self.backoff.reset();
                    self.active.status.saw_head(&self.source.domain, head);
                    self.set_state(SourceState::Live);
                }
                Err(error) => return self.judge(error),
            }
        }
    }

    /// Takes an append in; returns the credit that it does not need.
    fn receive(&mut self, append: Append) -> Result<u32, Halt> {
        let Some(last) = self.last else {
            return Err(Halt::Again("the start is not stored".into()));
        };
        let domain = &self.source.domain;
        if append.events.is_empty()
            || append.stream.domain != *domain
            || append.position_before() != last.position
        {
            let detail = format!(
                "after position {} came the append of {} that ends at {}",
                last.position.0, append.stream, append.last_position.0
            );
            return Err(self.stop(bus::Error::Corrupt(detail)));
        }
        let end = Cursor {
            position: append.last_position,
            append_id: Some(append.id),
            identity: last.identity,
        };
        self.last = Some(end);
        self.active.status.saw_head(domain, end.position);
        self.active
            .committer
            .begin(domain, end.identity, end.position, append.id);
        let bytes = append.size();
        match self.lanes.push(append) {
            Pushed::Placed => return Ok(1),
            Pushed::Held => {}
            Pushed::Due(append) => {
                self.active.roots_under_way.fetch_add(1, Ordering::Relaxed);
                let (stream, last) = (append.stream.clone(), append.last_position);
                self.deliver(stream, Unit::Held(append), vec![last]);
            }
        }
        self.held += 1;
        self.bytes += bytes;
        Ok(0)
    }

    fn deliver(&mut self, stream: StreamId, unit: Unit, positions: Vec<Position>) {
        let delivery = attempt::Delivery {
            stream,
            unit,
            positions,
            events: self.events.0.clone(),
        };
        let active = Arc::clone(&self.active);
        self.running.spawn(attempt::deliver(active, delivery));
    }

    /// Notes what a delivery reports; returns the credit that it gives back.
    fn note(&mut self, event: Event) -> u32 {
        let freed = match event {
            Event::Freed(bytes) => vec![bytes],
            Event::Slow(stream) => self.lanes.slow_down(&stream),
        };
        self.held -= freed.len();
        self.bytes -= freed.iter().sum::<usize>();
        u32::try_from(freed.len()).unwrap_or(u32::MAX)
    }

    /// Goes on with what waits behind a delivery that has ended.
    fn finish(&mut self, joined: Result<StreamId, JoinError>) {
        self.note_panic(&joined);
        let Ok(stream) = joined else { return };
        if self.active.stop.is_cancelled() {
            // It may be neither handled nor parked, so nothing of its root may follow it.
            return;
        }
        match self.lanes.finish(&stream) {
            Some((unit, positions)) => self.deliver(stream, unit, positions),
            None => {
                self.active.roots_under_way.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    fn note_panic(&self, joined: &Result<StreamId, JoinError>) {
        if joined.as_ref().is_err_and(JoinError::is_panic) {
            self.active.fail(Error::Panicked {
                consumer: self.active.settings.id.to_string(),
            });
        }
    }

    fn judge(&self, error: bus::Error) -> Halt {
        if error.is_retryable() {
            return Halt::Again(describe(&error));
        }
        self.stop(error)
    }

    fn judge_store(&self, error: store::Error) -> Halt {
        if error.is_retryable() {
            return Halt::Again(describe(&error));
        }
        Halt::Stop(Error::from_store(&self.active.settings.id, error))
    }

    fn stop(&self, cause: bus::Error) -> Halt {
        Halt::Stop(Error::Source {
            domain: self.source.domain.clone(),
            cause,
        })
    }

    fn set_state(&self, state: SourceState) {
        self.active.status.set_state(&self.source.domain, state);
    }
}
