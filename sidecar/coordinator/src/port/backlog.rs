//! What waits for a consumer: outgoing work, and what was parked.

use std::time::Duration;

use async_trait::async_trait;

use super::progress::{Outgoing, OutgoingId, Parked};
use super::store::Error;
use crate::model::{ConsumerId, Domain, Status, StreamId};

/// Lists what a consumer has yet to do or has parked; changes go through [`Writer::write`](super::writer::Writer::write).
///
/// What work holds may be large, and much of it may wait, so lists have heads only; the whole is read by id.
///
/// # Guarantees
/// - Outgoing work comes in the order of the commits that brought it, and within one commit in its own order.
/// - A head tells how long attempts that were stored may still take effect, counted by the clock of the store from when it is read. That survives a
///   restart, whoever asks.
/// - What was settled, unparked or discarded is not listed; what was resent is outgoing again, after all that waits.
///
/// # Assumptions
/// - The clock of the store is not set by much while an attempt is under way: forward, a refusal would be final too early; back, too late.
///
/// # Errors
/// As [`Error`] says.
#[async_trait]
pub trait Backlog: Send + Sync {
    /// Lists up to `limit` heads of work in a state, after the given place (0 lists from the first).
    async fn list_work(
        &self,
        consumer: &ConsumerId,
        state: WorkState,
        after: u64,
        limit: usize,
    ) -> Result<Vec<WorkHead>, Error>;

    /// Reads work in any state, in the order of the ids; absent where there is none of an id.
    async fn read_work(
        &self,
        consumer: &ConsumerId,
        ids: Vec<OutgoingId>,
    ) -> Result<Vec<Option<KeptWork>>, Error>;

    /// Lists up to `limit` roots that are parked, in the order of their streams, after the given one.
    async fn list_parked(
        &self,
        consumer: &ConsumerId,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<(StreamId, Parked)>, Error>;
}

/// Whether work is still to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkState {
    /// It has no final reply.
    Waiting,
    /// It was parked with a refusal.
    Refused,
}

/// What is known of outgoing work without reading it whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkHead {
    /// The place in the queue; ascending.
    pub place: u64,
    /// Its id.
    pub id: OutgoingId,
    /// The stream of the trigger.
    pub trigger: StreamId,
    /// The domain that it is for; absent for work that cannot be executed.
    pub target: Option<Domain>,
    /// The bytes that it takes in the store: at least those of its payloads.
    pub bytes: usize,
    /// How long attempts made so far may still take effect; absent if a release stored it that kept no account of attempts.
    pub may_land_for: Option<Duration>,
}

/// Outgoing work as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptWork {
    /// What is, or was, to be sent.
    pub outgoing: Outgoing,
    /// What the target replied, if it refused the work for good.
    pub refusal: Option<Status>,
}
