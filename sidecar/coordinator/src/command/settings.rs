//! What an executor is for, and what it allows.

use crate::model::{Domain, SnapshotVersion};

/// What a domain allows. The caller that makes an executor sets all of them; there are no defaults here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one command page or event.
    pub page_bytes: usize,
    /// Bytes of all events of an append, and of a snapshot.
    pub append_bytes: usize,
    /// Events of an append, and pages of a command.
    pub append_pages: usize,
    /// Bytes of history that the logic is sent.
    pub history_bytes: usize,
    /// Commands that may wait for one root.
    pub in_flight_per_root: usize,
    /// Commands that may be in flight in the domain.
    pub in_flight: usize,
}

/// What an executor is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The domain that it serves.
    pub domain: Domain,
    /// The version that the aggregate declares for its snapshots.
    pub snapshot_version: SnapshotVersion,
    /// What it allows.
    pub limits: Limits,
}
