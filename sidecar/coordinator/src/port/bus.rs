//! The bus, as a consumer sees it: a subscription to one source domain.

use async_trait::async_trait;

use super::store::Cause;
use crate::model::{Append, ConsumerId, Cursor, Domain, Position, StoreIdentity};

/// Brings the appends of a domain to a consumer.
///
/// # Guarantees
/// - Everything committed after the cursor is delivered at least once, in the order of positions; what is committed later follows without
///   a gap, on the same subscription.
/// - Appends come whole.
/// - Nothing is delivered that is not committed.
/// - At most `credit` appends are under way that the consumer has not granted again.
/// - A cursor of another history (store, incarnation, append, or beyond the head) is refused with [`Error::Diverged`], never skipped over.
/// - After an error the subscription is over; a new one from the last cursor goes on without loss.
///
/// # Assumptions
/// - The consumer stores its cursor; the bus keeps none.
///
/// # Errors
/// As [`Error`] says.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Opens a subscription.
    async fn subscribe(&self, subscribe: Subscribe) -> Result<Box<dyn Subscription>, Error>;
}

/// Appends of one domain, in order, until it is dropped.
#[async_trait]
pub trait Subscription: Send {
    /// Where it begins and which history it reads: the start that a new consumer stores.
    fn opened(&self) -> Cursor;

    /// Waits for the next delivery; cancel-safe.
    async fn next(&mut self) -> Result<Delivery, Error>;

    /// Allows so many more appends.
    fn grant(&mut self, appends: u32);
}

/// Asks for the appends of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe {
    /// Who asks.
    pub consumer: ConsumerId,
    /// Whose appends are read.
    pub domain: Domain,
    /// From where.
    pub from: From,
    /// How many appends may be under way at first.
    pub credit: u32,
}

/// Where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With the first event.
    Beginning,
    /// After the last event there is when the subscription opens.
    Now,
    /// After a cursor.
    Cursor(Cursor),
}

/// One delivery of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The append that follows the one before, without a gap.
    Append(Append),
    /// Everything up to here was delivered, and the head is at this position.
    CaughtUp(Position),
}

/// A failure of the bus.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The owner was not reached or the connection ended.
    #[error("reach the source")]
    Unavailable(#[source] Cause),
    /// The cursor is of another history than the source; a person must decide.
    #[error("the source has another history than the consumer's progress: {0}")]
    Diverged(String),
    /// The source delivered what it must not deliver.
    #[error("the source broke its promise: {0}")]
    Corrupt(String),
}

impl Error {
    /// An [`Error::Unavailable`] with its cause.
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into().into())
    }

    /// An [`Error::Diverged`] of progress in one history at a source with another one.
    pub fn of_histories(read: StoreIdentity, found: StoreIdentity) -> Self {
        let why = if read.store_id == found.store_id {
            let (read, found) = (read.incarnation, found.incarnation);
            format!("the source was restored; incarnation {read} was read, this is {found}")
        } else {
            let (read, found) = (read.store_id, found.store_id);
            format!("store {read} was read, this is store {found}")
        };
        Self::Diverged(why)
    }

    /// Whether a new subscription may succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Diverged(_) | Self::Corrupt(_) => false,
        }
    }
}
