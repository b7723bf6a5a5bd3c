//! Tells an answer of the logic from a call that never reached it or broke.

use std::time::Duration;

use angzarr_config::endpoint::Endpoint;
use angzarr_coordinator::model::{self, Code};
use angzarr_coordinator::port::logic::{Error, Said};
use angzarr_wire::decode_status_of_logic;
use tokio::time::timeout;
use tonic::{Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::bounded::{Bounded, Unreadable};
use crate::trailers::{STATUS_BYTES, came_over_the_wire, cut, cut_text};
use crate::transport::{Failure, configured, judge};

/// Awaits a call over [`Bounded`], which marks the statuses of the logic, for as long as it may take, and judges how it ended.
pub(super) async fn within<T>(
    budget: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Error> {
    let status = match timeout(budget, call).await {
        Ok(Ok(response)) => return Ok(response.into_inner()),
        Ok(Err(status)) => status,
        Err(_) => return Err(Error::Broken(format!("no answer within {budget:?}"))),
    };
    if let Some(unreadable) = unreadable(&status) {
        let says = unreadable.to_string();
        return Err(match unreadable {
            Unreadable::TooLarge(_) | Unreadable::Compressed(_) => Error::Contract(says),
            Unreadable::Proxy(_) => Error::Status(unavailable(says)),
        });
    }
    let message = || cut_text(status.message(), STATUS_BYTES);
    Err(match judge(&status) {
        Failure::Status if came_over_the_wire(&status) => {
            Error::Status(decode_status_of_logic(&cut(status)))
        }
        // A proxy before the logic replied with an HTTP status.
        Failure::Status if status.code() == tonic::Code::Unavailable => {
            Error::Status(unavailable(message()))
        }
        Failure::Status => Error::Contract(message()),
        Failure::Unreachable => Error::Unreachable(message()),
        Failure::Broken => Error::Broken(message()),
    })
}

/// Tells a logic that lacks an rpc from one that refuses a call: `by` is what asks for the rpc.
pub(super) fn declared<T>(
    called: Result<T, Error>,
    by: &'static str,
    rpc: &'static str,
) -> Result<T, Error> {
    called.map_err(|error| match error {
        Error::Status(status) if status.code == Code::Unimplemented => Error::Unimplemented {
            by,
            rpc,
            said: Said(status.message),
        },
        other => other,
    })
}

/// What a proxy says whose server is away: it may work later.
fn unavailable(message: String) -> model::Status {
    model::Status::new(Code::Unavailable, message)
}

fn unreadable(status: &Status) -> Option<&Unreadable> {
    let mut source = std::error::Error::source(status);
    while let Some(cause) = source {
        if let Some(unreadable) = cause.downcast_ref() {
            return Some(unreadable);
        }
        source = cause.source();
    }
    None
}

/// How long the health service of the logic may take to reply.
const PROBE_WITHIN: Duration = Duration::from_secs(2);

/// Asks the health service of the logic over a connection of its own: a process that hangs still accepts connections. Logic without that service
/// is up if it says so.
pub(super) async fn probe(logic: &Endpoint) -> Result<(), Error> {
    let connected = super::endpoint(logic).connect().await;
    let channel = connected.map_err(|error| Error::Unreachable(error.to_string()))?;
    let mut health = configured!(HealthClient::new(Bounded(channel)));
    match within(PROBE_WITHIN, health.check(HealthCheckRequest::default())).await {
        Ok(reply) if reply.status() == ServingStatus::Serving => Ok(()),
        Ok(reply) => {
            let reason = format!("its health service says {}", reply.status().as_str_name());
            Err(Error::Unreachable(reason))
        }
        Err(Error::Status(status)) if status.code == Code::Unimplemented => Ok(()),
        Err(error) => Err(error),
    }
}
