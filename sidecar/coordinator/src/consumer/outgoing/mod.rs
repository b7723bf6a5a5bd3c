//! Sends what the logic asked for: commands and facts that were stored with the progress, one after the other per trigger stream.
//!
//! Each piece goes out until it has its final reply, and only then the next of its trigger. A repeat is harmless, since every piece carries an id
//! derived from its trigger.
//!
//! # Design
//! Only the heads of what waits are in memory; the content of a piece is read when it is sent and dropped after the attempt. Each target has permits
//! and bytes of its own, so that one that is away, slow or unknown holds up nobody else. When too much waits in the store, the sources bring no
//! more.
//!
//! A refusal is final only when no earlier attempt can still take effect: its owner appends nothing after the deadline of the attempt. What was
//! stored before the consumer began to act here may have been sent by another process, so the store says until when that may take effect
//! ([`landing`]).

pub(super) mod landing;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::Instrument;

use super::active::Active;
use super::error::Error;
use super::live_status::Needed;
use crate::describe;
use crate::fail_point;
use crate::model::{Code, CorrelationId, Status, StreamId};
use crate::port::backlog::{KeptWork, WorkState};
use crate::port::progress::{Outgoing, Step, Work};
use crate::port::store;
use crate::retry::Backoff;
use landing::Read;
use queue::{Piece, Queue};

/// Heads that are read at a time.
const PAGE: usize = 1_000;

/// What a reply means for the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It took effect.
    Done,
    /// The target refuses it for good.
    Refused,
    /// The target cannot take it now; nothing was stored.
    Waits,
    /// Whether it took effect is not known; it is repeated until that is.
    Unknown,
    /// It is refused for good after some attempts.
    Counts,
}

/// Judges a reply. Only a sidecar that is busy, full or has no route is waited for; what the logic says of its own counts.
pub(super) fn judge(reply: &Result<(), Status>) -> Verdict {
    let Err(status) = reply else {
        return Verdict::Done;
    };
    match status.code {
        Code::InvalidArgument
        | Code::FailedPrecondition
        | Code::AlreadyExists
        | Code::OutOfRange
        | Code::PermissionDenied
        | Code::Unimplemented => Verdict::Refused,
        Code::ResourceExhausted | Code::Aborted | Code::NotFound if !status.is_of_logic => {
            Verdict::Waits
        }
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Verdict::Unknown,
        Code::ResourceExhausted
        | Code::Aborted
        | Code::NotFound
        | Code::Unknown
        | Code::Internal
        | Code::DataLoss
        | Code::Unauthenticated => Verdict::Counts,
    }
}

struct Dispatcher {
    active: Arc<Active>,
    queue: Queue,
    /// The place of the last head that was read.
    after: u64,
    has_more: bool,
    /// Whether what is read next may have been sent by whoever acted before; not once all was read that may have been there before.
    is_former: bool,
    running: JoinSet<(Piece, Next)>,
    /// The delays while the store is away.
    backoff: Backoff,
    /// Until then the store is not asked.
    pause_until: Option<Instant>,
}

/// What follows an attempt.
enum Next {
    /// The piece has its final reply, and that is stored.
    Settled,
    /// Another attempt, with the reason.
    Again(Instant, String),
    /// The consumer is ending; the piece may be unsettled, so nothing of its trigger may follow it.
    Ending,
}

/// Sends until the consumer ends, then waits for what is under way.
pub(super) async fn run(active: Arc<Active>) {
    let mut dispatcher = Dispatcher {
        queue: Queue::new(active.settings.outgoing),
        after: 0,
        has_more: true,
        is_former: true,
        running: JoinSet::new(),
        backoff: active.settings.outage_backoff(),
        pause_until: None,
        active,
    };
    dispatcher.dispatch().await;
    while let Some(joined) = dispatcher.running.join_next().await {
        dispatcher.finish(joined);
    }
}

impl Dispatcher {
    async fn dispatch(&mut self) {
        let active = Arc::clone(&self.active);
        while !active.stop.is_cancelled() {
            if self.pause_until.is_none_or(|until| until <= Instant::now()) {
                self.pause_until = None;
                self.advance().await;
            }
            self.report();
            let wakes = self.pause_until.or(self.queue.next_due());
            let has_room = self.pause_until.is_none() && self.has_room();
            tokio::select! {
                () = active.stop.cancelled() => return,
                () = active.outgoing.notified() => self.has_more = true,
                Some(joined) = self.running.join_next() => self.finish(joined),
                () = sleep_until(wakes.unwrap_or_else(Instant::now)), if wakes.is_some() => {}
                () = sleep(Duration::ZERO), if has_room => {}
            }
        }
    }

    /// Reads heads and starts what may start; a store that is away is asked again after a pause.
    async fn advance(&mut self) {
        let advanced = match self.fill().await {
            Ok(()) => self.start().await,
            Err(error) => Err(error),
        };
        let id = &self.active.settings.id;
        match advanced {
            Ok(()) => self.backoff.reset(),
            Err(error) if error.is_retryable() => {
                tracing::warn!(consumer = %id, error = describe(&error), "outgoing work waits for the store");
                self.pause_until = Some(Instant::now() + self.backoff.next_delay());
            }
            Err(error) => self.active.fail(Error::from_store(id, error)),
        }
    }

    /// Whether there may be heads to read, and room for them. What the sources add stops at the bound, so twice as much is there only after a
    /// change of the bound.
    fn has_room(&self) -> bool {
        self.has_more && self.queue.size().0 < 2 * self.active.settings.outgoing.waiting
    }

    async fn fill(&mut self) -> Result<(), store::Error> {
        if !self.has_room() {
            return Ok(());
        }
        let settings = &self.active.settings;
        let backlog = &self.active.ports.backlog;
        let asked = Instant::now();
        let listing = backlog.list_work(&settings.id, WorkState::Waiting, self.after, PAGE);
        let heads = listing.await?;
        let read = Read {
            asked,
            replied: Instant::now(),
            is_former: self.is_former,
        };
        self.has_more = heads.len() == PAGE;
        for head in heads {
            self.after = head.place;
            self.queue.push(Piece::new(head, settings, read));
        }
        self.is_former &= self.has_more;
        Ok(())
    }

    async fn start(&mut self) -> Result<(), store::Error> {
        let pieces = self.queue.take(Instant::now());
        if pieces.is_empty() {
            return Ok(());
        }
        let ids = pieces.iter().map(|piece| piece.head.id.clone()).collect();
        let backlog = &self.active.ports.backlog;
        let works = match backlog.read_work(&self.active.settings.id, ids).await {
            Ok(works) => works,
            Err(error) => {
                for piece in pieces {
                    self.queue.delay(piece, Instant::now(), describe(&error));
                }
                return Err(error);
            }
        };
        for (piece, kept) in pieces.into_iter().zip(works) {
            match kept {
                Some(KeptWork {
                    outgoing,
                    refusal: None,
                }) => {
                    let active = Arc::clone(&self.active);
                    self.running.spawn(send(active, piece, outgoing));
                }
                // Whoever acts now has settled it.
                Some(_) | None => self.queue.finish(&piece.head),
            }
        }
        Ok(())
    }

    fn finish(&mut self, joined: Result<(Piece, Next), JoinError>) {
        match joined {
            Ok((piece, Next::Settled)) => self.queue.finish(&piece.head),
            Ok((piece, Next::Again(until, reason))) => self.queue.delay(piece, until, reason),
            Ok((_, Next::Ending)) => {}
            Err(error) if error.is_panic() => self.active.fail(Error::Panicked {
                consumer: self.active.settings.id.to_string(),
            }),
            Err(_) => {}
        }
    }

    /// Shows what waits, and lets the sources bring more or not.
    fn report(&self) {
        let (pieces, bytes) = self.queue.size();
        let bounds = &self.active.settings.outgoing;
        let is_full = pieces >= bounds.waiting || bytes >= bounds.waiting_bytes;
        let waits = self.queue.waits();
        let status = &self.active.status;
        if is_full {
            let reasons = waits.as_deref().unwrap_or("they are being sent");
            let reason =
                format!("{pieces} commands and facts of {bytes} bytes are to be sent: {reasons}");
            status.pause(Needed::Room, reason);
        } else {
            status.resume(Needed::Room);
        }
        status.set_outgoing(pieces, waits);
        self.active.set_outgoing_full(is_full);
    }
}

/// Sends a piece once and stores a final reply.
async fn send(active: Arc<Active>, mut piece: Piece, outgoing: Outgoing) -> (Piece, Next) {
    if let Err(_ending) = piece.landing.prepare(&active, &outgoing.id).await {
        return (piece, Next::Ending);
    }
    if !active.holds_lease() {
        let again = Instant::now() + piece.outage.next_delay();
        return (
            piece,
            Next::Again(again, "the lease was not renewed in time".into()),
        );
    }
    let began = Instant::now();
    let reply = attempt(&active, &outgoing, piece.sent > 0).await;
    piece.sent += 1;
    let mut verdict = judge(&reply);
    if verdict == Verdict::Counts {
        piece.counted += 1;
        if piece.counted >= active.settings.max_attempts {
            verdict = Verdict::Refused;
        }
    }
    let refusal = match (verdict, reply) {
        (Verdict::Done, _) | (_, Ok(())) => None,
        (_, Err(refusal)) => Some(refusal),
    };
    let again = match verdict {
        Verdict::Done => None,
        Verdict::Refused => piece.landing.unsure_until(),
        Verdict::Unknown => {
            piece.landing.note_unknown(&active.settings, began);
            Some(Instant::now() + piece.outage.next_delay())
        }
        Verdict::Waits | Verdict::Counts => Some(Instant::now() + piece.backoff.next_delay()),
    };
    let next = match (again, refusal) {
        (Some(again), Some(reason)) => {
            tracing::warn!(
                consumer = %active.settings.id, domain = %outgoing.trigger.domain, root = %outgoing.trigger.root, id = outgoing.id.0,
                error = %reason, "outgoing work waits"
            );
            Next::Again(again, reason.to_string())
        }
        (_, refusal) => settle(&active, outgoing, refusal).await,
    };
    (piece, next)
}

async fn attempt(active: &Active, outgoing: &Outgoing, is_repeat: bool) -> Result<(), Status> {
    let (stream, correlation) = match &outgoing.work {
        Work::Malformed(malformed) => return Err(malformed.refusal()),
        Work::Command(command) => (&command.stream, &command.correlation_id),
        Work::Facts(facts) => (&facts.stream, &facts.correlation_id),
    };
    let span = span(stream, correlation, is_repeat);
    if is_repeat {
        let observer = &active.ports.observer;
        observer.outgoing_repeated(&active.settings.id, &stream.domain);
    }
    let budget = active.settings.command_budget;
    fail_point::hit("before_outgoing");
    let executing = async {
        match outgoing.work.clone() {
            Work::Command(command) => active.ports.commands.execute(command, budget).await,
            Work::Facts(facts) => active.ports.commands.record(facts, budget).await,
            Work::Malformed(malformed) => Err(malformed.refusal()),
        }
    };
    let executed = timeout(budget, executing.instrument(span)).await;
    fail_point::hit("after_outgoing");
    executed.unwrap_or_else(|_| {
        Err(Status::new(
            Code::DeadlineExceeded,
            "no reply of the target",
        ))
    })
}

fn span(stream: &StreamId, correlation: &CorrelationId, is_repeat: bool) -> tracing::Span {
    let (domain, root) = (&stream.domain, stream.root);
    if is_repeat {
        tracing::info_span!("saga.retry", %domain, %root, correlation_id = %correlation)
    } else {
        tracing::info_span!("orchestration.execute", %domain, %root, correlation_id = %correlation)
    }
}

async fn settle(active: &Active, outgoing: Outgoing, refusal: Option<Status>) -> Next {
    if let Some(refusal) = &refusal {
        tracing::error!(
            consumer = %active.settings.id, domain = %outgoing.trigger.domain, root = %outgoing.trigger.root, id = outgoing.id.0,
            error = %refusal, "outgoing work was refused and is parked"
        );
    }
    let step = Step::Settle {
        id: outgoing.id.clone(),
        refusal: refusal.as_ref().map(Status::to_stored),
    };
    match active.commit_steps(vec![step], None).await {
        Ok(()) => {
            active.settlements.settle(&outgoing.id, refusal);
            Next::Settled
        }
        // The work goes out again after the next start.
        Err(_) => Next::Ending,
    }
}
