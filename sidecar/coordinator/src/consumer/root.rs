//! One append for one root, under the root's turn: dropped, preceded by what is missing, or handed to the logic.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tracing::Instrument;

use super::active::Active;
use super::derive::{Derived, derive};
use super::error::Error;
use super::live_status::Needed;
use crate::fail_point;
use crate::model::{
    Append, Code, ConsumerKind, Position, Projection, Sequence, Status, StoreIdentity, StreamId,
};
use crate::port::bus;
use crate::port::logic::{self, Reaction};
use crate::port::observer::LogicCall;
use crate::port::progress::{Outgoing, RootProgress};

/// Why an append was not handled.
#[derive(Debug)]
pub(super) enum DeliveryError {
    /// Something outside is away, with the reason; this counts nothing.
    Outage(Needed, String),
    /// The call to the logic broke before the reply.
    Broken(Failure),
    /// The logic replied with an error.
    Failed(Failure),
    /// The consumer is ending.
    Ending,
    /// The consumer must end.
    Fatal(Error),
}

/// A failed call to the logic.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// The first sequence of the append that the call was about.
    pub(super) at: Sequence,
    /// The sequence after that append.
    pub(super) next: Sequence,
    pub(super) status: Status,
}

/// What handling brought.
#[derive(Debug, Default)]
pub(super) struct Handled {
    /// What a synchronous projector returned last; `None` when it handled nothing or is not synchronous.
    pub(super) projection: Option<Projection>,
    /// What is to be sent, stored already.
    pub(super) caused: Vec<Outgoing>,
}

/// What is to be done with an append, seen from a root's progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// It was handled before.
    Repeat,
    /// It is the next one.
    Deliver,
    /// Appends from here on may be missing before it.
    Fetch(Sequence),
    /// It holds both handled and unhandled events, which no append can.
    Misaligned,
}

/// Compares an append with the sequence that a root handles next.
pub(super) fn plan(next: Option<Sequence>, append: &Append) -> Plan {
    match next {
        None if append.first_sequence == Sequence::FIRST => Plan::Deliver,
        None => Plan::Fetch(Sequence::FIRST),
        Some(next) if append.next_sequence() <= next => Plan::Repeat,
        Some(next) if append.first_sequence == next => Plan::Deliver,
        Some(next) if append.first_sequence > next => Plan::Fetch(next),
        Some(_) => Plan::Misaligned,
    }
}

/// Handles an append that a source brought at these positions; under the root's turn.
pub(super) async fn handle(
    active: &Active,
    append: &Append,
    positions: &[Position],
) -> Result<(), DeliveryError> {
    let RootProgress {
        next_sequence,
        parked,
    } = active.read_root(&append.stream).await?;
    if parked.is_some() {
        return active.finish(&append.stream.domain, positions).await;
    }
    match plan(next_sequence, append) {
        Plan::Repeat => return active.finish(&append.stream.domain, positions).await,
        Plan::Misaligned => return Err(misaligned(append)),
        Plan::Deliver => {}
        Plan::Fetch(_) => {
            let before = Some(append.first_sequence);
            let (reached, _) = catch_up(active, &append.stream, next_sequence, before).await?;
            if reached.is_some_and(|reached| reached != append.first_sequence) {
                let reason = format!(
                    "the owner of {} does not show what comes before sequence {}",
                    append.stream, append.first_sequence.0
                );
                return Err(DeliveryError::Outage(Needed::Owner, reason));
            }
        }
    }
    deliver(active, append, positions).await?;
    Ok(())
}

/// Handles what the owner has of a root before a sequence, which a source brought at these positions; under the root's turn.
pub(super) async fn handle_through(
    active: &Active,
    stream: &StreamId,
    through: Sequence,
    positions: &[Position],
) -> Result<(), DeliveryError> {
    let RootProgress {
        next_sequence,
        parked,
    } = active.read_root(stream).await?;
    if parked.is_none() && next_sequence.is_none_or(|next| next < through) {
        let (reached, _) = catch_up(active, stream, next_sequence, Some(through)).await?;
        if reached != Some(through) {
            let reason = format!(
                "the owner of {stream} does not show what comes before sequence {}",
                through.0
            );
            return Err(DeliveryError::Outage(Needed::Owner, reason));
        }
    }
    active.finish(&stream.domain, positions).await
}

/// Handles what the owner has of a root from a sequence on, before a sequence or to the end; under the root's turn. Returns the sequence to handle
/// next and what it brought.
pub(super) async fn catch_up(
    active: &Active,
    stream: &StreamId,
    from: Option<Sequence>,
    before: Option<Sequence>,
) -> Result<(Option<Sequence>, Handled), DeliveryError> {
    let mut next = from;
    let mut all = Handled::default();
    loop {
        let mut has_moved = false;
        for append in fetch(active, stream, next).await? {
            if before.is_some_and(|before| append.first_sequence >= before) {
                return Ok((next, all));
            }
            match next {
                Some(next) if append.next_sequence() <= next => continue,
                Some(next) if append.first_sequence != next => return Err(misaligned(&append)),
                Some(_) | None => {}
            }
            let handled = deliver(active, &append, &[]).await?;
            all.projection = handled.projection;
            all.caused.extend(handled.caused);
            next = Some(append.next_sequence());
            has_moved = true;
        }
        if !has_moved {
            return Ok((next, all));
        }
    }
}

/// Fetches a piece of a root's appends from the owner: those after the consumer's start.
pub(super) async fn fetch(
    active: &Active,
    stream: &StreamId,
    from: Option<Sequence>,
) -> Result<Vec<Append>, DeliveryError> {
    let Some(start) = active.start(&stream.domain) else {
        let reason = format!("the start in {} is not stored yet", stream.domain);
        return Err(DeliveryError::Outage(Needed::Owner, reason));
    };
    let from = from.unwrap_or(Sequence::FIRST);
    fetch_after(active, stream, from, start.position, start.identity).await
}

/// Whether everything of a root before a sequence is older than the consumer's start, by what its owner has: then nothing of it is missing.
pub(super) async fn is_before_start(
    active: &Active,
    stream: &StreamId,
    next: Sequence,
) -> Result<bool, DeliveryError> {
    let (Some(last), Some(start)) = (next.0.checked_sub(1), active.start(&stream.domain)) else {
        return Ok(next == Sequence::FIRST);
    };
    let last = Sequence(last);
    let fetched = fetch_after(active, stream, last, Position::ORIGIN, start.identity).await?;
    let is_known =
        |append: &&Append| append.first_sequence <= last && last < append.next_sequence();
    let found = fetched.first().filter(is_known);
    Ok(found.is_some_and(|append| append.last_position <= start.position))
}

async fn fetch_after(
    active: &Active,
    stream: &StreamId,
    from: Sequence,
    after: Position,
    history: StoreIdentity,
) -> Result<Vec<Append>, DeliveryError> {
    let span = tracing::info_span!("orchestration.fetch", domain = %stream.domain, root = %stream.root, correlation_id = tracing::field::Empty);
    let fetched = active.ports.appends.fetch(history, stream, from, after);
    let fetching = fetched.instrument(span.clone());
    match timeout(active.settings.command_budget, fetching).await {
        Ok(Ok(appends)) => {
            if let Some(first) = appends.first() {
                let correlation = tracing::field::display(&first.correlation_id);
                span.record("correlation_id", correlation);
            }
            Ok(appends)
        }
        Ok(Err(status)) => Err(DeliveryError::Outage(
            Needed::Owner,
            format!("fetch {stream} from its owner: {status}"),
        )),
        Err(_) => Err(DeliveryError::Outage(
            Needed::Owner,
            format!("fetch {stream} from its owner: out of time"),
        )),
    }
}

/// Hands the next append of a root to the logic, if it wants it, and stores the progress; under the root's turn.
pub(super) async fn deliver(
    active: &Active,
    append: &Append,
    done: &[Position],
) -> Result<Handled, DeliveryError> {
    let is_wanted = active
        .settings
        .source(&append.stream.domain)
        .is_some_and(|source| source.wants(append));
    if !is_wanted {
        active.advance(append, Derived::default(), done).await?;
        return Ok(Handled::default());
    }
    fail_point::hit("before_delivery");
    let reaction = call(active, append).await?;
    active.failures.note_success();
    fail_point::hit("after_delivery");
    let (derived, projection) = match reaction {
        Reaction::Noted => (Derived::default(), None),
        Reaction::Projected(projection) => (Derived::default(), Some(projection)),
        Reaction::Requested(requests) => (derive(&active.settings.id, append, requests), None),
    };
    let caused = derived.outgoing.clone();
    active.advance(append, derived, done).await?;
    Ok(Handled { projection, caused })
}

async fn call(active: &Active, append: &Append) -> Result<Reaction, DeliveryError> {
    let settings = &active.settings;
    let began = Instant::now();
    let budget = settings.logic_budget;
    let span = span(settings.id.kind, append);
    let called = timeout(budget, active.ports.logic.handle(append, budget))
        .instrument(span)
        .await
        .unwrap_or_else(|_| Err(logic::Error::Broken(out_of_time(budget))));
    active.ports.observer.logic_called(&LogicCall {
        consumer: &settings.id,
        domain: &append.stream.domain,
        error: called.as_ref().err(),
        took: began.elapsed(),
    });
    called.map_err(|error| blame(append, error))
}

fn span(kind: ConsumerKind, append: &Append) -> tracing::Span {
    let stream = &append.stream;
    let (domain, root, correlation) = (&stream.domain, stream.root, &append.correlation_id);
    match kind {
        ConsumerKind::Projector => {
            tracing::info_span!("projector.handle", %domain, %root, correlation_id = %correlation)
        }
        ConsumerKind::Saga => {
            tracing::info_span!("saga.orchestrate", %domain, %root, correlation_id = %correlation)
        }
        ConsumerKind::ProcessManager => {
            tracing::info_span!("pm.orchestrate", %domain, %root, correlation_id = %correlation)
        }
    }
}

fn out_of_time(budget: Duration) -> String {
    format!("no reply within {budget:?}")
}

fn blame(append: &Append, error: logic::Error) -> DeliveryError {
    let failure = |status| Failure {
        at: append.first_sequence,
        next: append.next_sequence(),
        status,
    };
    match error {
        logic::Error::Unreachable(reason) => {
            DeliveryError::Outage(Needed::Logic, format!("reach the logic: {reason}"))
        }
        logic::Error::Broken(reason) => {
            DeliveryError::Broken(failure(Status::new(Code::Unavailable, reason)))
        }
        // gRPC's word for what may work later, and what a proxy says whose server is away.
        logic::Error::Status(status) if status.code == Code::Unavailable => {
            DeliveryError::Outage(Needed::Logic, format!("the logic is away: {status}"))
        }
        // A wrong declaration says nothing about the append.
        logic::Error::Unimplemented { .. } => {
            DeliveryError::Outage(Needed::Logic, error.to_string())
        }
        logic::Error::Status(status) => DeliveryError::Failed(failure(status)),
        logic::Error::Contract(reason) => {
            DeliveryError::Failed(failure(Status::new(Code::Internal, reason)))
        }
    }
}

fn misaligned(append: &Append) -> DeliveryError {
    let detail = format!(
        "the append at sequence {} of {} does not follow what was handled before",
        append.first_sequence.0, append.stream
    );
    DeliveryError::Fatal(Error::Source {
        domain: append.stream.domain.clone(),
        cause: bus::Error::Corrupt(detail),
    })
}
