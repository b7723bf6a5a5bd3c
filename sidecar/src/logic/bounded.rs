//! A channel to the logic that refuses replies that cannot be read in our own words: what the transport says of them could be a status of the logic.
//! Statuses are made readable, and marked, before the transport reads them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use angzarr_wire::quote;
use bytes::Bytes;
use futures::future::{MapOk, TryFutureExt};
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::{Body as HttpBody, Frame};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::transport::Channel;

use crate::trailers::read_status;
use crate::transport::REPLY_BYTES;

/// The header that names the compression.
const ENCODING: &str = "grpc-encoding";

/// A reply that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("its reply has {0} bytes, at most {REPLY_BYTES} are allowed")]
    TooLarge(usize),
    #[error(
        "its reply is compressed as {0}; set the compression (grpc-encoding) of its gRPC server to gzip, zstd or none"
    )]
    Compressed(String),
    #[error("a proxy before it replied with HTTP status {0}")]
    Proxy(StatusCode),
}

/// The channel.
#[derive(Debug, Clone)]
pub(super) struct Bounded(pub(super) Channel);

type Calling = <Channel as Service<Request<Body>>>::Future;
type Bounding = fn(Response<Body>) -> Response<Body>;

impl Service<Request<Body>> for Bounded {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = MapOk<Calling, Bounding>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let bounding: Bounding = |mut response| {
            let proxy = is_outage(response.status()).then(|| response.status());
            let unknown_encoding = take_unknown_encoding(response.headers_mut());
            read_status(response.headers_mut());
            response.map(|body| {
                Body::new(BoundedBody {
                    body,
                    proxy,
                    unknown_encoding,
                    head: [0; 5],
                    filled: 0,
                })
            })
        };
        self.0.call(request).map_ok(bounding)
    }
}

/// Whether an HTTP status means UNAVAILABLE, by gRPC's own table.
fn is_outage(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// Takes the name of a compression that is not understood, so that a status beside it is still read.
fn take_unknown_encoding(headers: &mut HeaderMap) -> Option<String> {
    let named = headers.get(ENCODING)?.as_bytes();
    if matches!(named, b"identity" | b"gzip" | b"zstd") {
        return None;
    }
    let named = quote(&String::from_utf8_lossy(named));
    headers.remove(ENCODING);
    Some(named)
}

/// A body whose first message is at most as large as allowed.
struct BoundedBody {
    body: Body,
    /// The HTTP status of an outage; what follows need not be gRPC.
    proxy: Option<StatusCode>,
    unknown_encoding: Option<String>,
    /// A message begins with a flag and its length in four bytes.
    head: [u8; 5],
    filled: usize,
}

impl BoundedBody {
    fn look(&mut self, data: &[u8]) -> Result<(), Unreadable> {
        if let Some(status) = self.proxy {
            return Err(Unreadable::Proxy(status));
        }
        let taken = data.len().min(self.head.len() - self.filled);
        if taken == 0 {
            return Ok(());
        }
        self.head[self.filled..][..taken].copy_from_slice(&data[..taken]);
        self.filled += taken;
        if self.filled < self.head.len() {
            return Ok(());
        }
        let [flag, length @ ..] = self.head;
        if let Some(named) = self.unknown_encoding.take_if(|_| flag == 1) {
            return Err(Unreadable::Compressed(named));
        }
        let found = u32::from_be_bytes(length) as usize;
        if found > REPLY_BYTES {
            return Err(Unreadable::TooLarge(found));
        }
        Ok(())
    }
}

impl HttpBody for BoundedBody {
    type Data = Bytes;
    type Error = tonic::codegen::StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let mut frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            read_status(trailers);
        }
        Poll::Ready(match frame {
            Some(Ok(frame)) => match frame.data_ref().map(|data| self.look(data)) {
                Some(Err(unreadable)) => Some(Err(unreadable.into())),
                Some(Ok(())) | None => Some(Ok(frame)),
            },
            Some(Err(status)) => Some(Err(status.into())),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
