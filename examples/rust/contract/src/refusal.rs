//! Refusals of logic.

use tonic::{Code, Status};

/// A command that was not accepted: the status code and message that its sender gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status code.
    pub code: Code,
    /// The message.
    pub message: String,
}

impl Refusal {
    /// Refuses a command that is wrong in every state.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            code: Code::InvalidArgument,
            message: message.into(),
        }
    }

    /// Refuses a command that the state forbids.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self {
            code: Code::FailedPrecondition,
            message: message.into(),
        }
    }

    /// Refuses a history that this program cannot read.
    pub fn unreadable(message: impl Into<String>) -> Self {
        Self {
            code: Code::Internal,
            message: message.into(),
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.message)
    }
}
