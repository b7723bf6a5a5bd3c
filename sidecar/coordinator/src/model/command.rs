//! Commands, decisions and refusals.

use super::event::{Append, Payload, PayloadHash, Sequence, Snapshot, Timestamp};
use super::name::{CommandId, CorrelationId, StreamId};

/// How a command's expected sequence is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MergeStrategy {
    /// The sender's sequence must be the next one.
    Strict,
    /// The sender's sequence is not looked at; the logic decides on what it sees.
    AggregateHandles,
}

/// A request to one root that may be refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The root that it is for.
    pub stream: StreamId,
    /// A repeat with the same id is executed only once.
    pub id: CommandId,
    /// The correlation id.
    pub correlation_id: CorrelationId,
    /// The next sequence that the sender expects.
    pub expected: Sequence,
    /// How `expected` is judged.
    pub merge_strategy: MergeStrategy,
    /// What is asked; at least one.
    pub pages: Vec<Payload>,
    /// What caused it, for commands of sagas and process managers.
    pub origin: Option<Origin>,
    /// The W3C trace context of the sender.
    pub trace_parent: Option<String>,
}

impl Command {
    /// Where the stream must be for the command to be judged; absent where the sender leaves that to the logic.
    pub fn required_sequence(&self) -> Option<Sequence> {
        match self.merge_strategy {
            MergeStrategy::Strict => Some(self.expected),
            MergeStrategy::AggregateHandles => None,
        }
    }
}

/// How far a command waits for what follows from its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// It does not.
    None,
    /// For the synchronous projectors of its domain.
    Simple,
}

/// The event that caused a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The saga or process manager.
    pub component: String,
    /// The stream of the event.
    pub trigger: StreamId,
    /// The first event of the append that caused it.
    pub sequence: Sequence,
    /// Its place among the commands that the append caused.
    pub index: u32,
}

/// A command's id with the hash over its pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandKey {
    /// The id, unique within the stream.
    pub id: CommandId,
    /// The hash over each page's type name and bytes.
    pub hash: PayloadHash,
}

/// Facts that happened elsewhere, for one root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The root that they are for.
    pub stream: StreamId,
    /// The correlation id.
    pub correlation_id: CorrelationId,
    /// The facts, each with its external id; at least one.
    pub events: Vec<super::event::NewEvent>,
    /// The sequence that the first must get; absent appends at the head.
    pub expected: Option<Sequence>,
    /// The W3C trace context of the sender.
    pub trace_parent: Option<String>,
}

/// What the logic sees of a root: the snapshot, if any, and the events after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The root that the command is for.
    pub stream: StreamId,
    /// The latest usable snapshot.
    pub snapshot: Option<Snapshot>,
    /// The events after the snapshot.
    pub events: Vec<super::event::Event>,
    /// The sequence of the next event.
    pub next_sequence: Sequence,
}

impl History {
    /// That of a root without events.
    pub fn empty(stream: &StreamId) -> Self {
        Self {
            stream: stream.clone(),
            snapshot: None,
            events: Vec::new(),
            next_sequence: Sequence::FIRST,
        }
    }
}

/// What the logic returned for a command, unchecked; what it leaves unset is filled in, what differs is refused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// The stream that it names, as far as it is set.
    pub cover: DecisionCover,
    /// What is to be recorded, in order.
    pub pages: Vec<DecisionPage>,
    /// The state after the events, to be kept as a snapshot.
    pub snapshot: Option<Payload>,
}

/// The parts of a cover that the logic may set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DecisionCover {
    /// `None` where the logic leaves it to the coordinator, as in all fields.
    pub domain: Option<String>,
    /// The root's bytes.
    pub root: Option<Vec<u8>>,
    /// As text, not yet checked.
    pub edition: Option<String>,
    /// As text, not yet checked.
    pub correlation_id: Option<String>,
}

/// One event of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionPage {
    /// The sequence that the logic gave it, if any.
    pub sequence: Option<Sequence>,
    /// The time that the logic gave it, if any.
    pub created_at: Option<Timestamp>,
    /// The event; absent is a breach of the contract.
    pub payload: Option<Payload>,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// What was recorded, now or when the command first came.
    pub append: Append,
    /// Whether the command had taken effect before.
    pub is_replayed: bool,
    /// The external ids that were known already, for facts.
    pub known: Vec<super::name::ExternalId>,
}

/// A projection that a projector returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    /// The root that was projected.
    pub stream: StreamId,
    /// The correlation id.
    pub correlation_id: Option<CorrelationId>,
    /// The projector's name.
    pub projector: String,
    /// The last event that it holds; absent when it holds none.
    pub sequence: Option<Sequence>,
    /// The read model, in a message of the projector; `None` when it shows nothing.
    pub payload: Option<Payload>,
}

/// The codes of a gRPC status, by their meaning in the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
#[allow(missing_docs, reason = "the names are those of gRPC")]
pub enum Code {
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    const ALL: [Self; 16] = [
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The code of a gRPC number; absent for OK and for numbers that gRPC does not define.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|code| *code as i32 == number)
    }
}

/// A refusal or failure in gRPC's terms, passed on unchanged from where it arose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code:?}: {message}")]
pub struct Status {
    /// What kind of failure it is.
    pub code: Code,
    /// The sentence for the caller; text from outside, which may have any characters and any length.
    pub message: String,
    /// The encoded `google.rpc.Status` details.
    pub details: bytes::Bytes,
    /// Whether the user's logic returned it; otherwise it is of a sidecar. Not kept by stores.
    pub is_of_logic: bool,
}

impl Status {
    /// A status without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: bytes::Bytes::new(),
            is_of_logic: false,
        }
    }

    /// As it is stored: the message without characters that some stores cannot keep, and not longer than a person reads.
    pub(crate) fn to_stored(&self) -> Self {
        const MOST: usize = 4 << 10;
        let cut = self.message.floor_char_boundary(MOST);
        let mark = if cut < self.message.len() { " …" } else { "" };
        let message = self.message[..cut].replace('\0', "\u{fffd}") + mark;
        let details = match self.details.len() <= MOST {
            true => self.details.clone(),
            false => bytes::Bytes::new(),
        };
        Self {
            message,
            details,
            ..self.clone()
        }
    }

    /// The bytes of its message and details.
    pub(crate) fn size(&self) -> usize {
        self.message.len() + self.details.len()
    }
}
