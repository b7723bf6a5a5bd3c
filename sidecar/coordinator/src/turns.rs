//! Turns: who may act on a key, first come, first served.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::oneshot;

type Waiting = VecDeque<oneshot::Sender<()>>;

/// Hands out turns, one at a time per key and in the order in which they were taken.
///
/// The std mutex guards a map look-up only; nobody waits while holding it.
#[derive(Debug)]
pub(crate) struct Turns<K: Eq + Hash + Clone> {
    queues: Arc<Mutex<HashMap<K, Waiting>>>,
    max_waiting: usize,
}

impl<K: Eq + Hash + Clone> Clone for Turns<K> {
    fn clone(&self) -> Self {
        Self {
            queues: Arc::clone(&self.queues),
            max_waiting: self.max_waiting,
        }
    }
}

/// Too many wait for the key already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many wait for the turn of the root")]
pub(crate) struct Full;

impl<K: Eq + Hash + Clone> Turns<K> {
    /// Makes turns of which at most `max_waiting` may wait per key.
    pub(crate) fn new(max_waiting: usize) -> Self {
        Self {
            queues: Arc::default(),
            max_waiting,
        }
    }

    /// Takes a place in the queue of a key, at once.
    ///
    /// # Errors
    /// [`Full`] when as many as allowed wait already.
    pub(crate) fn take(&self, key: K) -> Result<Ticket<K>, Full> {
        let mut queues = locked(&self.queues);
        let (granted, waiting) = match queues.get_mut(&key) {
            None => {
                queues.insert(key.clone(), Waiting::new());
                (None, 0)
            }
            Some(waiting) => {
                waiting.retain(|sender| !sender.is_closed());
                if waiting.len() >= self.max_waiting {
                    return Err(Full);
                }
                let (sender, receiver) = oneshot::channel();
                waiting.push_back(sender);
                (Some(receiver), waiting.len())
            }
        };
        let turn = granted.is_none().then(|| self.turn(key.clone()));
        Ok(Ticket {
            turns: self.clone(),
            key,
            granted,
            turn,
            waiting,
        })
    }

    fn turn(&self, key: K) -> Turn<K> {
        Turn {
            queues: Arc::clone(&self.queues),
            key,
        }
    }
}

/// A place in a queue.
#[derive(Debug)]
pub(crate) struct Ticket<K: Eq + Hash + Clone> {
    turns: Turns<K>,
    key: K,
    granted: Option<oneshot::Receiver<()>>,
    turn: Option<Turn<K>>,
    waiting: usize,
}

impl<K: Eq + Hash + Clone> Ticket<K> {
    /// How many waited for the key when the place was taken, this one included.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Waits for the turn. Dropping the ticket instead leaves the queue.
    pub(crate) async fn granted(mut self) -> Turn<K> {
        if let Some(receiver) = self.granted.as_mut() {
            let granted = receiver.await;
            self.granted = None;
            debug_assert!(
                granted.is_ok(),
                "the holder passes the turn on before the queue goes"
            );
            return self.turns.turn(self.key.clone());
        }
        self.turn
            .take()
            .expect("a ticket without a queue holds its turn")
    }
}

impl<K: Eq + Hash + Clone> Drop for Ticket<K> {
    fn drop(&mut self) {
        let Some(mut receiver) = self.granted.take() else {
            return;
        };
        receiver.close();
        // The turn came while nobody looked: pass it on.
        if receiver.try_recv().is_ok() {
            drop(self.turns.turn(self.key.clone()));
        }
    }
}

/// The right to act on a key; dropping it passes it on.
#[derive(Debug)]
pub(crate) struct Turn<K: Eq + Hash + Clone> {
    queues: Arc<Mutex<HashMap<K, Waiting>>>,
    key: K,
}

impl<K: Eq + Hash + Clone> Drop for Turn<K> {
    fn drop(&mut self) {
        let mut queues = locked(&self.queues);
        let Some(waiting) = queues.get_mut(&self.key) else {
            return;
        };
        while let Some(next) = waiting.pop_front() {
            if next.send(()).is_ok() {
                return;
            }
        }
        queues.remove(&self.key);
    }
}

fn locked<K>(queues: &Mutex<HashMap<K, Waiting>>) -> MutexGuard<'_, HashMap<K, Waiting>> {
    // The map is consistent between any two statements, so a panic elsewhere does not spoil it.
    queues
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn turns_of_a_key_come_in_the_order_in_which_they_were_taken() {
        let turns = Turns::new(8);
        let first = turns.take("a").unwrap().granted().await;
        let mut second = Box::pin(turns.take("a").unwrap().granted());
        let mut third = Box::pin(turns.take("a").unwrap().granted());
        assert!(poll!(&mut third).is_pending());
        assert!(poll!(&mut second).is_pending());
        drop(first);
        assert!(poll!(&mut third).is_pending());
        drop(second.await);
        drop(third.await);
        assert!(!locked(&turns.queues).contains_key("a"));
    }

    #[tokio::test]
    async fn keys_do_not_wait_for_each_other() {
        let turns = Turns::new(1);
        let _a = turns.take("a").unwrap().granted().await;
        let _b = turns.take("b").unwrap().granted().await;
    }

    #[tokio::test]
    async fn a_dropped_ticket_leaves_the_queue_and_passes_a_granted_turn_on() {
        let turns = Turns::new(8);
        let first = turns.take("a").unwrap().granted().await;
        let left_waiting = turns.take("a").unwrap();
        let granted_unseen = turns.take("a").unwrap();
        let last = turns.take("a").unwrap();
        drop(left_waiting);
        drop(first);
        drop(granted_unseen);
        drop(last.granted().await);
        assert!(!locked(&turns.queues).contains_key("a"));
    }

    #[tokio::test]
    async fn more_than_the_bound_are_refused() {
        let turns = Turns::new(1);
        let _held = turns.take("a").unwrap().granted().await;
        let _waits = turns.take("a").unwrap();
        assert_eq!(turns.take("a").err(), Some(Full));
    }
}
