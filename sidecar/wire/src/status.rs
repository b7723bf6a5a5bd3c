//! gRPC statuses. The code, the message, the details and whose status it is pass; all other metadata is the edge's own.

use angzarr_coordinator::model::{Code, Status};
use tonic::metadata::MetadataValue;

/// The trailer that says whose status it is: `logic` where the user's logic returned it. A sidecar sets it itself and passes no trailer of the
/// logic on, so that it cannot be faked.
const STATUS_OF: &str = "x-angzarr-status-of";
/// The value of [`STATUS_OF`] for a status of the logic.
const OF_LOGIC: &str = "logic";

/// Reads a status of a peer. OK is not a failure and is read as UNKNOWN.
pub fn decode_status(status: &tonic::Status) -> Status {
    let speaker = status.metadata().get(STATUS_OF);
    Status {
        is_of_logic: speaker.is_some_and(|speaker| speaker == OF_LOGIC),
        code: Code::from_number(status.code() as i32).unwrap_or(Code::Unknown),
        message: status.message().to_owned(),
        details: status.details().to_vec().into(),
    }
}

/// Reads a status of the user's logic, whatever its trailers say.
pub fn decode_status_of_logic(status: &tonic::Status) -> Status {
    Status {
        is_of_logic: true,
        ..decode_status(status)
    }
}

/// Writes a status.
pub fn encode_status(status: &Status) -> tonic::Status {
    let mut encoded = tonic::Status::with_details(
        tonic::Code::from_i32(status.code as i32),
        status.message.clone(),
        status.details.clone(),
    );
    if status.is_of_logic {
        let of_logic = MetadataValue::from_static(OF_LOGIC);
        encoded.metadata_mut().insert(STATUS_OF, of_logic);
    }
    encoded
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
            assert!(back.metadata().is_empty());
        }
    }

    #[test]
    fn whose_status_it_is_passes_between_sidecars() {
        let of_logic = decode_status_of_logic(&tonic::Status::not_found("no such account"));
        let at_peer = decode_status(&encode_status(&of_logic));
        assert!(at_peer.is_of_logic);
        let of_sidecar = Status::new(Code::NotFound, "no route");
        assert_eq!(decode_status(&encode_status(&of_sidecar)), of_sidecar);
    }
}
