//! Which resources fail again and again for a reason outside of them, and why: a failure or two are forgiven in silence.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::Key;

/// How many failures in a row are told.
const LASTING: u32 = 3;

/// Failures in a row. No lock is held across an await.
#[derive(Debug, Default)]
pub(super) struct Delays(Mutex<HashMap<Key, u32>>);

impl Delays {
    /// A look has failed; returns whether that lasts.
    pub(super) fn lasts(&self, key: &Key) -> bool {
        let mut failures = self.failures();
        let count = failures.entry(key.clone()).or_default();
        *count = count.saturating_add(1);
        *count >= LASTING
    }

    /// A look has not failed, or was the last one.
    pub(super) fn end(&self, key: &Key) {
        self.failures().remove(key);
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<Key, u32>> {
        // Each change is whole in itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
