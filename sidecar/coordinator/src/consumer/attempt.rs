//! The delivery of appends of one root to their end: tried until they are handled or the root is parked.
//!
//! # Design
//! A delivery that waits gives back what it holds of the source: its append, and with that its credit. Only its place is kept; what belongs there is
//! read from the owner when it is tried again. So neither a root that hangs nor many that wait keep other roots from being read.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Duration, sleep};

use super::active::Active;
use super::live_status::Needed;
use super::root::{self, DeliveryError};
use crate::model::{Append, Position, Sequence, StreamId};
use crate::retry::Backoff;

/// How long the delivery that looks for all others waits at most.
const SCOUT: Duration = Duration::from_secs(1);
/// How long an attempt may take before what waits behind it keeps only its place.
const SLOW: Duration = Duration::from_millis(100);

/// What a delivery tells its source while it goes on.
#[derive(Debug)]
pub(super) enum Event {
    /// An append of so many bytes is not held any more.
    Freed(usize),
    /// What waits behind the root's delivery is to keep its place only.
    Slow(StreamId),
}

/// What is to be delivered of a root.
#[derive(Debug)]
pub(super) enum Unit {
    /// An append that is held, with its credit.
    Held(Append),
    /// Everything before a sequence, to be read from the owner.
    Through(Sequence),
}

/// A delivery of one root.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) stream: StreamId,
    pub(super) unit: Unit,
    /// The positions of its appends in the source.
    pub(super) positions: Vec<Position>,
    pub(super) events: mpsc::UnboundedSender<Event>,
}

/// What to wait for before the next attempt.
enum Pause {
    /// Something outside to come back.
    Outage,
    /// The delay after a failed attempt.
    Delay,
    /// The logic to be healthy for a while.
    Health,
}

/// Delivers until everything is handled or parked. Ends early, with neither, when the consumer ends.
pub(super) async fn deliver(active: Arc<Active>, mut delivery: Delivery) -> StreamId {
    let mut backoff = active.settings.backoff();
    while let Ok(Some(pause)) = try_once(&active, &delivery).await {
        delivery.release();
        delivery.report_slow();
        active.failures.set_waiting(&delivery.stream, true);
        wait(&active, &delivery.stream, pause, &mut backoff).await;
        active.failures.set_waiting(&delivery.stream, false);
    }
    delivery.release();
    delivery.stream
}

impl Delivery {
    /// Lets what waits behind it keep its place only.
    fn report_slow(&self) {
        // Without a source, nothing waits.
        let _ = self.events.send(Event::Slow(self.stream.clone()));
    }

    /// Gives back what is held of the source.
    fn release(&mut self) {
        if let Unit::Held(append) = &self.unit {
            let (next, bytes) = (append.next_sequence(), append.size());
            self.unit = Unit::Through(next);
            // Without a source, nothing is read any more.
            let _ = self.events.send(Event::Freed(bytes));
        }
    }
}

/// Tries once, and reports when that takes long.
async fn try_once(active: &Active, delivery: &Delivery) -> Result<Option<Pause>, ()> {
    let trying = attempt(active, delivery);
    tokio::pin!(trying);
    tokio::select! {
        biased;
        tried = &mut trying => return tried,
        () = sleep(SLOW) => {}
    }
    delivery.report_slow();
    trying.await
}

/// Tries once; returns what to wait for if another attempt is needed.
async fn attempt(active: &Active, delivery: &Delivery) -> Result<Option<Pause>, ()> {
    let stream = &delivery.stream;
    let Ok(ticket) = active.turns.take(stream.clone()) else {
        return Ok(Some(Pause::Delay));
    };
    let working = async {
        let turn = ticket.granted().await;
        // Of the roots whose calls broke, one at a time is tried, so that the one that kills the logic cannot make others look like it.
        let alone = match active.failures.is_suspect(stream) {
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
    let handled = match &delivery.unit {
        Unit::Held(append) => root::handle(active, append, &delivery.positions).await,
        Unit::Through(through) => {
            root::handle_through(active, stream, *through, &delivery.positions).await
        }
    };
    match handled {
        Ok(()) => {
            active.note_recovered();
            Ok(None)
        }
        Err(error) => judge(active, delivery, error).await,
    }
}

/// Judges why an attempt failed; returns what to wait for.
async fn judge(
    active: &Active,
    delivery: &Delivery,
    error: DeliveryError,
) -> Result<Option<Pause>, ()> {
    let (stream, positions) = (&delivery.stream, &delivery.positions);
    let (failure, again) = match error {
        DeliveryError::Broken(failure) if !active.is_to_blame(stream, failure.at) => {
            let reason = format!("the call to the logic broke: {}", failure.status.message);
            pause(active, stream, Needed::Logic, reason);
            return Ok(Some(Pause::Health));
        }
        DeliveryError::Broken(failure) => (failure, Pause::Health),
        DeliveryError::Failed(failure) => {
            active.note_recovered();
            (failure, Pause::Delay)
        }
        other => return give_up(active, stream, other),
    };
    match active.count_failure(stream, failure, positions).await {
        Ok(is_parked) => Ok((!is_parked).then_some(again)),
        Err(error) => give_up(active, stream, error),
    }
}

/// What follows an error that counts nothing.
fn give_up(active: &Active, stream: &StreamId, error: DeliveryError) -> Result<Option<Pause>, ()> {
    match error {
        DeliveryError::Outage(needed, reason) => {
            pause(active, stream, needed, reason);
            Ok(Some(Pause::Outage))
        }
        DeliveryError::Fatal(error) => {
            active.fail(error);
            Err(())
        }
        DeliveryError::Ending | DeliveryError::Broken(..) | DeliveryError::Failed(..) => Err(()),
    }
}

fn pause(active: &Active, stream: &StreamId, needed: Needed, reason: String) {
    if active.status.pause(needed, reason.clone()) {
        tracing::warn!(
            consumer = %active.settings.id, domain = %stream.domain, root = %stream.root, reason,
            "a delivery waits for something outside; until it is there, further ones wait without a line each"
        );
    }
}

async fn wait(active: &Active, stream: &StreamId, pause: Pause, backoff: &mut Backoff) {
    let waiting = async {
        match pause {
            Pause::Outage => await_recovery(active, backoff.next_delay()).await,
            Pause::Delay => sleep(backoff.next_delay()).await,
            Pause::Health => {
                stay_healthy(active, backoff).await;
                active.failures.note_healthy(stream);
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
