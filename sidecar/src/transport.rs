//! How a gRPC call failed: whether the other side answered, was never reached, or went away under way.

use std::error::Error;

use angzarr_proto::v1::business_coordinator_client::BusinessCoordinatorClient;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{ConnectError, Request, Status};

pub use angzarr_config::routing::MESSAGE_BYTES;
use angzarr_config::routing::ROOM_BYTES;

/// The most bytes of a reply of the logic: passed on, it is part of a message.
pub const REPLY_BYTES: usize = MESSAGE_BYTES - ROOM_BYTES;

/// The most bytes of a request to a service of the protocol, such as health.
pub const STANDARD_BYTES: usize = 64 << 10;

/// How a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The other side answered with a status.
    Status,
    /// The call never left: no connection could be made.
    Unreachable,
    /// The connection or the call broke after it was made; what the other side did is unknown.
    Broken,
}

/// Judges a failed call. A status that came over the wire has no source; one that our side made of a failure carries that failure.
pub fn judge(status: &Status) -> Failure {
    let mut source = status.source();
    if source.is_none() {
        return Failure::Status;
    }
    while let Some(cause) = source {
        if cause.is::<ConnectError>() {
            return Failure::Unreachable;
        }
        source = cause.source();
    }
    Failure::Broken
}

/// Makes a request that carries the correlation id and the trace.
pub fn request<T>(message: T, correlation: Option<&str>, trace_parent: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    put(request.metadata_mut(), CORRELATION, correlation);
    put(request.metadata_mut(), TRACE_PARENT, trace_parent);
    request
}

/// Adds metadata if there is a value.
pub fn put(metadata: &mut MetadataMap, key: &'static str, value: Option<&str>) {
    // Ids with bytes that metadata cannot carry stand in the message itself.
    if let Some(value) = value.and_then(|value| value.parse().ok()) {
        metadata.insert(key, value);
    }
}

/// Gives a client or server the limits and compressions that all have. What is compressed may expand to the limit. The generated types have these
/// methods in common, but no trait.
macro_rules! configured {
    ($service:expr) => {
        $service
            .max_decoding_message_size($crate::transport::MESSAGE_BYTES)
            .max_encoding_message_size($crate::transport::MESSAGE_BYTES)
            .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
            .accept_compressed(tonic::codec::CompressionEncoding::Zstd)
    };
}
pub(crate) use configured;

/// A client of the sidecar that serves a domain's commands.
pub fn coordinator(channel: Channel) -> BusinessCoordinatorClient<Channel> {
    configured!(BusinessCoordinatorClient::new(channel))
}

/// The metadata that carries the correlation id.
pub const CORRELATION: &str = "x-correlation-id";
/// The metadata that carries the W3C trace context.
pub const TRACE_PARENT: &str = "traceparent";
/// The metadata that says which projector of several is meant.
pub const PROJECTOR: &str = "x-angzarr-projector";
/// The metadata that says which saga of several is meant.
pub const SAGA: &str = "x-angzarr-saga";
/// The metadata of a query, or of a call to a consumer, that a sidecar passed on; it is not passed on again.
pub const FORWARDED: &str = "x-angzarr-forwarded";
