//! The words of the pipeline as types. Wire messages are decoded into these at the edge.

mod command;
mod event;
mod name;

pub use command::{
    Code, Command, CommandKey, Decision, DecisionCover, DecisionPage, Executed, Facts, History,
    MergeStrategy, Origin, Projection, Status, SyncMode,
};
pub use event::{
    Append, Cursor, Event, ExternalKey, NewEvent, Payload, PayloadHash, Position, RootHead,
    Sequence, Snapshot, SnapshotVersion, StoreIdentity, Timestamp,
};
pub use name::{
    AppendId, CommandId, ConsumerId, ConsumerKind, CorrelationId, Domain, Edition, ExternalId,
    Incarnation, Invalid, Root, StoreId, StreamId,
};
