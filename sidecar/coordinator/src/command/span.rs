//! The spans of a command's way. Each says of which root and which workflow it is.

use tracing::Span;

use crate::model::{CorrelationId, StreamId};

macro_rules! phase {
    ($level:ident, $name:literal, $stream:expr, $correlation:expr) => {
        tracing::$level!(
            $name,
            domain = %$stream.domain,
            root = %$stream.root,
            correlation_id = %$correlation
        )
    };
}

/// All of a command or record, to its reply. The caller of an executor enters it.
pub fn handle(stream: &StreamId, correlation: &CorrelationId) -> Span {
    phase!(info_span, "aggregate.handle", stream, correlation)
}

/// Reading what the command needs.
pub(super) fn load_events(stream: &StreamId, correlation: &CorrelationId) -> Span {
    phase!(debug_span, "aggregate.load_events", stream, correlation)
}

/// The call of the logic.
pub(super) fn execute(stream: &StreamId, correlation: &CorrelationId) -> Span {
    phase!(debug_span, "aggregate.execute", stream, correlation)
}

/// Making the events durable.
pub(super) fn persist(stream: &StreamId, correlation: &CorrelationId) -> Span {
    phase!(debug_span, "aggregate.persist", stream, correlation)
}

/// What follows once the events are durable.
pub fn post_persist(stream: &StreamId, correlation: &CorrelationId) -> Span {
    phase!(debug_span, "aggregate.post_persist", stream, correlation)
}

/// The synchronous projectors of the events.
pub fn sync_projectors(stream: &StreamId, correlation: &CorrelationId) -> Span {
    phase!(debug_span, "aggregate.sync_projectors", stream, correlation)
}
