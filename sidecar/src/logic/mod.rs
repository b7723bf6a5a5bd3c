//! The user's logic over gRPC, on localhost.

mod aggregate;
mod bounded;
mod consumer;
mod error;

use std::time::Duration;

use angzarr_config::endpoint::Endpoint;

use bounded::Bounded;

use crate::trailers::HEADER_BYTES;

pub use aggregate::GrpcAggregate;
pub use consumer::{GrpcProjector, GrpcSaga};

/// How long a connection to the logic may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Makes a channel that connects when it is first used, and again whenever the logic comes back.
fn channel(logic: &Endpoint) -> Bounded {
    Bounded(endpoint(logic).connect_lazy())
}

fn endpoint(logic: &Endpoint) -> tonic::transport::Endpoint {
    tonic::transport::Endpoint::from_shared(logic.as_str().to_owned())
        .expect("an endpoint is a URL")
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_max_header_list_size(HEADER_BYTES)
        .tcp_nodelay(true)
}
