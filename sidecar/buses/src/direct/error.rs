//! Failures of the direct bus as gRPC statuses, and back.

use angzarr_coordinator::describe;
use angzarr_coordinator::model::{Code, Status, StoreIdentity};
use angzarr_coordinator::port::{bus, store};
use angzarr_wire::decode_status;

/// Writes a failure of a feed.
pub(super) fn encode_bus(error: &bus::Error) -> tonic::Status {
    match error {
        bus::Error::Unavailable(cause) => tonic::Status::unavailable(describe(&**cause)),
        bus::Error::Diverged(why) => tonic::Status::failed_precondition(why),
        bus::Error::Corrupt(why) => tonic::Status::data_loss(why),
    }
}

/// Reads what ended a subscription. Whatever is not known to need a person is tried again.
pub(super) fn decode_bus(status: &tonic::Status) -> bus::Error {
    let why = status.message().to_owned();
    match (is_answered(status), status.code()) {
        (true, tonic::Code::FailedPrecondition) => bus::Error::Diverged(why),
        (true, tonic::Code::DataLoss) => bus::Error::Corrupt(why),
        _ => bus::Error::unavailable(decode_status(status)),
    }
}

/// Reads the status of a call; what the transport made up becomes UNAVAILABLE.
pub(super) fn decode_call(status: &tonic::Status) -> Status {
    if is_answered(status) {
        return decode_status(status);
    }
    unavailable(format!("reach the owner: {}", status.message()))
}

/// Judges a failure of the log that is read in this process.
pub(super) fn decode_store(error: &store::Error) -> Status {
    match error {
        store::Error::Corrupt(_) => Status::new(Code::DataLoss, error.to_string()),
        store::Error::Unavailable(_)
        | store::Error::Full(_)
        | store::Error::Fenced { .. }
        | store::Error::Unstorable(_)
        | store::Error::Fatal(_) => unavailable(error.to_string()),
    }
}

/// Checks that a fetch reads the history that the consumer consumes: after a restore, sequences may stand for other events.
pub(super) fn check_history(own: StoreIdentity, asked: StoreIdentity) -> Result<(), Status> {
    if own == asked {
        return Ok(());
    }
    let diverged = bus::Error::of_histories(asked, own);
    Err(Status::new(Code::FailedPrecondition, diverged.to_string()))
}

pub(super) fn unavailable(message: String) -> Status {
    Status::new(Code::Unavailable, message)
}

/// A status of the transport carries its cause, one of the server does not.
fn is_answered(status: &tonic::Status) -> bool {
    std::error::Error::source(status).is_none()
}
