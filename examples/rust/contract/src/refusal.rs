//! Why logic says no.

use tonic::{Code, Status};

/// A command that was not accepted: the code that its sender gets, and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of no it is.
    pub code: Code,
    /// Why.
    pub message: String,
}

impl Refusal {
    /// Refuses what can never be right, whatever the state.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self {
            code: Code::InvalidArgument,
            message: message.into(),
        }
    }

    /// Refuses what the state forbids.
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
