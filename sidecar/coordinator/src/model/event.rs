//! Events, appends and snapshots as they are recorded.

use bytes::Bytes;

use super::name::{
    AppendId, CommandId, CorrelationId, ExternalId, Incarnation, Root, StoreId, StreamId,
};

/// Place of an event in its stream; the first is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sequence(pub u32);

impl Sequence {
    /// The first place of every stream.
    pub const FIRST: Self = Self(0);

    /// The place `count` further on.
    pub fn plus(self, count: usize) -> Self {
        let count = u32::try_from(count).expect("an append has at most 1,000 events");
        Self(
            self.0
                .checked_add(count)
                .expect("a stream has less than 2^32 events"),
        )
    }
}

/// Place of an event in its partition, dense and in commit order; the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position(pub u64);

impl Position {
    /// The place before the first event.
    pub const ORIGIN: Self = Self(0);

    /// The place `count` further on.
    pub fn plus(self, count: usize) -> Self {
        Self(self.0 + count as u64)
    }
}

/// A moment on the wall clock, as `google.protobuf.Timestamp` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds within the second, 0 to 999,999,999.
    pub nanos: i32,
}

impl Timestamp {
    /// Whether it is what `google.protobuf.Timestamp` allows: a moment of the years 1 to 9999.
    pub fn is_valid(self) -> bool {
        (-62_135_596_800..=253_402_300_799).contains(&self.seconds)
            && (0..1_000_000_000).contains(&self.nanos)
    }
}

/// What a page takes in a message at most, beside type, value and external id: its other fields, and the lengths before each. All limits in bytes
/// count it.
const PAGE_BYTES: usize = 64;

/// A typed message of the user's own schema, never looked into.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Payload {
    /// The type URL; what counts is the full name after the last slash.
    pub type_url: String,
    /// The encoded message, without the type.
    pub value: Bytes,
}

impl Payload {
    /// The full name of the message's type.
    pub fn type_name(&self) -> &str {
        self.type_url.rsplit('/').next().unwrap_or(&self.type_url)
    }

    /// Bytes that a page with it takes in a message at most, an external id aside: its type, its value and 64 bytes for all other fields.
    pub fn size(&self) -> usize {
        self.type_url.len() + self.value.len() + PAGE_BYTES
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({} bytes)", self.type_name(), self.value.len())
    }
}

/// SHA-256 over the type names and bytes of what an idempotency key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PayloadHash(pub [u8; 32]);

/// A fact about to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// What happened.
    pub payload: Payload,
    /// When it happened.
    pub created_at: Timestamp,
    /// Its idempotency key, where it happened elsewhere.
    pub external: Option<ExternalKey>,
}

impl NewEvent {
    /// Bytes that it takes in a message at most.
    pub fn size(&self) -> usize {
        let external = self.external.as_ref();
        self.payload.size() + external.map_or(0, |external| external.id.as_str().len())
    }
}

/// The idempotency key of a fact that happened elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalKey {
    /// The id, unique within its stream.
    pub id: ExternalId,
    /// The hash over the fact.
    pub hash: PayloadHash,
}

/// A recorded fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place in the stream.
    pub sequence: Sequence,
    /// Its place in the partition.
    pub position: Position,
    /// What happened.
    pub payload: Payload,
    /// When it happened.
    pub created_at: Timestamp,
    /// Its idempotency key, where it happened elsewhere.
    pub external_id: Option<ExternalId>,
}

impl Event {
    /// Bytes that it takes in a message at most.
    pub fn size(&self) -> usize {
        let external = self.external_id.as_ref();
        self.payload.size() + external.map_or(0, |id| id.as_str().len())
    }
}

/// The events of one command or one record: the unit of storing, of delivery and of progress.
///
/// Its events have contiguous sequences and contiguous positions. It is empty only as the result of a command that recorded
/// nothing; such an append is never in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Random; tells a cursor apart from one of another history.
    pub id: AppendId,
    /// The stream that it belongs to.
    pub stream: StreamId,
    /// The sequence of its first event, or of the next one when it is empty.
    pub first_sequence: Sequence,
    /// The position of its last event, or of the partition's last one when it is empty.
    pub last_position: Position,
    /// The correlation id.
    pub correlation_id: CorrelationId,
    /// The command that caused it, absent for recorded facts.
    pub command_id: Option<CommandId>,
    /// The W3C trace context of the command.
    pub trace_parent: Option<String>,
    /// In the order of their sequences.
    pub events: Vec<Event>,
}

impl Append {
    /// The sequence that follows its last event.
    pub fn next_sequence(&self) -> Sequence {
        self.first_sequence.plus(self.events.len())
    }

    /// The position before its first event.
    pub fn position_before(&self) -> Position {
        Position(self.last_position.0 - self.events.len() as u64)
    }

    /// Bytes that its events take in a message at most.
    pub fn size(&self) -> usize {
        self.events.iter().map(Event::size).sum()
    }
}

/// What an aggregate declares its snapshots to be; another value makes old snapshots unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SnapshotVersion(pub u32);

/// The state of a root after an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The last event included.
    pub sequence: Sequence,
    /// The declared version when it was taken.
    pub version: SnapshotVersion,
    /// When it was taken.
    pub created_at: Timestamp,
    /// The state after the event of that sequence, in a message of the logic.
    pub state: Payload,
}

/// Which history a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreIdentity {
    /// Written once, when the store is made.
    pub store_id: StoreId,
    /// Changed by a restore.
    pub incarnation: Incarnation,
}

/// How far a reader of a partition got, with what proves that it reads the same history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The last position read, or [`Position::ORIGIN`].
    pub position: Position,
    /// The append that ends there; absent at the origin.
    pub append_id: Option<AppendId>,
    /// The store and its incarnation.
    pub identity: StoreIdentity,
}

/// A root and how long its stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootHead {
    /// Its id within the domain and edition.
    pub root: Root,
    /// The sequence of its next event.
    pub next_sequence: Sequence,
}
