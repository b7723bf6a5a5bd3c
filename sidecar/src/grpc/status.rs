//! The one place where errors become gRPC statuses.

use angzarr_coordinator::command;
use angzarr_coordinator::model::CommandId;
use angzarr_coordinator::port::store;
use angzarr_coordinator::query;
use angzarr_wire as wire;
use tonic::Status;

use crate::refusal;

/// The trailer of every error that names the command to repeat.
pub const COMMAND_ID: &str = "x-angzarr-command-id";

/// Judges an error of the command pipeline.
pub fn of_command(error: &command::Error, id: Option<&CommandId>) -> Status {
    with_command_id(wire::encode_status(&refusal::of_command(error)), id)
}

/// Judges a message that breaks the contract.
pub fn of_wire(error: &wire::Error) -> Status {
    match error {
        wire::Error::Invalid { .. } => Status::invalid_argument(error.to_string()),
        wire::Error::Unsupported { .. } => Status::unimplemented(error.to_string()),
    }
}

/// Judges a failed read.
pub fn of_query(error: &query::Error) -> Status {
    match error {
        query::Error::TooLarge { .. } | query::Error::Busy => {
            Status::resource_exhausted(error.to_string())
        }
        query::Error::Store(cause @ store::Error::Corrupt(_)) => {
            Status::data_loss(cause.to_string())
        }
        query::Error::Store(cause) => Status::unavailable(cause.to_string()),
    }
}

/// Names a field with the rule that it broke.
pub fn invalid(field: &str, rule: &str) -> Status {
    Status::invalid_argument(format!("{field} {rule}"))
}

/// Names the command in the trailers, so that anyone who does not know the outcome can repeat it.
pub fn with_command_id(mut status: Status, id: Option<&CommandId>) -> Status {
    // An id with bytes that metadata cannot carry was chosen by the client, who knows it.
    if let Some(value) = id.and_then(|id| id.as_str().parse().ok()) {
        status.metadata_mut().insert(COMMAND_ID, value);
    }
    status
}
