//! gRPC statuses. The code, the message and the details pass; metadata is the edge's own.

use angzarr_coordinator::model::{Code, Status};

/// Reads a status that a peer or the logic answered. OK is not a failure and is read as UNKNOWN.
pub fn decode_status(status: &tonic::Status) -> Status {
    Status {
        code: Code::from_number(status.code() as i32).unwrap_or(Code::Unknown),
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
