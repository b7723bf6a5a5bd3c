//! Other sidecars: who executes commands, runs synchronous projectors and owns the events of other domains.

use std::time::Duration;

use async_trait::async_trait;

use crate::consumer::Until;
use crate::model::{
    Append, Command, Domain, Facts, Position, Projection, Sequence, Status, StoreIdentity, StreamId,
};

/// Executes commands and records facts in any domain, here or at a peer.
///
/// # Guarantees
/// - A status UNAVAILABLE, DEADLINE_EXCEEDED or CANCELLED leaves the outcome unknown; every other error means that this attempt stored nothing.
/// - An attempt takes effect within its budget, or a little later: for the way to the owner, and until a write that began in time has ended. That holds
///   also if the caller is gone by then.
///
/// # Errors
/// The status of the owner, or UNAVAILABLE when it was not reached and NOT_FOUND when no route leads to the domain.
#[async_trait]
pub trait Commands: Send + Sync {
    /// Executes a command.
    async fn execute(&self, command: Command, budget: Duration) -> Result<(), Status>;

    /// Records facts.
    async fn record(&self, facts: Facts, budget: Duration) -> Result<(), Status>;
}

/// Reads events of a domain from its owner.
///
/// # Guarantees
/// - Appends come whole, in order, and are committed.
///
/// # Errors
/// The status of the owner, or UNAVAILABLE when it was not reached.
#[async_trait]
pub trait Appends: Send + Sync {
    /// Fetches appends of a stream in a history from a sequence on, those that end after a position, a bounded piece at a time; an empty piece is
    /// the end. An owner with another history refuses with FAILED_PRECONDITION.
    async fn fetch(
        &self,
        history: StoreIdentity,
        stream: &StreamId,
        from: Sequence,
        after: Position,
    ) -> Result<Vec<Append>, Status>;
}

/// Runs the synchronous projectors of a domain.
///
/// # Errors
/// A status for each projector that was not reached or failed.
#[async_trait]
pub trait Projectors: Send + Sync {
    /// The names of the synchronous projectors that read a domain.
    fn names(&self, domain: &Domain) -> Vec<String>;

    /// Brings one projector up to a point of a root and returns its projection of the root.
    async fn project(
        &self,
        projector: &str,
        until: &Until,
        budget: Duration,
    ) -> Result<Projection, Status>;
}
