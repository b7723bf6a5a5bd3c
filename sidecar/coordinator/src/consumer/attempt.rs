//! The delivery of one append to its end: tried until it is handled or its root is parked.

use std::sync::Arc;

use tokio::time::{Duration, sleep};

use super::active::Active;
use super::live_status::Needed;
use super::root::{self, DeliveryError};
use crate::model::{Append, StreamId};
use crate::retry::Backoff;
use crate::turns::Ticket;

/// How long the delivery that looks for all others waits at most.
const SCOUT: Duration = Duration::from_secs(1);

/// What to wait for before the next attempt.
enum Pause {
    /// Something outside to come back.
    Outage,
    /// The delay after a failed attempt.
    Delay,
    /// The logic to be healthy for a while.
    Health,
}

/// Delivers an append in its place of the root's lane. Ends early, with the append neither handled nor parked, when the consumer ends.
pub(super) async fn deliver(active: Arc<Active>, append: Append, place: Ticket<StreamId>) {
    let _lane = place.granted().await;
    let mut backoff = active.settings.backoff();
    while let Ok(Some(pause)) = attempt(&active, &append).await {
        active.set_waiting(&append.stream, true);
        wait(&active, &append.stream, pause, &mut backoff).await;
        active.set_waiting(&append.stream, false);
    }
}

/// Tries once; returns what to wait for if the append needs another attempt.
async fn attempt(active: &Active, append: &Append) -> Result<Option<Pause>, ()> {
    let stream = &append.stream;
    let Ok(ticket) = active.turns.take(stream.clone()) else {
        return Ok(Some(Pause::Delay));
    };
    let working = async {
        let turn = ticket.granted().await;
        // Of the roots whose calls broke, one at a time is tried, so that the one that kills the logic cannot make others look like it.
        let alone = match active.is_suspect(stream) {
            true => Some(active.suspects.acquire().await),
            false => None,
        };
        let permit = active.permits.acquire().await;
        (turn, alone, permit)
    };
    let (_turn, _alone, _permit) = tokio::select! {
        biased;
        () = active.stop.cancelled() => return Err(()),
        working = working => working,
    };
    let error = match root::handle(active, append).await {
        Ok(()) => {
            active.note_recovered();
            return Ok(None);
        }
        Err(error) => error,
    };
    let done = Some(append.last_position);
    let counted = match error {
        DeliveryError::Outage(needed, reason) => {
            pause(active, stream, needed, reason);
            return Ok(Some(Pause::Outage));
        }
        DeliveryError::Broken(failure) if !active.was_healthy(stream, failure.at) => {
            pause(active, stream, Needed::Logic, failure.status.message);
            return Ok(Some(Pause::Health));
        }
        DeliveryError::Broken(failure) => {
            let parked = active.count_failure(stream, failure, done).await;
            parked.map(|is_parked| (!is_parked).then_some(Pause::Health))
        }
        DeliveryError::Failed(failure) => {
            active.note_recovered();
            let parked = active.count_failure(stream, failure, done).await;
            parked.map(|is_parked| (!is_parked).then_some(Pause::Delay))
        }
        other @ (DeliveryError::Ending | DeliveryError::Fatal(_)) => Err(other),
    };
    counted.or_else(|error| match error {
        DeliveryError::Outage(needed, reason) => {
            pause(active, stream, needed, reason);
            Ok(Some(Pause::Outage))
        }
        DeliveryError::Fatal(error) => {
            active.fail(error);
            Err(())
        }
        DeliveryError::Ending | DeliveryError::Broken(..) | DeliveryError::Failed(..) => Err(()),
    })
}

fn pause(active: &Active, stream: &StreamId, needed: Needed, reason: String) {
    tracing::warn!(
        consumer = %active.settings.id, domain = %stream.domain, root = %stream.root, reason,
        "a delivery waits for something outside"
    );
    active.status.pause(needed, reason);
}

async fn wait(active: &Active, stream: &StreamId, pause: Pause, backoff: &mut Backoff) {
    let waiting = async {
        match pause {
            Pause::Outage => await_recovery(active, backoff.next_delay()).await,
            Pause::Delay => sleep(backoff.next_delay()).await,
            Pause::Health => {
                stay_healthy(active, backoff).await;
                active.note_healthy(stream);
            }
        }
    };
    tokio::select! {
        () = active.stop.cancelled() => {}
        () = waiting => {}
    }
}

/// Waits for a delay, or until another delivery got through. One of all that wait looks more often.
async fn await_recovery(active: &Active, delay: Duration) {
    if let Ok(_scout) = active.scout.try_acquire() {
        sleep(delay.min(SCOUT)).await;
        return;
    }
    tokio::select! {
        () = active.recovered.notified() => {}
        () = sleep(delay) => {}
    }
}

/// Waits until the logic replies to probes at both ends of a delay.
async fn stay_healthy(active: &Active, backoff: &mut Backoff) {
    loop {
        let delay = backoff.next_delay();
        if is_up(active).await {
            sleep(delay).await;
            if is_up(active).await {
                active.note_recovered();
                return;
            }
        } else {
            sleep(delay).await;
        }
    }
}

async fn is_up(active: &Active) -> bool {
    const PROBE: Duration = Duration::from_secs(5);
    let probed = tokio::time::timeout(PROBE, active.ports.logic.probe()).await;
    matches!(probed, Ok(Ok(())))
}
