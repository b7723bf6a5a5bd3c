//! Synchronous calls: the caller waits until the consumer has handled a root up to a point, and gets the projection.
//!
//! When the logic failed on the append that is waited for, the caller gets that failure, no matter whether its own call or a delivery met it first.

use std::sync::Arc;

use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument;

use super::active::Active;
use super::live_status::Needed;
use super::root::{self, DeliveryError, Failure, Handled, catch_up};
use crate::model::{Append, Code, CorrelationId, Projection, Sequence, Status, StreamId};
use crate::port::logic;
use crate::port::observer::LogicCall;
use crate::port::progress::{Outgoing, Parked, RootProgress};

/// How far a synchronous call wants the consumer to be. The events are read from their owner, no matter who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Until {
    /// The root that is waited for.
    pub stream: StreamId,
    /// The sequence that the consumer handles next once it is there; absent wants all that the owner has of the stream.
    pub next_sequence: Option<Sequence>,
    /// The correlation id of what is waited for, if it is known.
    pub correlation_id: Option<CorrelationId>,
    /// The W3C trace context of what is waited for.
    pub trace_parent: Option<String>,
}

impl Until {
    /// Past an append.
    pub fn past(append: &Append) -> Self {
        Self {
            stream: append.stream.clone(),
            next_sequence: Some(append.next_sequence()),
            correlation_id: Some(append.correlation_id.clone()),
            trace_parent: append.trace_parent.clone(),
        }
    }

    /// Whether an append that ends before a sequence is what is waited for; of all that the owner has, each is.
    fn ends_at(&self, next: Sequence) -> bool {
        self.next_sequence.is_none_or(|wanted| wanted == next)
    }

    /// Past all that the owner has of a stream.
    pub fn head(stream: StreamId) -> Self {
        Self {
            stream,
            next_sequence: None,
            correlation_id: None,
            trace_parent: None,
        }
    }
}

/// Brings a projector up to a point and returns its projection.
pub(super) async fn project(
    active: Arc<Active>,
    until: Until,
    deadline: Instant,
) -> Result<Projection, Status> {
    let working = Arc::clone(&active);
    let call = async move {
        let projection = match reach(&working, &until, deadline).await?.projection {
            Some(projection) => projection,
            None => ask_projection(&working, &until, deadline).await?,
        };
        // The logic repeats that of the book that it was called with, which may be another or have none.
        let correlation_id = until.correlation_id.or(projection.correlation_id);
        Ok(Projection {
            correlation_id,
            ..projection
        })
    };
    run(&active, deadline, call).await
}

/// Brings a saga up to a point and returns what that caused.
pub(super) async fn orchestrate(
    active: Arc<Active>,
    until: Until,
    deadline: Instant,
) -> Result<Vec<Outgoing>, Status> {
    let working = Arc::clone(&active);
    let call = async move { Ok(reach(&working, &until, deadline).await?.caused) };
    run(&active, deadline, call).await
}

/// Runs a call as a task of the consumer, so that it comes to its end when the caller goes.
async fn run<T: Send + 'static>(
    active: &Active,
    deadline: Instant,
    call: impl Future<Output = Result<T, Status>> + Send + 'static,
) -> Result<T, Status> {
    let task = active.calls.spawn(call);
    match timeout_at(deadline, task).await {
        Ok(Ok(reached)) => reached,
        Ok(Err(_)) => Err(Status::new(Code::Internal, "the synchronous call panicked")),
        Err(_) => Err(Status::new(
            Code::DeadlineExceeded,
            "the consumer was not reached in time",
        )),
    }
}

async fn reach(active: &Active, until: &Until, deadline: Instant) -> Result<Handled, Status> {
    let stream = &until.stream;
    if active.settings.source(&stream.domain).is_none() {
        return Err(Status::new(
            Code::InvalidArgument,
            format!("{} does not read {}", active.settings.id, stream.domain),
        ));
    }
    refuse_waiting(active, until)?;
    let ticket = active
        .turns
        .take(stream.clone())
        .map_err(|full| Status::new(Code::ResourceExhausted, full.to_string()))?;
    let Ok(_turn) = timeout_at(deadline, ticket.granted()).await else {
        return Err(Status::new(
            Code::DeadlineExceeded,
            "the root's turn did not come in time",
        ));
    };
    refuse_waiting(active, until)?;
    let reached = catch_up_to(active, until).await;
    settle(active, stream, reached).await
}

/// A root that waits, or all of a paused consumer, is not waited for.
fn refuse_waiting(active: &Active, until: &Until) -> Result<(), Status> {
    let stream = &until.stream;
    if active.stop.is_cancelled() {
        return Err(not_reached("the consumer is ending"));
    }
    let failure = active.failures.before_wait(stream);
    if let Some(failure) = &failure
        && until.ends_at(failure.next)
    {
        return Err(failure.status.clone());
    }
    if let Some(reason) = active.status.pause_reason() {
        return Err(not_reached(&format!("the consumer is paused: {reason}")));
    }
    if let Some(Failure { at, status, .. }) = failure {
        let reason = format!(
            "the root waits after an error at sequence {}: {status}",
            at.0
        );
        return Err(not_reached(&reason));
    }
    if active.failures.is_waiting(stream) {
        return Err(not_reached("the root waits after an error"));
    }
    Ok(())
}

/// What a caller gets of a parked root: the failure, if the root was parked at the append that is waited for.
async fn refuse_parked(active: &Active, until: &Until, parked: Parked) -> DeliveryError {
    let stream = &until.stream;
    let fetched = root::fetch(active, stream, Some(parked.sequence)).await;
    let at = fetched.ok().and_then(|appends| appends.into_iter().next());
    let is_waited_for = |append: &Append| {
        append.first_sequence == parked.sequence && until.ends_at(append.next_sequence())
    };
    match at.filter(is_waited_for) {
        // It was counted when the root was parked.
        Some(append) => DeliveryError::Broken(Failure {
            at: parked.sequence,
            next: append.next_sequence(),
            status: parked.error,
        }),
        None => {
            let reason = format!("the root is parked: {}", parked.error);
            DeliveryError::Outage(Needed::Logic, reason)
        }
    }
}

async fn catch_up_to(active: &Active, until: &Until) -> Result<Handled, DeliveryError> {
    let stream = &until.stream;
    let RootProgress {
        next_sequence,
        parked,
    } = active.read_root(stream).await?;
    if let Some(parked) = parked {
        return Err(refuse_parked(active, until, parked).await);
    }
    let wanted = until.next_sequence;
    let is_there = |next: Option<Sequence>| {
        wanted.is_some_and(|wanted| next.unwrap_or(Sequence::FIRST) >= wanted)
    };
    if is_there(next_sequence) {
        return Ok(Handled::default());
    }
    let (reached, handled) = catch_up(active, stream, next_sequence, wanted).await?;
    let Some(wanted) = wanted.filter(|_| !is_there(reached)) else {
        return Ok(handled);
    };
    if root::is_before_start(active, stream, wanted).await? {
        return Ok(handled);
    }
    let reason = format!("the owner of {stream} does not show the append");
    Err(DeliveryError::Outage(Needed::Owner, reason))
}

async fn settle(
    active: &Active,
    stream: &StreamId,
    reached: Result<Handled, DeliveryError>,
) -> Result<Handled, Status> {
    let error = match reached {
        Ok(handled) => return Ok(handled),
        Err(error) => error,
    };
    if let DeliveryError::Failed(failure) = &error {
        let counted = active.count_failure(stream, failure.clone(), &[]).await;
        if let Err(DeliveryError::Fatal(error)) = counted {
            active.fail(error);
        }
    }
    Err(refuse(active, error))
}

/// The status that a caller gets for an error.
pub(super) fn refuse(active: &Active, error: DeliveryError) -> Status {
    match error {
        DeliveryError::Failed(failure) | DeliveryError::Broken(failure) => failure.status,
        DeliveryError::Outage(_, reason) => not_reached(&reason),
        DeliveryError::Ending => not_reached("the consumer is ending"),
        DeliveryError::Fatal(error) => {
            let refusal = Status::new(Code::Internal, crate::describe(&error));
            active.fail(error);
            refusal
        }
    }
}

async fn ask_projection(
    active: &Active,
    until: &Until,
    deadline: Instant,
) -> Result<Projection, Status> {
    let stream = &until.stream;
    let began = Instant::now();
    let left = deadline.saturating_duration_since(began);
    let budget = left.min(active.settings.logic_budget);
    let span = tracing::info_span!("projector.handle", domain = %stream.domain, root = %stream.root,
        correlation_id = until.correlation_id.as_ref().map(tracing::field::display));
    let asked = timeout(budget, active.ports.logic.project(stream, budget));
    let Ok(projected) = asked.instrument(span).await else {
        return Err(Status::new(
            Code::DeadlineExceeded,
            "the logic did not reply in time",
        ));
    };
    active.ports.observer.logic_called(&LogicCall {
        consumer: &active.settings.id,
        domain: &stream.domain,
        error: projected.as_ref().err(),
        took: began.elapsed(),
    });
    projected.map_err(|error| match error {
        logic::Error::Status(status) => status,
        logic::Error::Unimplemented { .. } => Status::new(Code::Internal, error.to_string()),
        logic::Error::Contract(reason) => Status::new(Code::Internal, reason),
        logic::Error::Unreachable(_) | logic::Error::Broken(_) => not_reached(&error.to_string()),
    })
}

pub(super) fn not_reached(reason: &str) -> Status {
    Status::new(Code::Unavailable, format!("not reached: {reason}"))
}
