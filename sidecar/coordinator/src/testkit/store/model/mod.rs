//! A store in memory, as plain as its promises: the reference that adapters are compared with.
//!
//! # Design
//! Everything is kept as it was given and found again by looking at all of it: a reader must see that each answer is right, however slow. One
//! lock makes every call one step. It flushes nothing, so it is no store for anybody's events.

mod backlog;
mod catalog;
mod leases;
mod log;
mod progress;
mod writer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Bench, Sharing};
use crate::model::{ConsumerId, Incarnation, StoreId, StoreIdentity};
use crate::port::store::Store;
use leases::Lease;
use log::Recorded;
use progress::Consumer;

/// The model as a bench: a restart keeps everything but who holds the leases.
pub struct Model {
    store: Arc<ModelStore>,
}

struct ModelStore {
    identity: StoreIdentity,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    recorded: Recorded,
    consumers: BTreeMap<ConsumerId, Consumer>,
    leases: BTreeMap<String, Lease>,
}

impl ModelStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self {
            store: Arc::new(ModelStore {
                identity: StoreIdentity {
                    store_id: StoreId::random(),
                    incarnation: Incarnation::random(),
                },
                state: Mutex::default(),
            }),
        }
    }
}

impl Default for Model {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Bench for Model {
    fn ports(&self) -> Store {
        Store::of(Arc::clone(&self.store))
    }

    async fn reopen(&mut self) {
        for lease in self.store.state().leases.values_mut() {
            lease.free();
        }
    }

    fn sharing(&self) -> Sharing {
        Sharing::OneProcess
    }
}
