//! What a peer says has become of a command.

use angzarr_coordinator::model::{AppendId, Executed, ExternalId, Position};
use angzarr_proto::v1;
use uuid::Uuid;

use crate::append::decode_append;
use crate::error::Error;

/// Reads what became of a command or of facts.
///
/// The response does not carry the append's id; the one in the result is derived from the receipt and names nothing in any store.
///
/// # Errors
/// [`Error::Invalid`] when events or receipt are missing or malformed; the command took effect nevertheless.
pub fn decode_response(response: v1::CommandResponse) -> Result<Executed, Error> {
    let book = response
        .events
        .ok_or_else(|| Error::invalid("events", "is missing"))?;
    let receipt = response
        .receipt
        .ok_or_else(|| Error::invalid("receipt", "is missing"))?;
    let mut append = decode_append(derived_id(&receipt), book)?;
    if append.events.is_empty() {
        append.last_position = Position(receipt.position);
    }
    let mut known = Vec::with_capacity(receipt.known_external_ids.len());
    for (index, text) in receipt.known_external_ids.iter().enumerate() {
        let id = ExternalId::parse(text).map_err(|broken| {
            Error::invalid(format!("receipt.known_external_ids[{index}]"), broken.rule)
        })?;
        known.push(id);
    }
    Ok(Executed {
        append,
        is_replayed: receipt.replayed,
        known,
    })
}

fn derived_id(receipt: &v1::Receipt) -> AppendId {
    let mut name = receipt.incarnation.to_vec();
    name.extend_from_slice(&receipt.position.to_be_bytes());
    name.extend_from_slice(receipt.domain.as_bytes());
    AppendId(Uuid::new_v5(&Uuid::NAMESPACE_OID, &name))
}
