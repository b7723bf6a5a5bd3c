//! Who waits for the final reply to outgoing work.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::oneshot;

use super::lock;
use crate::model::Status;
use crate::port::progress::OutgoingId;

/// What became of outgoing work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// It took effect.
    Done,
    /// Its target refused it for good; it is parked.
    Refused(Status),
    /// It has no final reply yet.
    Waiting,
}

/// Those who wait, by the id of the work.
#[derive(Debug, Default)]
pub(super) struct Settlements(Mutex<HashMap<OutgoingId, Vec<oneshot::Sender<Settlement>>>>);

impl Settlements {
    /// Waits for a settlement that is stored from now on.
    pub(super) fn watch(&self, id: &OutgoingId) -> oneshot::Receiver<Settlement> {
        let (sender, receiver) = oneshot::channel();
        let mut watched = lock(&self.0);
        // Those who gave up are forgotten here, so that there are never more entries than callers by much.
        watched.retain(|_, waiting| {
            waiting.retain(|sender| !sender.is_closed());
            !waiting.is_empty()
        });
        watched.entry(id.clone()).or_default().push(sender);
        receiver
    }

    /// Notes that work was settled.
    pub(super) fn settle(&self, id: &OutgoingId, refusal: Option<Status>) {
        let settlement = refusal.map_or(Settlement::Done, Settlement::Refused);
        for waiting in lock(&self.0).remove(id).unwrap_or_default() {
            // Who gave up does not need it.
            let _ = waiting.send(settlement.clone());
        }
    }
}
