//! Why a command was not executed, as far as callers treat it differently.

use crate::model::{Sequence, Status, StreamId};
use crate::port::writer::Outcome;
use crate::port::{logic, store};
use crate::turns;

/// A command that did not come to a recorded result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The command is malformed or over a limit; nothing was stored.
    #[error("{0}")]
    Invalid(String),
    /// The domain is not served here.
    #[error("domain {0} is not served by this sidecar")]
    ForeignDomain(String),
    /// The command id, or this external id, was used before with another payload.
    #[error(
        "id {key} was used before for another payload; give every new request an id of its own"
    )]
    KeyReused {
        /// The command id or external id.
        key: String,
    },
    /// The sender expected another sequence; nothing was stored.
    #[error("expected sequence {} of {stream}, the next is {}", expected.0, actual.0)]
    Conflict {
        /// Which stream the command was for.
        stream: StreamId,
        /// What the sender expected.
        expected: Sequence,
        /// The sequence of the next event.
        actual: Sequence,
    },
    /// Other writers came first too often; nothing was stored.
    #[error("lost {races} races for {stream}; try again")]
    Contended {
        /// Which stream the command was for.
        stream: StreamId,
        /// How often the command was run.
        races: u32,
    },
    /// The logic returned a status; it is passed on unchanged and nothing was stored.
    #[error("the logic returned {0}")]
    Refused(Status),
    /// The logic broke the contract; nothing was stored.
    #[error("the logic broke the contract: {0}")]
    Contract(String),
    /// The logic was not reached, or the call to it broke; nothing was stored.
    #[error(
        "the logic did not reply; nothing was stored, and a repeat with the same command id is safe"
    )]
    LogicUnavailable(#[source] logic::Error),
    /// Too much is in flight; nothing was stored.
    #[error("{0}; try again later")]
    Busy(&'static str),
    /// The deadline passed before anything was sent to the store.
    #[error(
        "the deadline passed {0}; nothing was stored, and a repeat with the same command id is safe"
    )]
    Late(&'static str),
    /// The history is larger than the limit.
    #[error(
        "the history of {stream} is larger than {limit} bytes; let the logic ask for snapshots or raise limits.historyBytes"
    )]
    HistoryTooLarge {
        /// Which stream the command was for.
        stream: StreamId,
        /// How many bytes of payload a history may have.
        limit: usize,
    },
    /// The store has no room; nothing was stored.
    #[error("the store is full; reads go on, commands are refused until there is room")]
    StoreFull,
    /// The store was not read; nothing was stored.
    #[error(
        "the store does not reply; nothing was stored, and a repeat with the same command id is safe"
    )]
    StoreUnavailable(#[source] store::Error),
    /// The events hold something that the store cannot keep; nothing was stored.
    #[error("the store cannot keep the events: {0}")]
    Unstorable(String),
    /// Whether the command took effect is unknown; repeat it with the same id.
    #[error("whether the command took effect is unknown, repeat it with the same id")]
    Unknown(#[source] store::Error),
}

impl From<turns::Full> for Error {
    fn from(_: turns::Full) -> Self {
        Self::Busy("too many commands wait for this root")
    }
}

impl From<logic::Error> for Error {
    fn from(error: logic::Error) -> Self {
        match error {
            logic::Error::Unreachable(_) | logic::Error::Broken(_) => Self::LogicUnavailable(error),
            logic::Error::Status(status) => Self::Refused(status),
            logic::Error::Unimplemented { .. } => Self::Contract(error.to_string()),
            logic::Error::Contract(breach) => Self::Contract(breach),
        }
    }
}

impl Error {
    /// Judges a failure to append.
    pub(super) fn appending(error: store::Error) -> Self {
        match error {
            store::Error::Full(_) => Self::StoreFull,
            other => Self::Unknown(other),
        }
    }

    /// Judges an outcome that says that nothing was stored, and is neither a conflict nor a known command.
    pub(super) fn refused(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Unstorable { reason } => Self::Unstorable(reason),
            other => Self::Unknown(other.unexpected()),
        }
    }
}
