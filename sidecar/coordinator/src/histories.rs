//! Histories that are read within a budget, and how large they are expected to be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::budget::{Budget, Share};
use crate::model::StreamId;
use crate::port::log::{Load, Loaded, Log, SMALL_LOAD};
use crate::port::store;

/// How often something that was read is in memory until it is sent: as it is, and encoded in a buffer that grows by doubling.
pub(crate) const COPIES: usize = 3;
/// Streams whose size is remembered.
const MOST_LARGE: usize = 4_096;

/// Reads histories when there is room for them. A clone shares what it knows of their sizes.
#[derive(Debug, Clone)]
pub struct Histories {
    budget: Budget,
    large: Arc<Mutex<Large>>,
}

/// How large the histories were that were not small, so that they are not read twice each time.
#[derive(Debug, Default)]
struct Large(HashMap<StreamId, usize>);

impl Histories {
    /// Histories that together take at most a budget.
    pub fn new(budget: Budget) -> Self {
        Self {
            budget,
            large: Arc::default(),
        }
    }

    /// Waits for a share of the budget.
    pub(crate) async fn room(&self, bytes: usize) -> Share {
        self.budget.take(bytes).await
    }

    /// Loads what a command or a query is judged on, and the share that it takes. A small history is read at once; a larger one is read again when
    /// there is room for it.
    ///
    /// # Errors
    /// As the store's.
    pub(crate) async fn load(
        &self,
        log: &dyn Log,
        load: Load,
    ) -> Result<(Loaded, Share), store::Error> {
        let mut limit = load.limit.min(self.large().expect(&load.stream));
        loop {
            let mut share = self.budget.take(limit.saturating_mul(COPIES)).await;
            let loaded = log
                .load(Load {
                    limit,
                    ..load.clone()
                })
                .await?;
            if matches!(loaded, Loaded::TooLarge) && limit < load.limit {
                limit = load.limit;
                continue;
            }
            let size = loaded.size();
            if matches!(loaded, Loaded::History { .. }) {
                self.large().note(&load.stream, size);
            }
            share.set(size * COPIES);
            return Ok((loaded, share));
        }
    }

    fn large(&self) -> MutexGuard<'_, Large> {
        // It only saves reads, so a panic elsewhere does not spoil it.
        self.large.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Large {
    /// How much a history of a stream may have when it is read first.
    fn expect(&self, stream: &StreamId) -> usize {
        let known = self.0.get(stream).copied().unwrap_or_default();
        SMALL_LOAD.max(known.saturating_mul(2))
    }

    fn note(&mut self, stream: &StreamId, bytes: usize) {
        if bytes <= SMALL_LOAD {
            self.0.remove(stream);
            return;
        }
        if self.0.len() >= MOST_LARGE {
            self.0.clear();
        }
        self.0.insert(stream.clone(), bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Domain, Edition, Root};

    #[test]
    fn a_large_history_is_expected_to_be_large_until_it_is_small_again() {
        let stream = |byte| StreamId {
            domain: Domain::parse("till").unwrap(),
            edition: Edition::Main,
            root: Root::from_bytes(&[byte; 16]).unwrap(),
        };
        let mut large = Large::default();
        large.note(&stream(1), SMALL_LOAD + 1);
        assert_eq!(large.expect(&stream(1)), 2 * (SMALL_LOAD + 1));
        assert_eq!(large.expect(&stream(2)), SMALL_LOAD);
        large.note(&stream(1), SMALL_LOAD);
        assert_eq!(large.expect(&stream(1)), SMALL_LOAD);
    }
}
