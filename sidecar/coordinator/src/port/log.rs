//! The log of a store: appends, and what is read of them.

use async_trait::async_trait;

use super::store::Error;
use crate::model::{
    Append, AppendId, CommandId, CommandKey, CorrelationId, Domain, Event, ExternalId, NewEvent,
    Position, Sequence, Snapshot, SnapshotVersion, StoreIdentity, StreamId,
};

/// Records appends and reads them back.
///
/// # Guarantees
/// - `append` is one atomic, durable step: after `Ok` all of the batch survives a crash; after an error none of it is visible, save for
///   [`Error::Unavailable`], after which the batch may be sent again unchanged: proposals with a key are recorded once.
/// - Outcomes stand in the order of the proposals. A refused proposal (duplicate, reused key, conflict) writes nothing and hinders no other.
/// - Proposals of one batch see those before them.
/// - Sequences of a stream are contiguous from 0; positions of a partition (a domain) are dense from 1 and in commit order: a reader that saw a
///   position has seen all below it.
/// - A command key is looked up before the sequence is judged; it is kept as long as the events. The first result comes back whole.
/// - A snapshot replaces only an older one (lower sequence, or another version).
/// - Every read sees one committed state of the store.
/// - Appends are read back whole and unchanged, never merged, never split.
///
/// # Assumptions
/// - A proposal has at most 1,000 events; the events of one proposal belong to one stream.
/// - Ids of appends are never used twice, save for a repeat of the same proposal.
///
/// # Errors
/// As [`Error`] says. [`Error::Full`] refuses writes only.
#[async_trait]
pub trait Log: Send + Sync {
    /// Records a batch of proposals in one atomic step.
    async fn append(&self, batch: Vec<Proposal>) -> Result<Vec<Outcome>, Error>;

    /// Reads what the pipeline needs to judge commands: for each, in one read snapshot, the command id, the snapshot and the later events.
    async fn load(&self, batch: Vec<Load>) -> Result<Vec<Loaded>, Error>;

    /// Reads whole appends of one stream, in order: from the one that holds `from` until `limit` bytes are exceeded (at least one append, if
    /// there is one).
    async fn read_stream(&self, read: StreamRead) -> Result<Vec<Append>, Error>;

    /// Reads whole appends of one partition after a position, in order, until `limit` bytes are exceeded (at least one append, if there is one).
    async fn read_partition(&self, read: PartitionRead) -> Result<PartitionPage, Error>;

    /// Which history this is; the same as long as the store is open.
    fn identity(&self) -> StoreIdentity;
}

/// The events of one command or record, to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Its id.
    pub id: AppendId,
    /// The stream.
    pub stream: StreamId,
    /// The sequence that the first event must get; absent appends at the head.
    pub expected: Option<Sequence>,
    /// The command that caused it; absent for facts, whose events carry external ids.
    pub key: Option<CommandKey>,
    /// The thread of the workflow.
    pub correlation_id: CorrelationId,
    /// The W3C trace context of the command.
    pub trace_parent: Option<String>,
    /// The events; none records the command id only. Those whose external id is known already are left out.
    pub events: Vec<NewEvent>,
    /// The state after the events, to be kept.
    pub snapshot: Option<Snapshot>,
}

/// What became of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was recorded; the append is empty when there was no event (left) to record.
    Appended {
        /// What was recorded.
        append: Append,
        /// The external ids that were known already.
        known: Vec<ExternalId>,
    },
    /// The command had been recorded before, with this result.
    Duplicate(Append),
    /// The command id, or this external id, was used before with another payload.
    KeyReused {
        /// The id.
        key: String,
    },
    /// The stream is not where the proposal expected it.
    Conflict {
        /// The sequence of the next event.
        actual: Sequence,
    },
}

/// Asks for what one command needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// The stream.
    pub stream: StreamId,
    /// The command to look up; absent looks nothing up.
    pub key: Option<CommandKey>,
    /// The version that a snapshot must have to be used; absent reads all events from the first.
    pub snapshot_version: Option<SnapshotVersion>,
    /// The last event to read, inclusive; absent reads to the end. A snapshot after it is not used.
    pub through: Option<Sequence>,
    /// How many bytes of payload to read at the most.
    pub limit: usize,
}

/// The state that a command is judged on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// The command had been recorded before, with this result.
    Known(Append),
    /// The command id was used before with another payload.
    KeyReused(CommandId),
    /// The history is larger than the limit.
    TooLarge,
    /// The history.
    History {
        /// The latest usable snapshot.
        snapshot: Option<Snapshot>,
        /// The events after it.
        events: Vec<Event>,
        /// The sequence of the next event of the stream, whatever `through` says.
        next_sequence: Sequence,
    },
}

/// Asks for appends of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRead {
    /// The stream.
    pub stream: StreamId,
    /// The first event wanted; the append that holds it comes whole.
    pub from: Sequence,
    /// Appends whose last position is not past this one are left out.
    pub after: Position,
    /// How many bytes of payload to read, about.
    pub limit: usize,
}

/// Asks for appends of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionRead {
    /// The domain.
    pub domain: Domain,
    /// The position after which to read: [`Position::ORIGIN`] or the last one of an append.
    pub after: Position,
    /// How many bytes of payload to read, about; 0 reads no append.
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
