//! The catalogue of a store: what is in it, across streams.

use async_trait::async_trait;

use super::store::{Durability, Error};
use crate::model::{Append, CorrelationId, Domain, Position, Root, RootHead};

/// The most appends that one read of a correlation id returns.
pub const CORRELATED_APPENDS: usize = 64;

/// Lists what a store holds.
///
/// # Guarantees
/// - Roots of a domain's main timeline come in ascending order of their ids, each once, with the length of their stream.
/// - Appends of a correlation id come in the order of their positions.
/// - A probe succeeds only if the store answers reads.
///
/// # Assumptions
/// - None.
///
/// # Errors
/// As [`Error`] says.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Lists up to `limit` roots that have events, after the given one.
    async fn list_roots(
        &self,
        domain: &Domain,
        after: Option<Root>,
        limit: usize,
    ) -> Result<Vec<RootHead>, Error>;

    /// Reads whole appends of one correlation id in one domain, after a position, in their order: until `limit` bytes are exceeded (at least one
    /// append, if there is one), and at most [`CORRELATED_APPENDS`].
    async fn read_correlated(
        &self,
        domain: &Domain,
        correlation: &CorrelationId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Append>, Error>;

    /// Asks whether the store answers.
    async fn probe(&self) -> Result<(), Error>;

    /// What an acknowledged write survives.
    fn durability(&self) -> Durability;
}
