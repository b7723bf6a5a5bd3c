//! The one place where errors of the command pipeline get a code, as they travel within the sidecar and to its peers.

use angzarr_coordinator::command::Error;
use angzarr_coordinator::describe;
use angzarr_coordinator::model::{Code, Sequence, Status, StreamId};
use angzarr_coordinator::port::store;
use angzarr_proto::v1;
use prost::Message;
use tonic_types::pb;

use crate::trailers::{STATUS_BYTES, cut_text};

/// Judges an error of the command pipeline. What the logic refused passes unchanged.
pub fn of_command(error: &Error) -> Status {
    let code = match error {
        Error::Refused(status) => return status.clone(),
        Error::Conflict {
            stream,
            expected,
            actual,
        } => {
            return Status {
                details: conflict(error, stream, *expected, *actual).into(),
                ..Status::new(Code::Aborted, error.to_string())
            };
        }
        Error::Invalid(_) | Error::KeyReused { .. } | Error::Unstorable(_) => Code::InvalidArgument,
        Error::ForeignDomain(_) => Code::NotFound,
        Error::Contended { .. } => Code::Aborted,
        Error::Contract(_) => Code::Internal,
        Error::StoreUnavailable(store::Error::Corrupt(_)) => Code::DataLoss,
        Error::LogicUnavailable(_) | Error::StoreUnavailable(_) | Error::Unknown(_) => {
            Code::Unavailable
        }
        Error::Busy(_) | Error::StoreFull => Code::ResourceExhausted,
        // Waiting does not make it smaller.
        Error::HistoryTooLarge { .. } => Code::FailedPrecondition,
        Error::Late(_) => Code::DeadlineExceeded,
    };
    // Foreign texts are in some of them, and consumers keep them.
    Status::new(code, cut_text(&describe(error), STATUS_BYTES))
}

/// The details of a conflict, as `google.rpc.Status` carries them.
fn conflict(error: &Error, stream: &StreamId, expected: Sequence, actual: Sequence) -> Vec<u8> {
    let detail = v1::SequenceConflict {
        domain: stream.domain.to_string(),
        root: Some(v1::Uuid {
            value: stream.root.as_bytes().to_vec().into(),
        }),
        expected: expected.0,
        actual: actual.0,
        edition: None,
    };
    let status = pb::Status {
        code: Code::Aborted as i32,
        message: error.to_string(),
        details: vec![prost_types::Any {
            type_url: "type.googleapis.com/angzarr.v1.SequenceConflict".to_owned(),
            value: detail.encode_to_vec(),
        }],
    };
    status.encode_to_vec()
}
