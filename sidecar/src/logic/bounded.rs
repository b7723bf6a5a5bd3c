//! A channel to the logic that refuses answers over the limit in our own words: what the transport says of them could be a status of the logic. Statuses
//! are made readable before the transport reads them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::future::{MapOk, TryFutureExt};
use http::{Request, Response};
use hyper::body::{Body as HttpBody, Frame};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::transport::Channel;

use crate::trailers::repair;
use crate::transport::MESSAGE_BYTES;

/// An answer that is larger than any answer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its answer has {found} bytes, at most {MESSAGE_BYTES} are allowed")]
pub(super) struct TooLarge {
    found: usize,
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
            repair(response.headers_mut());
            response.map(|body| {
                Body::new(BoundedBody {
                    body,
                    head: [0; 5],
                    filled: 0,
                })
            })
        };
        self.0.call(request).map_ok(bounding)
    }
}

/// A body whose first message is at most as large as allowed.
struct BoundedBody {
    body: Body,
    /// A message begins with a flag and its length in four bytes.
    head: [u8; 5],
    filled: usize,
}

impl BoundedBody {
    fn look(&mut self, data: &[u8]) -> Result<(), TooLarge> {
        let taken = data.len().min(self.head.len() - self.filled);
        if taken == 0 {
            return Ok(());
        }
        self.head[self.filled..][..taken].copy_from_slice(&data[..taken]);
        self.filled += taken;
        let [_, length @ ..] = self.head;
        let found = u32::from_be_bytes(length) as usize;
        if self.filled == self.head.len() && found > MESSAGE_BYTES {
            return Err(TooLarge { found });
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
            repair(trailers);
        }
        Poll::Ready(match frame {
            Some(Ok(frame)) => match frame.data_ref().map(|data| self.look(data)) {
                Some(Err(large)) => Some(Err(large.into())),
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
