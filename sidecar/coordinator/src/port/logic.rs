//! The user's logic, as the pipeline calls it.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::progress::Malformed;
use crate::model::{Append, Command, Decision, Facts, History, Projection, Status, StreamId};

/// A call to the logic that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The call never reached the logic.
    #[error("reach the logic: {0}")]
    Unreachable(String),
    /// The call reached it and broke or ran out of time under way.
    #[error("the call to the logic broke: {0}")]
    Broken(String),
    /// The logic returned a status other than OK; it is passed on unchanged.
    #[error("the logic returned {0}")]
    Status(#[source] Status),
    /// The logic lacks the rpc that its resource asks for. It is told by UNIMPLEMENTED on that rpc, whatever the logic replied to other calls: a
    /// status does not say whether it is meant for one call.
    #[error("{by} calls {rpc}, which the logic does not implement{said}")]
    Unimplemented {
        /// What asks for it: a field of the resource with its value, or its kind.
        by: &'static str,
        /// Service and method.
        rpc: &'static str,
        /// What the logic said of it.
        said: Said,
    },
    /// What the logic returned breaks the contract.
    #[error("the logic broke the contract: {0}")]
    Contract(String),
}

/// The text of a status, which may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said(pub String);

impl fmt::Display for Said {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(out, " (it says: {})", self.0)
    }
}

/// The logic of an aggregate.
///
/// # Guarantees
/// - An [`Error::Unreachable`] means that the logic saw nothing of the call.
///
/// # Errors
/// As [`Error`] says.
#[async_trait]
pub trait AggregateLogic: Send + Sync {
    /// Asks the logic to decide on a command.
    async fn handle(
        &self,
        history: History,
        command: &Command,
        budget: Duration,
    ) -> Result<Decision, Error>;

    /// Asks whether the logic is up.
    async fn probe(&self) -> Result<(), Error>;
}

/// The logic of a consumer. The guarantees and errors are those of [`AggregateLogic`].
#[async_trait]
pub trait ConsumerLogic: Send + Sync {
    /// Hands an append over; what comes back depends on what the consumer is.
    async fn handle(&self, append: &Append, budget: Duration) -> Result<Reaction, Error>;

    /// Asks a projector for the current projection of a root, with a book that has no pages.
    async fn project(&self, stream: &StreamId, budget: Duration) -> Result<Projection, Error>;

    /// Asks whether the logic is up.
    async fn probe(&self) -> Result<(), Error>;
}

/// What a consumer's logic returns for an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    /// It took note.
    Noted,
    /// A synchronous projector's read model.
    Projected(Projection),
    /// What a saga asks for, as far as it sets it; the coordinator derives the rest.
    Requested(Vec<Request>),
}

/// One command or record that a saga asks for; ids and origin are derived afterwards, over whatever the logic put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A command to execute.
    Command(Command),
    /// Facts to record.
    Facts(Facts),
    /// Something that cannot be executed; it is parked with the reason.
    Malformed(Malformed),
}
