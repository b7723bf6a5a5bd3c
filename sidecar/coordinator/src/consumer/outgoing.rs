//! Sends what the logic asked for: commands and facts that were stored with the progress, one after the other per trigger stream.
//!
//! Each piece goes out until it has its final reply, and only then the next of its trigger. A repeat is harmless, since every piece carries an id
//! derived from its trigger.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::Instrument;

use super::active::Active;
use super::error::Error;
use crate::describe;
use crate::fail_point;
use crate::model::{Code, CorrelationId, Status, StreamId};
use crate::port::progress::{Outgoing, Step, Work};
use crate::retry::Backoff;

/// Pieces of work in memory.
const WINDOW: usize = 1_024;

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

/// Judges a reply.
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
        Code::ResourceExhausted | Code::Aborted | Code::NotFound => Verdict::Waits,
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Verdict::Unknown,
        Code::Unknown | Code::Internal | Code::DataLoss | Code::Unauthenticated => Verdict::Counts,
    }
}

struct Dispatcher {
    active: Arc<Active>,
    permits: Arc<Semaphore>,
    /// The place of the last work that was read.
    after: u64,
    has_more: bool,
    queued: usize,
    /// Work of a trigger that waits for the one under way.
    lanes: HashMap<StreamId, VecDeque<Outgoing>>,
    running: JoinSet<StreamId>,
    backoff: Backoff,
}

/// Sends until the consumer ends, then waits for what is under way.
pub(super) async fn run(active: Arc<Active>) {
    let mut dispatcher = Dispatcher {
        permits: Arc::new(Semaphore::new(active.settings.concurrency.max(1))),
        after: 0,
        has_more: true,
        queued: 0,
        lanes: HashMap::new(),
        running: JoinSet::new(),
        backoff: active.settings.outage_backoff(),
        active,
    };
    dispatcher.dispatch().await;
    while let Some(joined) = dispatcher.running.join_next().await {
        dispatcher.note_panic(&joined);
    }
}

impl Dispatcher {
    async fn dispatch(&mut self) {
        let active = Arc::clone(&self.active);
        loop {
            let mut delay = None;
            if self.has_more && self.queued < WINDOW {
                delay = self.fill().await;
            }
            tokio::select! {
                () = active.stop.cancelled() => return,
                () = active.outgoing.notified() => self.has_more = true,
                Some(joined) = self.running.join_next() => self.finish(joined),
                () = sleep(delay.unwrap_or_default()), if self.has_more && self.queued < WINDOW => {}
            }
        }
    }

    /// Reads the next work; returns how long to wait if the store is away.
    async fn fill(&mut self) -> Option<std::time::Duration> {
        let id = &self.active.settings.id;
        let wanted = WINDOW - self.queued;
        let listed = self
            .active
            .ports
            .backlog
            .list_outgoing(id, self.after, wanted)
            .await;
        match listed {
            Ok(listed) => {
                self.backoff.reset();
                self.has_more = listed.len() == wanted;
                for queued in listed {
                    self.after = self.after.max(queued.place);
                    self.queue(queued.outgoing);
                }
                self.active.status.set_outgoing(self.queued);
                None
            }
            Err(error) if error.is_retryable() => {
                tracing::warn!(consumer = %id, error = describe(&error), "outgoing work waits for the store");
                Some(self.backoff.next_delay())
            }
            Err(error) => {
                self.active.fail(Error::from_store(id, error));
                self.has_more = false;
                None
            }
        }
    }

    fn queue(&mut self, outgoing: Outgoing) {
        self.queued += 1;
        if let Some(waiting) = self.lanes.get_mut(&outgoing.trigger) {
            waiting.push_back(outgoing);
            return;
        }
        self.lanes.insert(outgoing.trigger.clone(), VecDeque::new());
        self.start(outgoing);
    }

    fn start(&mut self, outgoing: Outgoing) {
        let active = Arc::clone(&self.active);
        let permits = Arc::clone(&self.permits);
        self.running.spawn(async move {
            let trigger = outgoing.trigger.clone();
            send(&active, &permits, outgoing).await;
            trigger
        });
    }

    fn finish(&mut self, joined: Result<StreamId, JoinError>) {
        self.note_panic(&joined);
        let Ok(trigger) = joined else { return };
        self.queued -= 1;
        self.active.status.set_outgoing(self.queued);
        if self.active.stop.is_cancelled() {
            // What was sent last may be unsettled, so nothing of its trigger may follow it.
            return;
        }
        match self.lanes.get_mut(&trigger).and_then(VecDeque::pop_front) {
            Some(next) => self.start(next),
            None => {
                self.lanes.remove(&trigger);
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
}

/// Sends one piece of work until it has its final reply and that is stored, or the consumer ends.
async fn send(active: &Active, permits: &Semaphore, outgoing: Outgoing) {
    let mut backoff = active.settings.backoff();
    let mut outage = active.settings.outage_backoff();
    let mut sent = 0u32;
    let mut counted = 0u32;
    // Until then an earlier attempt may still take effect.
    let mut unsure_until: Option<Instant> = None;
    let refusal = loop {
        if active.stop.is_cancelled() {
            return;
        }
        let began = Instant::now();
        let reply = attempt(active, permits, &outgoing, sent > 0).await;
        sent += 1;
        let mut verdict = judge(&reply);
        if verdict == Verdict::Counts {
            counted += 1;
            if counted >= active.settings.max_attempts {
                verdict = Verdict::Refused;
            }
        }
        let refusal = reply.err();
        match verdict {
            Verdict::Done => break None,
            Verdict::Refused => match unsure_until.take().filter(|until| *until > Instant::now()) {
                None => break refusal,
                Some(until) => pause_until(active, until).await,
            },
            Verdict::Unknown => {
                unsure_until = Some(began + active.settings.command_budget);
                wait(active, &outgoing, refusal, &mut outage).await;
            }
            Verdict::Waits | Verdict::Counts => {
                wait(active, &outgoing, refusal, &mut backoff).await;
            }
        }
    };
    active.status.set_outgoing_waits(None);
    settle(active, outgoing, refusal).await;
}

async fn attempt(
    active: &Active,
    permits: &Semaphore,
    outgoing: &Outgoing,
    is_repeat: bool,
) -> Result<(), Status> {
    let (stream, correlation) = target(&outgoing.work)?;
    let span = span(stream, correlation, is_repeat);
    if is_repeat {
        let observer = &active.ports.observer;
        observer.outgoing_repeated(&active.settings.id, &stream.domain);
    }
    let budget = active.settings.command_budget;
    let _permit = permits.acquire().await;
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
    match executed {
        Ok(executed) => executed,
        Err(_) => Err(Status::new(
            Code::DeadlineExceeded,
            "no reply of the target",
        )),
    }
}

/// Where work goes; the refusal of what cannot go anywhere.
fn target(work: &Work) -> Result<(&StreamId, &CorrelationId), Status> {
    match work {
        Work::Command(command) => Ok((&command.stream, &command.correlation_id)),
        Work::Facts(facts) => Ok((&facts.stream, &facts.correlation_id)),
        Work::Malformed(malformed) => Err(malformed.refusal()),
    }
}

fn span(stream: &StreamId, correlation: &CorrelationId, is_repeat: bool) -> tracing::Span {
    let (domain, root) = (&stream.domain, stream.root);
    if is_repeat {
        tracing::info_span!("saga.retry", %domain, %root, correlation_id = %correlation)
    } else {
        tracing::info_span!("orchestration.execute", %domain, %root, correlation_id = %correlation)
    }
}

async fn wait(active: &Active, outgoing: &Outgoing, reason: Option<Status>, backoff: &mut Backoff) {
    if let Some(reason) = reason {
        tracing::warn!(
            consumer = %active.settings.id, domain = %outgoing.trigger.domain, root = %outgoing.trigger.root, id = outgoing.id.0,
            error = %reason, "outgoing work waits"
        );
        let waits =
            target(&outgoing.work).map(|(stream, _)| format!("{}: {reason}", stream.domain));
        active.status.set_outgoing_waits(waits.ok());
    }
    pause_until(active, Instant::now() + backoff.next_delay()).await;
}

async fn pause_until(active: &Active, until: Instant) {
    tokio::select! {
        () = active.stop.cancelled() => {}
        () = sleep_until(until) => {}
    }
}

async fn settle(active: &Active, outgoing: Outgoing, refusal: Option<Status>) {
    if let Some(refusal) = &refusal {
        tracing::error!(
            consumer = %active.settings.id, domain = %outgoing.trigger.domain, root = %outgoing.trigger.root, id = outgoing.id.0,
            error = %refusal, "outgoing work was refused and is parked"
        );
    }
    let step = Step::Settle {
        id: outgoing.id,
        refusal,
    };
    // When the consumer is ending, the work goes out again after the next start.
    let _ = active.commit(vec![step], None).await;
}
