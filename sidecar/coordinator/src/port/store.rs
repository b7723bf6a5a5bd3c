//! What the store ports share: their error, how durable they are, and all of them in one hand.

use std::sync::Arc;

use super::backlog::Backlog;
use super::catalog::Catalog;
use super::leases::Leases;
use super::log::Log;
use super::progress::Progress;
use super::writer::Writer;

/// The ports of one open store.
#[derive(Clone)]
pub struct Store {
    /// Changes it.
    pub writer: Arc<dyn Writer>,
    /// Reads streams and partitions.
    pub log: Arc<dyn Log>,
    /// Lists what is in it.
    pub catalog: Arc<dyn Catalog>,
    /// Tells how far consumers got.
    pub progress: Arc<dyn Progress>,
    /// Lists what waits for consumers.
    pub backlog: Arc<dyn Backlog>,
    /// Grants the right to act.
    pub leases: Arc<dyn Leases>,
}

impl Store {
    /// The ports of an adapter that implements all of them.
    pub fn of<S>(store: Arc<S>) -> Self
    where
        S: Writer + Log + Catalog + Progress + Backlog + Leases + 'static,
    {
        Self {
            writer: store.clone(),
            log: store.clone(),
            catalog: store.clone(),
            progress: store.clone(),
            backlog: store.clone(),
            leases: store,
        }
    }
}

/// A failure of a store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The store did not answer, for now; whether a write took place is unknown.
    #[error("reach the store")]
    Unavailable(#[source] Cause),
    /// The store has no room left; nothing was written, reads go on.
    #[error("write to the store: no space left")]
    Full(#[source] Cause),
    /// Another holder of the lease has taken over; nothing was written.
    #[error("the lease of {name} was taken over")]
    Fenced {
        /// What the lease is for.
        name: String,
    },
    /// A value is one that this store cannot keep; nothing was written.
    #[error("the store cannot keep a value: {0}")]
    Unstorable(String),
    /// The store holds what it must not hold.
    #[error("the store is corrupt: {0}")]
    Corrupt(String),
    /// The store failed in a way after which what it holds is unknown: the process must end.
    #[error("the store failed for good")]
    Fatal(#[source] Cause),
}

/// The driver's error behind a failure.
pub type Cause = std::sync::Arc<dyn std::error::Error + Send + Sync>;

impl Error {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Full(_) => true,
            Self::Fenced { .. } | Self::Unstorable(_) | Self::Corrupt(_) | Self::Fatal(_) => false,
        }
    }
}

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process only.
    Process,
    /// A crash of the machine: it was flushed to one disk.
    Disk,
    /// The loss of a machine: a majority of replicas has it.
    Majority,
}
