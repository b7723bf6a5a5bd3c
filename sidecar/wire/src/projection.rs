//! Projections.

use angzarr_coordinator::model::{Code, ConsumerKind, Projection, Sequence, Status};
use angzarr_coordinator::reaction::{Failure, Reacted};
use angzarr_proto::v1;
use prost::Message;

use crate::error::Error;
use crate::field::{
    decode_correlation, decode_payload, decode_stream, encode_cover, encode_payload,
};

/// What stands before a message within another, at most.
const LENGTH_BYTES: usize = 8;

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

/// Adds what followed from a command to its response, which may have `most` bytes. A projection that does not fit is told as an error of its
/// projector: the events stand, and so does what the projector keeps.
pub fn encode_reacted(reacted: Reacted, response: &mut v1::CommandResponse, most: usize) {
    response.reaction_errors = reacted.failures.into_iter().map(encode_failure).collect();
    if let Some(receipt) = &mut response.receipt {
        receipt.consumers_reached = reacted.reached;
    }
    let mut room = most.saturating_sub(response.encoded_len());
    for projection in &reacted.projections {
        let message = encode_projection(projection);
        let bytes = message.encoded_len() + LENGTH_BYTES;
        if bytes <= room {
            room -= bytes;
            response.projections.push(message);
        } else {
            let failure = too_large(projection, bytes, room);
            room = room.saturating_sub(failure.encoded_len() + LENGTH_BYTES);
            response.reaction_errors.push(failure);
        }
    }
}

fn too_large(projection: &Projection, bytes: usize, room: usize) -> v1::ReactionError {
    let message = format!(
        "the projection has {bytes} bytes and the response room for {room}; read it where the projector keeps it, or return less"
    );
    encode_failure(Failure {
        component: projection.projector.clone(),
        kind: ConsumerKind::Projector,
        status: Status::new(Code::ResourceExhausted, message),
    })
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
