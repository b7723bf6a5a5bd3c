//! Projections.

use angzarr_coordinator::model::{ConsumerKind, Projection, Sequence};
use angzarr_coordinator::reaction::{Failure, Reacted};
use angzarr_proto::v1;

use crate::error::Error;
use crate::field::{
    decode_correlation, decode_payload, decode_stream, encode_cover, encode_payload,
};

/// Reads a projection. One without a read model and with sequence 0 says that no event of the root was handled.
///
/// # Errors
/// [`Error::Invalid`] when the cover is malformed.
pub fn decode_projection(projection: v1::Projection) -> Result<Projection, Error> {
    let stream = decode_stream(projection.cover.as_ref())?;
    let given = projection
        .cover
        .as_ref()
        .map_or("", |cover| &cover.correlation_id);
    let correlation_id = decode_correlation(given)?;
    let payload = projection.projection.map(decode_payload);
    let holds_events = payload.is_some() || projection.sequence > 0;
    Ok(Projection {
        stream,
        correlation_id,
        projector: projection.projector,
        sequence: holds_events.then_some(Sequence(projection.sequence)),
        payload,
    })
}

/// Writes a projection.
pub fn encode_projection(projection: &Projection) -> v1::Projection {
    v1::Projection {
        cover: Some(encode_cover(
            &projection.stream,
            projection.correlation_id.as_ref(),
        )),
        projector: projection.projector.clone(),
        sequence: projection.sequence.map_or(0, |sequence| sequence.0),
        projection: projection.payload.as_ref().map(encode_payload),
    }
}

/// Adds what followed from a command to its response.
pub fn encode_reacted(reacted: Reacted, response: &mut v1::CommandResponse) {
    response.projections = reacted.projections.iter().map(encode_projection).collect();
    response.reaction_errors = reacted.failures.into_iter().map(encode_failure).collect();
    if let Some(receipt) = &mut response.receipt {
        receipt.consumers_reached = reacted.reached;
    }
}

fn encode_failure(failure: Failure) -> v1::ReactionError {
    let kind = match failure.kind {
        ConsumerKind::Projector => v1::ComponentKind::Projector,
        ConsumerKind::Saga => v1::ComponentKind::Saga,
        ConsumerKind::ProcessManager => v1::ComponentKind::ProcessManager,
    };
    v1::ReactionError {
        kind: kind.into(),
        code: failure.status.code as i32,
        not_reached: failure.is_not_reached(),
        component: failure.component,
        message: failure.status.message,
    }
}
