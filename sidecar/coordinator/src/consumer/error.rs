//! Why a consumer ends.

use crate::model::Domain;
use crate::port::writer::Outcome;
use crate::port::{bus, store};

/// A failure that ends a consumer; everything that may pass is waited for instead.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A source is not what the consumer's progress says of it; a person must decide.
    #[error("consume {domain}")]
    Source {
        /// Which source it is.
        domain: Domain,
        /// What is wrong.
        #[source]
        cause: bus::Error,
    },
    /// Another process acts for the consumer now; nothing was lost, it may be started again.
    #[error("the lease of {name} was taken over")]
    Fenced {
        /// The name of the lease, which is that of the consumer.
        name: String,
    },
    /// The store failed for good, or holds what it must not hold.
    #[error("keep the progress of {consumer}")]
    Store {
        /// Which consumer ended.
        consumer: String,
        /// What the store said.
        #[source]
        cause: store::Error,
    },
    /// A part of the consumer panicked.
    #[error("a task of {consumer} panicked")]
    Panicked {
        /// Which consumer ended.
        consumer: String,
    },
}

impl Error {
    /// Whether starting the consumer again may succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Fenced { .. } => true,
            Self::Source { .. } | Self::Store { .. } | Self::Panicked { .. } => false,
        }
    }

    /// Whether a source has another history than the consumer's progress.
    pub(super) fn is_diverged(&self) -> bool {
        match self {
            Self::Source { cause, .. } => matches!(cause, bus::Error::Diverged(_)),
            Self::Fenced { .. } | Self::Store { .. } | Self::Panicked { .. } => false,
        }
    }

    pub(super) fn from_store(consumer: &impl ToString, error: store::Error) -> Self {
        match error {
            store::Error::Fenced { name } => Self::Fenced { name },
            cause => Self::Store {
                consumer: consumer.to_string(),
                cause,
            },
        }
    }

    /// Judges an outcome of which nothing was written.
    pub(super) fn refused(consumer: &impl ToString, outcome: Outcome) -> Self {
        match outcome {
            Outcome::Fenced { name } => Self::Fenced { name },
            Outcome::Unstorable { reason } => {
                Self::from_store(consumer, store::Error::Unstorable(reason))
            }
            other => Self::from_store(consumer, other.unexpected()),
        }
    }
}
