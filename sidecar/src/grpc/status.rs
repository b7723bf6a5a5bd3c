//! The one place where errors become gRPC statuses.

use angzarr_coordinator::command;
use angzarr_coordinator::model::CommandId;
use angzarr_coordinator::port::store;
use angzarr_proto::v1;
use angzarr_wire as wire;
use prost::Message;
use tonic::{Code, Status};
use tonic_types::pb;

use crate::query;

/// The trailer of every error that names the command to repeat.
pub const COMMAND_ID: &str = "x-angzarr-command-id";

/// Judges an error of the command pipeline.
pub fn of_command(error: &command::Error, id: Option<&CommandId>) -> Status {
    use command::Error as E;
    let code = match error {
        E::Refused(status) => return with_command_id(wire::encode_status(status), id),
        E::Conflict {
            stream,
            expected,
            actual,
        } => {
            let conflict = v1::SequenceConflict {
                domain: stream.domain.to_string(),
                root: Some(v1::Uuid {
                    value: stream.root.as_bytes().to_vec().into(),
                }),
                expected: expected.0,
                actual: actual.0,
                edition: None,
            };
            let status = detailed(
                Code::Aborted,
                &error.to_string(),
                "angzarr.v1.SequenceConflict",
                &conflict,
            );
            return with_command_id(status, id);
        }
        E::Invalid(_) | E::KeyReused { .. } | E::Unstorable(_) => Code::InvalidArgument,
        E::ForeignDomain(_) => Code::NotFound,
        E::Contended { .. } => Code::Aborted,
        E::Contract(_) => Code::Internal,
        E::LogicUnavailable(_) | E::StoreUnavailable(_) | E::Unknown(_) => Code::Unavailable,
        E::Busy(_) | E::StoreFull | E::HistoryTooLarge { .. } => Code::ResourceExhausted,
        E::Late(_) => Code::DeadlineExceeded,
    };
    with_command_id(Status::new(code, error.to_string()), id)
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
        query::Error::TooLarge { .. } => Status::resource_exhausted(error.to_string()),
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

fn detailed(code: Code, message: &str, type_name: &str, detail: &impl Message) -> Status {
    let any = prost_types::Any {
        type_url: format!("type.googleapis.com/{type_name}"),
        value: detail.encode_to_vec(),
    };
    let status = pb::Status {
        code: code as i32,
        message: message.to_owned(),
        details: vec![any],
    };
    Status::with_details(code, message, status.encode_to_vec().into())
}

/// Names the command in the trailers, so that whoever does not know the outcome can repeat it.
pub fn with_command_id(mut status: Status, id: Option<&CommandId>) -> Status {
    // An id with bytes that metadata cannot carry was chosen by the client, who knows it.
    if let Some(value) = id.and_then(|id| id.as_str().parse().ok()) {
        status.metadata_mut().insert(COMMAND_ID, value);
    }
    status
}
