//! gRPC statuses. The code, the message and the details pass; metadata is the edge's own.

use angzarr_coordinator::model::{Code, Status};

/// Reads a status that a peer or the logic answered. OK is not a failure and is read as UNKNOWN.
pub fn decode_status(status: &tonic::Status) -> Status {
    Status {
        code: decode_code(status.code()),
        message: status.message().to_owned(),
        details: status.details().to_vec().into(),
    }
}

/// Writes a status.
pub fn encode_status(status: &Status) -> tonic::Status {
    tonic::Status::with_details(
        tonic::Code::from_i32(status.code as i32),
        status.message.clone(),
        status.details.clone(),
    )
}

fn decode_code(code: tonic::Code) -> Code {
    match code {
        tonic::Code::Cancelled => Code::Cancelled,
        tonic::Code::Ok | tonic::Code::Unknown => Code::Unknown,
        tonic::Code::InvalidArgument => Code::InvalidArgument,
        tonic::Code::DeadlineExceeded => Code::DeadlineExceeded,
        tonic::Code::NotFound => Code::NotFound,
        tonic::Code::AlreadyExists => Code::AlreadyExists,
        tonic::Code::PermissionDenied => Code::PermissionDenied,
        tonic::Code::ResourceExhausted => Code::ResourceExhausted,
        tonic::Code::FailedPrecondition => Code::FailedPrecondition,
        tonic::Code::Aborted => Code::Aborted,
        tonic::Code::OutOfRange => Code::OutOfRange,
        tonic::Code::Unimplemented => Code::Unimplemented,
        tonic::Code::Internal => Code::Internal,
        tonic::Code::Unavailable => Code::Unavailable,
        tonic::Code::DataLoss => Code::DataLoss,
        tonic::Code::Unauthenticated => Code::Unauthenticated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_with_message_and_details() {
        for code in 1..=16 {
            let given = tonic::Status::with_details(
                tonic::Code::from_i32(code),
                "no",
                vec![1, 2, 3].into(),
            );
            let back = encode_status(&decode_status(&given));
            assert_eq!(back.code(), given.code());
            assert_eq!(back.message(), "no");
            assert_eq!(back.details(), [1, 2, 3]);
        }
    }
}
