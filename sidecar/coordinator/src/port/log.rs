//! The log of a store, as it is read: appends, and what commands are judged on. [`Writer`](super::writer::Writer) writes it.

use async_trait::async_trait;

use super::store::Error;
use crate::model::{
    Append, AppendId, CommandId, CommandKey, Domain, Event, Position, Sequence, Snapshot,
    SnapshotVersion, StoreIdentity, StreamId,
};

/// A load of at most so many bytes is small.
pub const SMALL_LOAD: usize = 256 << 10;

/// Reads what was appended.
///
/// # Guarantees
/// - Every read sees one committed state of the store.
/// - Appends are read back whole and unchanged, never merged, never split.
/// - Loads that wait together may share a trip to the store, but small ones ([`SMALL_LOAD`]) never wait for larger ones.
///
/// # Assumptions
/// - None.
///
/// # Errors
/// As [`Error`] says.
#[async_trait]
pub trait Log: Send + Sync {
    /// Reads what the pipeline needs to judge a command: in one read snapshot, the command id, the snapshot and the later events.
    async fn load(&self, load: Load) -> Result<Loaded, Error>;

    /// Reads whole appends of one stream, in order: from the one that holds `from` until `limit` bytes are exceeded (at least one append, if
    /// there is one).
    async fn read_stream(&self, read: StreamRead) -> Result<Vec<Append>, Error>;

    /// Reads whole appends of one partition after a position, in order, until `limit` bytes are exceeded (at least one append, if there is one).
    async fn read_partition(&self, read: PartitionRead) -> Result<PartitionPage, Error>;

    /// Which history this is; the same as long as the store is open.
    fn identity(&self) -> StoreIdentity;
}

/// Asks for what one command needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Which stream to read.
    pub stream: StreamId,
    /// The command to look up; absent looks nothing up.
    pub key: Option<CommandKey>,
    /// Where the stream must be; if it is elsewhere, nothing of it is read. Absent reads it wherever it is.
    pub expected: Option<Sequence>,
    /// The version that a snapshot must have to be used; absent reads all events from the first.
    pub snapshot_version: Option<SnapshotVersion>,
    /// The last event to read, inclusive; absent reads to the end. A snapshot after it is not used.
    pub through: Option<Sequence>,
    /// How many bytes to read at most, as [`Event::size`] counts them.
    pub limit: usize,
}

/// The state that a command is judged on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// The command had been recorded before, with this result.
    Known(Append),
    /// The command id was used before with another payload.
    KeyReused(CommandId),
    /// The stream is not where it is expected.
    Conflict {
        /// The sequence of its next event.
        actual: Sequence,
    },
    /// The history is larger than the limit.
    TooLarge,
    /// What the logic is to see.
    History {
        /// The latest usable snapshot.
        snapshot: Option<Snapshot>,
        /// The events after it.
        events: Vec<Event>,
        /// The sequence of the next event of the stream, whatever `through` says.
        next_sequence: Sequence,
    },
}

impl Loaded {
    /// Bytes that it takes in a message at most.
    pub fn size(&self) -> usize {
        match self {
            Self::History {
                snapshot, events, ..
            } => {
                let snapshot = snapshot.as_ref().map_or(0, |kept| kept.state.size());
                snapshot + events.iter().map(Event::size).sum::<usize>()
            }
            Self::Known(append) => append.size(),
            Self::KeyReused(_) | Self::Conflict { .. } | Self::TooLarge => 0,
        }
    }
}

/// Asks for appends of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRead {
    /// Which stream to read.
    pub stream: StreamId,
    /// The first event wanted; the append that holds it comes whole.
    pub from: Sequence,
    /// Appends whose last position is not past this one are left out.
    pub after: Position,
    /// How many bytes to read, about, as [`Append::size`] counts them.
    pub limit: usize,
}

/// Asks for appends of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionRead {
    /// Whose partition to read.
    pub domain: Domain,
    /// The position after which to read: [`Position::ORIGIN`] or the last one of an append.
    pub after: Position,
    /// How many bytes to read, about, as [`Append::size`] counts them; 0 reads no append.
    pub limit: usize,
}

/// A piece of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionPage {
    /// The append that ends at `after`; absent at the origin, beyond the head and within an append.
    pub previous: Option<AppendId>,
    /// The appends after it.
    pub appends: Vec<Append>,
    /// The position of the last event of the partition.
    pub head: Position,
    /// The append that ends at the head; absent at the origin.
    pub head_append: Option<AppendId>,
}
