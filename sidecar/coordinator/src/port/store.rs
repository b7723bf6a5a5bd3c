//! What the store ports share: their error and how durable they are.

/// A failure of a store.
#[derive(Debug, thiserror::Error)]
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
            Self::Fenced { .. } | Self::Corrupt(_) | Self::Fatal(_) => false,
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
