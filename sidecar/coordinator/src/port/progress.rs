//! The progress of consumers: how far each got, per source and per root.

use async_trait::async_trait;

use super::store::Error;
use crate::model::{Command, ConsumerId, Cursor, Domain, Facts, Sequence, Status, StreamId};

/// Records how far consumers got, together with the effects that are ours.
///
/// # Guarantees
/// - `commit` is one atomic, durable step; it is refused with [`Error::Fenced`] unless `epoch` is the current one of the lease named after the
///   consumer.
/// - A root's next sequence and a source's cursor never move backwards, whatever is committed.
/// - A source is opened once: later calls answer what the first stored.
/// - Outgoing work gets its place in the order of commits; committing the same outgoing work twice (same id) keeps the first.
/// - Progress of one consumer is not seen by another.
///
/// # Assumptions
/// - Cursors given to one source come from one history; the caller has checked that.
///
/// # Errors
/// As [`Error`] says.
#[async_trait]
pub trait Progress: Send + Sync {
    /// Stores where a consumer starts in a source, unless that is stored already, and answers what is stored.
    async fn open_source(
        &self,
        consumer: &ConsumerId,
        domain: &Domain,
        start: Cursor,
    ) -> Result<SourceProgress, Error>;

    /// Reads how far a consumer got in a source; absent when the source was never opened.
    async fn read_source(
        &self,
        consumer: &ConsumerId,
        domain: &Domain,
    ) -> Result<Option<SourceProgress>, Error>;

    /// Reads how far a consumer got in each of the streams, in their order.
    async fn read_roots(
        &self,
        consumer: &ConsumerId,
        streams: Vec<StreamId>,
    ) -> Result<Vec<RootProgress>, Error>;

    /// Records steps in one atomic step, under the consumer's lease.
    async fn commit(
        &self,
        consumer: &ConsumerId,
        epoch: u64,
        steps: Vec<Step>,
    ) -> Result<(), Error>;
}

/// How far a consumer got in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceProgress {
    /// Where it started; nothing before counts as missing.
    pub start: Cursor,
    /// Everything up to here is handled, or waits behind a parked root.
    pub cursor: Cursor,
}

/// How far a consumer got in a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RootProgress {
    /// The sequence that it handles next; absent before the first.
    pub next_sequence: Option<Sequence>,
    /// Set while the root is set aside for the consumer.
    pub parked: Option<Parked>,
}

/// Why a root is set aside for a consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The first event of the append that failed.
    pub sequence: Sequence,
    /// How often the logic was asked.
    pub attempts: u32,
    /// The last answer.
    pub error: Status,
}

/// One change of a consumer's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Everything of the stream below `next` is handled; what it caused is to be sent.
    Advance {
        /// The stream.
        stream: StreamId,
        /// The sequence to handle next.
        next: Sequence,
        /// What it caused, in order.
        outgoing: Vec<Outgoing>,
    },
    /// Everything of the source up to the cursor is done.
    MoveCursor {
        /// The source.
        domain: Domain,
        /// The new place.
        cursor: Cursor,
    },
    /// Sets a root aside.
    Park {
        /// The stream.
        stream: StreamId,
        /// Why.
        parked: Parked,
    },
    /// Takes a root back in.
    Unpark {
        /// The stream.
        stream: StreamId,
    },
    /// Outgoing work has its final answer: it is removed, or set aside with the refusal.
    Settle {
        /// The work.
        id: OutgoingId,
        /// The refusal; absent when it took effect.
        refusal: Option<Status>,
    },
    /// Work that was set aside goes out again.
    Resend {
        /// The work.
        id: OutgoingId,
    },
    /// Work that was set aside is given up.
    Discard {
        /// The work.
        id: OutgoingId,
    },
}

/// Names a piece of outgoing work: derived from its trigger, so that it has the same name whenever it is made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutgoingId(pub String);

/// A command or record that a consumer's answer caused, to be executed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its name.
    pub id: OutgoingId,
    /// The stream of the trigger; work of one trigger stream leaves in order.
    pub trigger: StreamId,
    /// What to do.
    pub work: Work,
}

/// What outgoing work does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Executes a command.
    Command(Command),
    /// Records facts.
    Facts(Facts),
}
