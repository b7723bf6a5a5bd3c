//! Where a sidecar is in its life, and whether it takes commands of clients. Everything that waits for a change of either waits here.
//!
//! ```text
//! Starting ──mark_started──▶ Serving ──begin_drain──▶ Draining ──finish_drain──▶ Drained
//!     └────────────────────begin_drain──────────────────▲
//! ```
//!
//! A phase is never left backwards. Beside it stands the gate: *open*, or *closed* for commands of clients, which are answered UNAVAILABLE then
//! while sidecars are served as ever. Neither moves the other: while a sidecar drains it goes on to take commands until nobody sends it any.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A part of a sidecar's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Nothing is served yet.
    Starting,
    /// The gRPC port listens.
    Serving,
    /// Work is finished and handed back.
    Draining,
    /// Nothing is under way any more; the process may end.
    Drained,
}

impl Phase {
    /// The word in `/statusz` and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Draining => "draining",
            Self::Drained => "drained",
        }
    }
}

/// The state of a sidecar's life at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// The part of its life.
    pub phase: Phase,
    /// Whether commands of clients are taken.
    pub is_open: bool,
}

/// What a start that is not over waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// A sentence for people.
    pub sentence: String,
    /// Whether there is another store where its own should be.
    pub is_other_store: bool,
}

/// The life of this sidecar, shared by all of its parts.
#[derive(Debug)]
pub struct Lifecycle {
    state: watch::Sender<State>,
    /// What a start that is not over waits for.
    awaited: Mutex<Awaited>,
    draining: CancellationToken,
}

impl Lifecycle {
    /// Begins a life that takes commands of clients.
    pub fn new_open() -> Self {
        Self::with_gate(true)
    }

    /// Begins a life that takes commands of clients once it is opened.
    pub fn new_closed() -> Self {
        Self::with_gate(false)
    }

    fn with_gate(is_open: bool) -> Self {
        let phase = Phase::Starting;
        Self {
            state: watch::Sender::new(State { phase, is_open }),
            awaited: Mutex::new(Awaited {
                sentence: "the gRPC port does not listen yet".to_owned(),
                is_other_store: false,
            }),
            draining: CancellationToken::new(),
        }
    }

    /// The state now.
    pub fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Follows the state.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Whether commands of clients are taken.
    pub fn is_open(&self) -> bool {
        self.state().is_open
    }

    /// Takes commands of clients; returns whether it did not before.
    pub fn open(&self) -> bool {
        self.set_gate(true)
    }

    /// Takes no more commands of clients; returns whether it did before.
    pub fn close(&self) -> bool {
        self.set_gate(false)
    }

    fn set_gate(&self, is_open: bool) -> bool {
        self.state.send_if_modified(|state| {
            let is_change = state.is_open != is_open;
            state.is_open = is_open;
            is_change
        })
    }

    /// Whether the gRPC port listens, or listened once.
    pub fn is_started(&self) -> bool {
        self.state().phase > Phase::Starting
    }

    /// Notes what the start waits for, as a sentence for people.
    pub fn note_awaited(&self, sentence: String) {
        self.note(Awaited {
            sentence,
            is_other_store: false,
        });
    }

    /// Notes that there is another store where the own one should be, as a sentence for people.
    pub fn note_other_store(&self, sentence: String) {
        self.note(Awaited {
            sentence,
            is_other_store: true,
        });
    }

    fn note(&self, awaited: Awaited) {
        *self.awaited.lock().unwrap_or_else(PoisonError::into_inner) = awaited;
    }

    /// What the start waits for, as long as the sidecar has not started.
    pub fn awaited(&self) -> Awaited {
        let awaited = self.awaited.lock();
        awaited.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that the gRPC port listens.
    pub fn mark_started(&self) {
        self.advance(Phase::Serving);
    }

    /// Begins the drain; returns whether this call did.
    pub fn begin_drain(&self) -> bool {
        let is_first = self.advance(Phase::Draining);
        if is_first {
            tracing::info!("the drain begins");
        }
        // After the phase, so that a task that is woken by it sees the phase.
        self.draining.cancel();
        is_first
    }

    /// A token that is cancelled when the drain begins; cancelling it oneself has no other effect than on clones of it.
    pub fn draining(&self) -> CancellationToken {
        self.draining.child_token()
    }

    /// Notes that nothing is under way any more.
    pub fn finish_drain(&self) {
        if self.advance(Phase::Drained) {
            tracing::info!("the drain is over");
        }
        self.draining.cancel();
    }

    /// Waits until nothing is under way any more.
    pub async fn drained(&self) {
        let mut states = self.watch();
        // The sender lives as long as `self`.
        let _ = states.wait_for(|state| state.phase == Phase::Drained).await;
    }

    /// Goes on to a later phase; returns whether it was a later one.
    fn advance(&self, phase: Phase) -> bool {
        self.state.send_if_modified(|state| {
            let is_later = state.phase < phase;
            state.phase = state.phase.max(phase);
            is_later
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_never_left_backwards() {
        let life = Lifecycle::new_open();
        assert!(!life.is_started());
        life.mark_started();
        assert!(life.is_started());
        assert!(life.begin_drain());
        assert!(!life.begin_drain());
        life.mark_started();
        assert_eq!(life.state().phase, Phase::Draining);
        life.finish_drain();
        assert!(!life.begin_drain());
        assert_eq!(life.state().phase, Phase::Drained);
    }

    #[test]
    fn the_gate_moves_by_itself() {
        let life = Lifecycle::new_closed();
        assert!(!life.is_open());
        assert!(life.open());
        assert!(!life.open());
        life.begin_drain();
        assert!(life.is_open());
        assert!(life.close());
        assert!(!life.is_open());
    }

    #[tokio::test]
    async fn a_drain_wakes_those_who_wait_for_its_begin_and_its_end() {
        let life = Lifecycle::new_open();
        let draining = life.draining();
        assert!(!draining.is_cancelled());
        life.begin_drain();
        draining.cancelled().await;
        let mut drained = Box::pin(life.drained());
        assert!(futures::poll!(&mut drained).is_pending());
        life.finish_drain();
        drained.await;
    }

    #[test]
    fn a_token_of_the_drain_cannot_begin_it() {
        let life = Lifecycle::new_open();
        life.draining().cancel();
        assert!(!life.draining().is_cancelled());
        assert_eq!(life.state().phase, Phase::Starting);
    }
}
