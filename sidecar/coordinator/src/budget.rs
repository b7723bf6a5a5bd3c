//! Memory in shares: who wants to hold bytes waits until there is room.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Bytes that may be held at a time, handed out first come, first served.
///
/// # Guarantees
/// - A share is given while all shares together stay within the budget, or to one that holds alone: what is larger than the whole budget passes by
///   itself.
/// - Nobody overtakes: a large share is not starved by small ones.
/// - A caller that stops waiting holds nothing.
///
/// The std mutex guards numbers and a queue; nobody waits while holding it.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    all: usize,
    used: usize,
    waiting: VecDeque<(usize, oneshot::Sender<Share>)>,
}

/// Bytes of a budget, given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(all: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            all,
            used: 0,
            waiting: VecDeque::new(),
        })))
    }

    /// A share, if there is room and nobody waits.
    pub fn try_take(&self, bytes: usize) -> Option<Share> {
        self.state().enter(bytes).then(|| self.share(bytes))
    }

    /// Waits for a share.
    pub async fn take(&self, bytes: usize) -> Share {
        let waiting = {
            let mut state = self.state();
            if state.enter(bytes) {
                return self.share(bytes);
            }
            let (give, given) = oneshot::channel();
            state.waiting.push_back((bytes, give));
            given
        };
        // The queue holds the other end until it gives.
        waiting.await.expect("a budget outlives who waits for it")
    }

    /// Changes the size; shares that are out stay out.
    pub fn resize(&self, all: usize) {
        self.state().all = all;
        self.give();
    }

    /// The bytes of all shares.
    pub fn used(&self) -> usize {
        self.state().used
    }

    fn share(&self, bytes: usize) -> Share {
        Share {
            budget: self.clone(),
            bytes,
        }
    }

    /// Gives shares to those that wait and have room.
    fn give(&self) {
        loop {
            let (bytes, give) = {
                let mut state = self.state();
                let Some((bytes, _)) = state.waiting.front() else {
                    return;
                };
                if !state.has_room(*bytes) {
                    return;
                }
                let (bytes, give) = state.waiting.pop_front().expect("the front is there");
                state.used += bytes;
                (bytes, give)
            };
            // Nobody waits for it any more.
            if let Err(mut unwanted) = give.send(self.share(bytes)) {
                self.state().used -= std::mem::take(&mut unwanted.bytes);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What changes is written at once, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, bytes: usize) -> bool {
        let enters = self.waiting.is_empty() && self.has_room(bytes);
        if enters {
            self.used += bytes;
        }
        enters
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.used == 0 || self.used.saturating_add(bytes) <= self.all
    }
}

impl Share {
    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Changes it to what is really held. What is held already is not refused, so it may lift the sum over the budget; others wait then.
    pub fn set(&mut self, bytes: usize) {
        let more = bytes >= self.bytes;
        {
            let mut state = self.budget.state();
            state.used = state.used - self.bytes + bytes;
        }
        self.bytes = bytes;
        if !more {
            self.budget.give();
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.set(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn shares_are_given_in_order_while_there_is_room() {
        let budget = Budget::new(10);
        let first = budget.take(6).await;
        let mut large = Box::pin(budget.take(8));
        assert!(futures::poll!(&mut large).is_pending());
        // It would fit, and waits behind the large one.
        let mut small = Box::pin(budget.take(1));
        assert!(futures::poll!(&mut small).is_pending());
        drop(first);
        let large = large.await;
        assert_eq!((large.bytes(), small.await.bytes()), (8, 1));
        assert_eq!(budget.used(), 8);
    }

    #[tokio::test]
    async fn what_is_larger_than_all_passes_alone() {
        let budget = Budget::new(10);
        let small = budget.take(1).await;
        let mut huge = Box::pin(budget.take(usize::MAX));
        assert!(futures::poll!(&mut huge).is_pending());
        drop(small);
        let huge = huge.await;
        let mut next = Box::pin(budget.take(1));
        assert!(futures::poll!(&mut next).is_pending());
        drop(huge);
        next.await;
    }

    #[tokio::test]
    async fn who_stops_waiting_holds_nothing() {
        let budget = Budget::new(10);
        let held = budget.take(10).await;
        let mut gone = Box::pin(budget.take(5));
        assert!(futures::poll!(&mut gone).is_pending());
        let mut given = Box::pin(budget.take(5));
        assert!(futures::poll!(&mut given).is_pending());
        drop(gone);
        drop(held);
        assert_eq!(budget.used(), 5);
        // It was given and not fetched.
        drop(given);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn a_share_may_grow_over_the_budget_and_gives_back_what_it_does_not_need() {
        let budget = Budget::new(10);
        let mut grown = budget.take(4).await;
        grown.set(40);
        let mut next = Box::pin(budget.take(4));
        assert!(futures::poll!(&mut next).is_pending());
        grown.set(6);
        next.await;
        budget.resize(2);
        drop(grown);
        assert_eq!(budget.used(), 0);
    }
}
