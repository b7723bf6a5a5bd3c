//! Leases: who may act for a consumer.

use std::time::Duration;

use async_trait::async_trait;

use super::store::Error;

/// Grants one holder at a time the right to act under a name.
///
/// # Guarantees
/// - While a lease has not expired by the store's clock, no other holder is granted it.
/// - Each grant has a higher epoch than all before it under that name; writes under an older epoch are refused by
///   [`Writer::write`](super::writer::Writer::write).
/// - A renewal fails once another holder was granted the lease.
/// - A released lease is granted at once.
/// - A store that only one process can open grants at once what a former process held.
///
/// # Assumptions
/// - Holders are named by the address at which they can be reached.
///
/// # Errors
/// As [`Error`] says; a lost lease is [`Error::Fenced`].
#[async_trait]
pub trait Leases: Send + Sync {
    /// Asks for a lease; returns the new epoch, or who holds it.
    async fn acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Grant, Error>;

    /// Prolongs a lease.
    async fn renew(&self, name: &str, epoch: u64, ttl: Duration) -> Result<(), Error>;

    /// Gives a lease back; without effect if it was lost.
    async fn release(&self, name: &str, epoch: u64) -> Result<(), Error>;
}

/// The answer to an asked-for lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// Granted under this epoch.
    Granted {
        /// The epoch, to be given with every write.
        epoch: u64,
    },
    /// Held by another.
    Held {
        /// The address at which the holder is reached.
        holder: String,
    },
}
