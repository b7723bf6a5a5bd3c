//! Synchronous calls: the caller waits until the consumer has handled a root up to a point, and gets the projection.

use std::sync::Arc;

use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument;

use super::active::Active;
use super::live_status::Needed;
use super::root::{self, DeliveryError, Handled, catch_up};
use crate::model::{Append, Code, CorrelationId, Projection, Sequence, Status, StreamId};
use crate::port::logic;
use crate::port::observer::LogicCall;
use crate::port::progress::{Outgoing, RootProgress};

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
        match reach(&working, &until, deadline).await?.projection {
            Some(projection) => Ok(projection),
            None => ask_projection(&working, &until, deadline).await,
        }
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
    refuse_waiting(active, stream)?;
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
    refuse_waiting(active, stream)?;
    let reached = catch_up_to(active, until).await;
    settle(active, stream, reached).await
}

/// A root that waits, or all of a paused consumer, is not waited for.
fn refuse_waiting(active: &Active, stream: &StreamId) -> Result<(), Status> {
    let reason = if active.stop.is_cancelled() {
        Some("the consumer is ending".to_owned())
    } else if let Some(reason) = active.status.pause_reason() {
        Some(format!("the consumer is paused: {reason}"))
    } else {
        active
            .is_waiting(stream)
            .then(|| "the root waits after an error".to_owned())
    };
    reason.map_or(Ok(()), |reason| Err(not_reached(&reason)))
}

async fn catch_up_to(active: &Active, until: &Until) -> Result<Handled, DeliveryError> {
    let stream = &until.stream;
    let RootProgress {
        next_sequence,
        parked,
    } = active.read_root(stream).await?;
    if let Some(parked) = parked {
        let reason = format!("the root is parked: {}", parked.error);
        return Err(DeliveryError::Outage(Needed::Logic, reason));
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
