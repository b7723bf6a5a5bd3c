//! The synchronous stage of a command: what follows from its events before it is answered.
//!
//! The events stand, whatever becomes of the stage; what fails is reported beside them.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use tracing::Instrument;

use crate::command::span;
use crate::consumer::Until;
use crate::model::{Append, Code, ConsumerKind, Projection, Status, SyncMode};
use crate::port::peers::Projectors;

/// What is kept of the caller's deadline for the reply to travel.
const MARGIN: Duration = Duration::from_millis(20);

/// Runs what commands wait for.
#[derive(Clone)]
pub struct Reactions {
    projectors: Arc<dyn Projectors>,
}

/// What the synchronous stage of one command brought.
#[derive(Debug, Default)]
pub struct Reacted {
    /// The projections of those that got there.
    pub projections: Vec<Projection>,
    /// The projectors that got there.
    pub reached: Vec<String>,
    /// Who did not.
    pub failures: Vec<Failure>,
}

/// A component that was waited for in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The name of the component.
    pub component: String,
    /// What it is.
    pub kind: ConsumerKind,
    /// Why.
    pub status: Status,
}

impl Failure {
    /// Whether the component was not asked or did not answer, instead of failing.
    pub fn is_not_reached(&self) -> bool {
        !self.status.is_of_logic
            && matches!(self.status.code, Code::Unavailable | Code::DeadlineExceeded)
    }
}

impl Reactions {
    /// Makes the stage over the projectors that are known.
    pub fn new(projectors: Arc<dyn Projectors>) -> Self {
        Self { projectors }
    }

    /// Runs the stage for an append: until its end, the caller's deadline less a margin, or `longest`, whatever comes first.
    pub async fn follow(
        &self,
        append: &Append,
        mode: SyncMode,
        deadline: Instant,
        longest: Duration,
    ) -> Reacted {
        match mode {
            SyncMode::None => Reacted::default(),
            SyncMode::Simple => {
                let left = deadline.saturating_duration_since(Instant::now());
                let budget = left.saturating_sub(MARGIN).min(longest);
                let projecting = span::sync_projectors(&append.stream, &append.correlation_id);
                self.project(append, budget).instrument(projecting).await
            }
        }
    }

    /// Brings the synchronous projectors of the append's domain past it, concurrently.
    async fn project(&self, append: &Append, budget: Duration) -> Reacted {
        let names = self.projectors.names(&append.stream.domain);
        let until = Until::past(append);
        let asked = names
            .iter()
            .map(|name| self.projectors.project(name, &until, budget));
        let answers = join_all(asked).await;
        let mut reacted = Reacted::default();
        for (component, answer) in names.into_iter().zip(answers) {
            match answer {
                Ok(projection) => {
                    reacted.projections.push(projection);
                    reacted.reached.push(component);
                }
                Err(status) => reacted.failures.push(Failure {
                    component,
                    kind: ConsumerKind::Projector,
                    status,
                }),
            }
        }
        reacted
    }
}
