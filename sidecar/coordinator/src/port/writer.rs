//! The one way to change a store: batches of entries.

use async_trait::async_trait;
use tokio::time::Instant;

use super::progress::Step;
use super::store::Error;
use crate::model::{
    Append, AppendId, CommandKey, ConsumerId, CorrelationId, ExternalId, NewEvent, Sequence,
    Snapshot, StreamId,
};

/// Writes events and the steps of consumers.
///
/// # Guarantees
/// - `write` is one atomic, durable step: after `Ok` all of the batch survives a crash; after an error none of it is visible, except after
///   [`Error::Unavailable`], when the batch may be sent again unchanged: proposals with a key are recorded once, steps may be repeated.
/// - Outcomes have the order of the entries. Entries see those before them.
/// - An entry is written whole or not at all. A refused entry ([`Outcome::is_refused`]) writes neither events nor steps and affects no other.
/// - Steps are written if the proposal of their entry was recorded, now or before.
/// - Steps are refused with [`Outcome::Fenced`] unless their epoch is the current one of the lease named after the consumer; while they are
///   written, the lease is not granted to another.
/// - Sequences of a stream are contiguous from 0; positions of a partition (a domain) are dense from 1 and in commit order: a reader that saw a
///   position has seen all below it.
/// - A command key is looked up before the sequence is compared; it is kept as long as the events. The first result is returned whole.
/// - Nothing of a proposal is recorded once its deadline has passed, also when the batch waited in the store, or was held up on its way there, and
///   nobody waits for it any more. A key that is known is found first.
/// - A snapshot replaces only an older one (lower sequence, or another version).
/// - A root's next sequence and a source's cursor never move backwards.
/// - The time within which attempts to send outgoing work may take effect is counted from when the step is written, never from before it was asked for.
/// - Outgoing work gets its place in the order of entries; writing the same outgoing work twice (same id) keeps the first.
///
/// # Assumptions
/// - A proposal has at most 1,000 events; the events of one proposal belong to one stream.
/// - Ids of appends are never used twice, except for a repeat of the same proposal.
/// - Cursors given to one source come from one history; the caller has checked that.
///
/// # Errors
/// As [`Error`] says; never [`Error::Fenced`] or [`Error::Unstorable`], which are outcomes of an entry. [`Error::Full`] refuses the whole batch.
#[async_trait]
pub trait Writer: Send + Sync {
    /// Writes a batch in one atomic step.
    async fn write(&self, batch: Vec<Entry>) -> Result<Vec<Outcome>, Error>;
}

/// What is written together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Events of one command or record.
    Proposal(Proposal),
    /// Steps of a consumer.
    Steps(ConsumerSteps),
    /// Events that a consumer's step causes, with that step.
    Both(Proposal, ConsumerSteps),
}

impl Entry {
    /// The events to record, if there are any.
    pub fn proposal(&self) -> Option<&Proposal> {
        match self {
            Self::Proposal(proposal) | Self::Both(proposal, _) => Some(proposal),
            Self::Steps(_) => None,
        }
    }

    /// The steps to record, if there are any.
    pub fn steps(&self) -> Option<&ConsumerSteps> {
        match self {
            Self::Steps(steps) | Self::Both(_, steps) => Some(steps),
            Self::Proposal(_) => None,
        }
    }

    /// The bytes of its payloads, about.
    pub fn size(&self) -> usize {
        self.proposal().map_or(0, Proposal::size) + self.steps().map_or(0, ConsumerSteps::size)
    }
}

/// The events of one command or record, to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The id that the append gets.
    pub id: AppendId,
    /// The stream to append to.
    pub stream: StreamId,
    /// The sequence that the first event must get; absent appends at the head.
    pub expected: Option<Sequence>,
    /// The command that caused it; absent for facts, whose events carry external ids.
    pub key: Option<CommandKey>,
    /// When it must no longer be recorded; absent for what may be recorded at any time.
    pub deadline: Option<Instant>,
    /// The workflow that the events belong to.
    pub correlation_id: CorrelationId,
    /// The W3C trace context of the command.
    pub trace_parent: Option<String>,
    /// The events; none records the command id only. Those whose external id is known already are left out.
    pub events: Vec<NewEvent>,
    /// The state after the events, to be kept.
    pub snapshot: Option<Snapshot>,
}

impl Proposal {
    /// Whether its deadline has passed.
    pub fn is_late(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Bytes that it takes in a message at most.
    pub fn size(&self) -> usize {
        let events = self.events.iter().map(|event| event.size());
        let snapshot = self.snapshot.as_ref();
        events.sum::<usize>() + snapshot.map_or(0, |snapshot| snapshot.state.size())
    }
}

/// Steps of one consumer, under its lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerSteps {
    /// The consumer; its lease has its name.
    pub consumer: ConsumerId,
    /// The fence: the epoch under which the lease was granted.
    pub epoch: u64,
    /// What changes, in order.
    pub steps: Vec<Step>,
}

impl ConsumerSteps {
    /// Bytes of what is to be sent.
    pub fn size(&self) -> usize {
        self.steps.iter().map(Step::size).sum()
    }
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The proposal was recorded; the append is empty when there was no event (left) to record.
    Appended {
        /// What was recorded.
        append: Append,
        /// The external ids that were known already.
        known: Vec<ExternalId>,
    },
    /// The command had been recorded before, with this result.
    Duplicate(Append),
    /// The steps of an entry without a proposal were recorded.
    Stepped,
    /// The command id, or this external id, was used before with another payload.
    KeyReused {
        /// The command id or external id.
        key: String,
    },
    /// The deadline passed before the store came to it.
    Late,
    /// The stream is not where the proposal expected it.
    Conflict {
        /// The sequence of the next event.
        actual: Sequence,
    },
    /// Another holder of the lease has taken over.
    Fenced {
        /// What the lease is for.
        name: String,
    },
    /// The entry holds something that this store cannot keep.
    Unstorable {
        /// What the store says about it.
        reason: String,
    },
}

impl Outcome {
    /// The error of a store that replied this where its contract does not allow it.
    pub(crate) fn unexpected(&self) -> Error {
        Error::Corrupt(format!("it replied {self:?}"))
    }

    /// Whether nothing of the entry was written.
    pub fn is_refused(&self) -> bool {
        match self {
            Self::Appended { .. } | Self::Duplicate(_) | Self::Stepped => false,
            Self::KeyReused { .. }
            | Self::Late
            | Self::Conflict { .. }
            | Self::Fenced { .. }
            | Self::Unstorable { .. } => true,
        }
    }
}
