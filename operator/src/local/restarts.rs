//! Which processes of a component have to start again, and why.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::stage::Part;

/// What the processes of a component are told.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    sidecar: Slot,
    logic: Slot,
}

#[derive(Debug, Default)]
struct Slot {
    wanted: Notify,
    why: Mutex<&'static str>,
}

impl Restarts {
    /// Makes a process start again, for a reason such as `its program has changed`.
    pub(super) fn want(&self, part: Part, why: &'static str) {
        let slot = self.slot(part);
        *slot.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
        slot.wanted.notify_one();
    }

    /// Waits until a process has to start again, unless it was wanted since the last time; returns why.
    pub(super) async fn wanted(&self, part: Part) -> &'static str {
        let slot = self.slot(part);
        slot.wanted.notified().await;
        *slot.why.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, part: Part) -> &Slot {
        match part {
            Part::Sidecar => &self.sidecar,
            Part::Logic => &self.logic,
        }
    }
}
