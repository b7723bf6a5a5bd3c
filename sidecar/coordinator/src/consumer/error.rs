//! Why a consumer ends.

use crate::model::Domain;
use crate::port::writer::Outcome;
use crate::port::{bus, store};
use crate::write_queue;

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
    #[error("keep the progress of {consumer}: {cause}")]
    Store {
        /// Which consumer ended.
        consumer: String,
        /// What the store said.
        cause: String,
        /// Whether the process must end, since what the store holds is unknown.
        is_fatal: bool,
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

    pub(super) fn from_store(consumer: &impl ToString, error: store::Error) -> Self {
        let is_fatal = matches!(error, store::Error::Fatal(_));
        match error {
            store::Error::Fenced { name } => Self::Fenced { name },
            other @ (store::Error::Unavailable(_)
            | store::Error::Full(_)
            | store::Error::Unstorable(_)
            | store::Error::Corrupt(_)
            | store::Error::Fatal(_)) => Self::Store {
                consumer: consumer.to_string(),
                cause: describe(&other),
                is_fatal,
            },
        }
    }

    /// Judges a failure to write steps.
    pub(super) fn from_write(consumer: &impl ToString, error: &write_queue::Error) -> Self {
        let is_fatal = matches!(error, write_queue::Error::Store(cause) if matches!(**cause, store::Error::Fatal(_)));
        Self::Store {
            consumer: consumer.to_string(),
            cause: describe(error),
            is_fatal,
        }
    }

    /// Judges an outcome of which nothing was written.
    pub(super) fn refused(consumer: &impl ToString, outcome: Outcome) -> Self {
        match outcome {
            Outcome::Fenced { name } => Self::Fenced { name },
            other => Self::Store {
                consumer: consumer.to_string(),
                cause: format!("the store replied {other:?}"),
                is_fatal: false,
            },
        }
    }
}

/// An error with its causes, in one line.
pub(super) fn describe(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        line.push_str(": ");
        line.push_str(&inner.to_string());
        cause = inner.source();
    }
    line
}
