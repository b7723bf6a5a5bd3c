//! What a look at a resource came to: an outcome that is reported, or an error that is tried again.

use super::apply;
use super::existing;
use super::pin::Begin;
use super::reasons::Reason;
use super::rollouts::Need;
use super::seen::Outcome;

/// What became of the objects of a resource, and the rollout that began.
pub(super) type ApplyResult = Result<(Outcome, Option<Begin>), Error>;

/// Why a resource has to be looked at again soon.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// An object could not be applied.
    #[error(transparent)]
    Apply(#[from] apply::Error),
    /// The workload of somebody else could not be rolled.
    #[error(transparent)]
    Roll(#[from] existing::Error),
    /// The status could not be written.
    #[error("write the status")]
    Status(#[source] kube::Error),
    /// What is left of a component could not be listed.
    #[error("list what uses the documents")]
    List(#[source] kube::Error),
}

impl Error {
    /// Whether the API server answered, so that nothing is under way there.
    pub(super) fn is_answer(&self) -> bool {
        match self {
            Self::Apply(error) => error.is_answer(),
            Self::Roll(error) => error.is_answer(),
            Self::Status(source) | Self::List(source) => matches!(source, kube::Error::Api(_)),
        }
    }
}

/// What is reported of an object that a person has to do something about.
pub(super) fn refused(error: &apply::Error) -> Outcome {
    let reason = match error {
        apply::Error::NameTaken { .. } => Reason::NameTaken,
        apply::Error::ManagedByAnother { .. } => Reason::ManagedByAnotherOperator,
        apply::Error::QuotaExceeded { .. } => Reason::QuotaExceeded,
        apply::Error::NotPermitted { .. } => Reason::NotPermitted,
        apply::Error::Refused { .. } | apply::Error::Call { .. } => Reason::InvalidTemplate,
    };
    Outcome::Refused {
        reason,
        sentence: error.to_string(),
    }
}

/// What a component needs after it was applied; `None` if nobody knows what became of it.
pub(super) fn need(applied: &ApplyResult) -> Option<Need> {
    match applied {
        Ok((Outcome::Applied { standing, .. }, _)) if standing.queued.is_some() => Some(Need::Turn),
        Ok((Outcome::Applied { workload, .. }, _)) if !workload.is_settled() => Some(Need::Place),
        Ok(_) => Some(Need::Nothing),
        Err(error) => error.is_answer().then_some(Need::Nothing),
    }
}
