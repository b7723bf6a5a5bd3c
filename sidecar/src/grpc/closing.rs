//! Streams that end when the server closes.
//!
//! # Design
//! The server waits for every stream under way, and a watch of health or a reflection ends only when its client wants, so one of them would hold up each
//! drain. They are known by their package, `grpc.`, that of the protocol's own services; ours end by themselves or see to it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::{Either, MapOk, TryFutureExt};
use http::{HeaderMap, Request, Response};
use hyper::body::{Body as HttpBody, Frame};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tower_layer::Layer;

/// Ends the streams of the protocol's own services when the token is cancelled.
#[derive(Debug, Clone)]
pub struct EndStreams(pub CancellationToken);

impl<S> Layer<S> for EndStreams {
    type Service = Ending<S>;

    fn layer(&self, inner: S) -> Ending<S> {
        Ending {
            inner,
            closing: self.0.clone(),
        }
    }
}

/// A service whose streams end.
#[derive(Debug, Clone)]
pub struct Ending<S> {
    inner: S,
    closing: CancellationToken,
}

type EndingResponse = Box<dyn FnOnce(Response<Body>) -> Response<Body> + Send>;

impl<S: Service<Request<Body>, Response = Response<Body>>> Service<Request<Body>> for Ending<S> {
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, MapOk<S::Future, EndingResponse>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !request.uri().path().starts_with("/grpc.") {
            return Either::Left(self.inner.call(request));
        }
        let closing = self.closing.clone();
        // A request that goes on would keep the stream open as well.
        let request = request.map(|body| ending(body, &closing, None));
        let ended: EndingResponse = Box::new(move |response| {
            let farewell = Status::unavailable("the sidecar shuts down; connect again");
            response.map(|body| ending(body, &closing, Some(farewell)))
        });
        Either::Right(self.inner.call(request).map_ok(ended))
    }
}

fn ending(body: Body, closing: &CancellationToken, farewell: Option<Status>) -> Body {
    Body::new(EndingBody {
        body,
        closed: Some(Box::pin(closing.clone().cancelled_owned())),
        farewell,
    })
}

struct EndingBody {
    body: Body,
    /// Absent once the body was ended.
    closed: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// The status at the end; a request has none.
    farewell: Option<Status>,
}

impl HttpBody for EndingBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(closed) = &mut self.closed else {
            return Poll::Ready(None);
        };
        let is_closed = closed.as_mut().poll(context).is_ready();
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_ready() || !is_closed {
            return frame;
        }
        self.closed = None;
        Poll::Ready(self.farewell.take().map(|status| {
            let mut trailers = HeaderMap::new();
            status.add_header(&mut trailers)?;
            Ok(Frame::trailers(trailers))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.closed.is_none() || self.body.is_end_stream()
    }
}
