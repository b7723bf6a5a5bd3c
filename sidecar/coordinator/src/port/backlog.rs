//! What waits for a consumer: outgoing work, and what was parked.

use async_trait::async_trait;

use super::progress::{Outgoing, OutgoingId, Parked};
use super::store::Error;
use crate::model::{ConsumerId, Status, StreamId};

/// Lists what a consumer has yet to do or has parked; changes go through [`Writer::write`](super::writer::Writer::write).
///
/// # Guarantees
/// - Outgoing work comes in the order of the commits that brought it, and within one commit in its own order.
/// - What was settled, unparked or discarded is not listed; what was resent is outgoing again, after all that waits.
///
/// # Assumptions
/// - None.
///
/// # Errors
/// As [`Error`] says.
#[async_trait]
pub trait Backlog: Send + Sync {
    /// Lists up to `limit` pieces of work that have no final answer, after the given place (0 lists from the first).
    async fn list_outgoing(
        &self,
        consumer: &ConsumerId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Queued>, Error>;

    /// Lists up to `limit` pieces of work that were parked with a refusal, after the given place.
    async fn list_refused(
        &self,
        consumer: &ConsumerId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Refused>, Error>;

    /// Lists up to `limit` roots that are parked, in the order of their streams, after the given one.
    async fn list_parked(
        &self,
        consumer: &ConsumerId,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<(StreamId, Parked)>, Error>;

    /// Reads one piece of refused work; absent when there is none of this id.
    async fn read_refused(
        &self,
        consumer: &ConsumerId,
        id: &OutgoingId,
    ) -> Result<Option<Refused>, Error>;
}

/// Outgoing work with its place in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The place; ascending.
    pub place: u64,
    /// What is to be sent.
    pub outgoing: Outgoing,
}

/// Outgoing work that its target refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The place; ascending.
    pub place: u64,
    /// What was refused.
    pub outgoing: Outgoing,
    /// What the target replied.
    pub refusal: Status,
}
