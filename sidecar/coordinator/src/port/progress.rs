//! The progress of consumers: how far each got, per source and per root.

use std::time::Duration;

use async_trait::async_trait;

use super::store::Error;
use crate::model::{
    Code, Command, ConsumerId, CorrelationId, Cursor, Domain, Facts, Payload, Sequence, Status,
    StreamId,
};

/// Tells how far consumers got; steps are written by [`Writer::write`](super::writer::Writer::write).
///
/// # Guarantees
/// - A source is opened once: later calls return what the first stored.
/// - Progress of one consumer is not seen by another.
///
/// # Assumptions
/// - Cursors given to one source come from one history; the caller has checked that.
///
/// # Errors
/// As [`Error`] says.
#[async_trait]
pub trait Progress: Send + Sync {
    /// Stores where a consumer starts in a source, unless that is stored already, and returns what is stored.
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
    /// Set while the root is parked for the consumer.
    pub parked: Option<Parked>,
}

/// Why a root is parked for a consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The first event of the append that failed.
    pub sequence: Sequence,
    /// How often the logic was asked.
    pub attempts: u32,
    /// What the logic replied last, in a form that every store can keep: without NUL, and short.
    pub error: Status,
}

/// One change of a consumer's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Everything of the stream below `next` is handled; what it caused is to be sent.
    Advance {
        /// Whose progress changes.
        stream: StreamId,
        /// The sequence to handle next.
        next: Sequence,
        /// What it caused, in order.
        outgoing: Vec<Outgoing>,
        /// How long from now on the first attempts to send that may take effect, as [`Step::Attempt`] says; zero if it is not attempted before such
        /// a step.
        may_land_within: Duration,
    },
    /// Everything of the source up to the cursor is done.
    MoveCursor {
        /// Which source it is.
        domain: Domain,
        /// The last append that is done.
        cursor: Cursor,
    },
    /// Sets a root aside.
    Park {
        /// Whose progress changes.
        stream: StreamId,
        /// Why.
        parked: Parked,
    },
    /// Takes a root back in.
    Unpark {
        /// Whose progress changes.
        stream: StreamId,
    },
    /// Attempts to send outgoing work may take effect so long from now on, by the clock of the store; it never gets shorter by a later step. Work
    /// that is not there is passed over.
    ///
    /// Whoever sends work stores first how long that attempt may take effect, and whoever comes after, in whatever process and with whatever
    /// settings, believes no refusal before that time is over.
    Attempt {
        /// Which work it is.
        id: OutgoingId,
        /// How long it may take until none of the attempts can take effect any more.
        may_land_within: Duration,
    },
    /// Outgoing work has its final answer: it is removed, or parked with the refusal.
    Settle {
        /// Which work it is.
        id: OutgoingId,
        /// The refusal, in a form that every store can keep; absent when it took effect.
        refusal: Option<Status>,
    },
    /// Work that was parked goes out again.
    Resend {
        /// Which work it is.
        id: OutgoingId,
    },
    /// Work that was parked is given up.
    Discard {
        /// Which work it is.
        id: OutgoingId,
    },
}

impl Step {
    /// Bytes of what is to be sent.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Advance { outgoing, .. } => {
                outgoing.iter().map(|outgoing| outgoing.work.size()).sum()
            }
            Self::MoveCursor { .. }
            | Self::Park { .. }
            | Self::Unpark { .. }
            | Self::Attempt { .. }
            | Self::Settle { .. }
            | Self::Resend { .. }
            | Self::Discard { .. } => 0,
        }
    }
}

/// Names a piece of outgoing work: derived from its trigger, so that it has the same name whenever it is made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutgoingId(pub String);

/// A command or record that a consumer's answer caused, to be executed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Derived from its trigger, so that a repeat is recognised.
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
    /// Nothing: the consumer asked for something that cannot be executed.
    Malformed(Malformed),
}

impl Work {
    /// The stream that it is for, and its correlation id; absent for what cannot be executed.
    pub fn target(&self) -> Option<(&StreamId, &CorrelationId)> {
        match self {
            Self::Command(command) => Some((&command.stream, &command.correlation_id)),
            Self::Facts(facts) => Some((&facts.stream, &facts.correlation_id)),
            Self::Malformed(_) => None,
        }
    }

    /// Bytes that it takes in a message at most.
    pub fn size(&self) -> usize {
        match self {
            Self::Command(command) => command.pages.iter().map(Payload::size).sum(),
            Self::Facts(facts) => {
                let events = facts.events.iter();
                events.map(|event| event.size()).sum()
            }
            Self::Malformed(malformed) => malformed.reason.len(),
        }
    }
}

/// A request that cannot be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Its target, as far as it is known.
    pub target: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Malformed {
    /// The refusal that it gets whenever it is tried.
    pub fn refusal(&self) -> Status {
        let Self { target, reason } = self;
        Status::new(
            Code::InvalidArgument,
            format!("the saga's answer for {target} cannot be executed: {reason}"),
        )
    }
}
