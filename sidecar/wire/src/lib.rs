//! Conversions between the contract's messages and the pipeline's model: `decode_*` from the wire, `encode_*` to it.
//!
//! # Design
//! The gRPC edge, the direct bus and the stores (outgoing commands are kept as the messages that are sent) speak the same messages. The model
//! knows none of them, so the mapping is a crate of its own, beside the three, instead of in one of them.

mod append;
mod command;
mod decision;
mod error;
mod field;
mod projection;
mod status;
mod subscribe;

pub use append::{
    decode_append, decode_record, decode_snapshot, encode_append, encode_book, encode_history,
    encode_record, encode_snapshot,
};
pub use command::{
    decode_command, decode_facts, decode_requested_command, decode_requested_facts, encode_command,
    encode_executed, encode_facts,
};
pub use decision::{decode_decision, encode_contextual};
pub use error::{Error, quote};
pub use field::{
    check_cover, decode_any_stream, decode_correlation, decode_payload, decode_stream,
    decode_timestamp, encode_cover, encode_payload, encode_timestamp,
};
pub use projection::{decode_projection, encode_projection, encode_reacted};
pub use status::{decode_status, decode_status_of_logic, encode_status};
pub use subscribe::{decode_identity, decode_opened, decode_start, encode_opened, encode_start};
