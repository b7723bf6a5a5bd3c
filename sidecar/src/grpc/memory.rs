//! What calls may hold of the memory, counted where they come in and go out.
//!
//! # Design
//! A server reads whole messages before it asks anybody, and a client that does not read leaves replies behind. So a layer around all services reads the
//! length that stands before a message, and lets the message in when there is room for it; what a call then sends counts until the client took it
//! ([`super::leaving`]). A client that holds memory and neither sends nor takes anything is waited for as long as `timeouts.client` says.
//! Queries have a budget of their own, so that those who read hold up nobody who writes.
//!
//! Who holds a share of one budget may wait for one of the next: gateway, calls, histories. Sidecars forward only from the first to the second, and what
//! waits for other sidecars in any other way gives its share back as soon as its request is read, so they never wait for each other in a circle.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use angzarr_config::routing::Routing;
use angzarr_coordinator::budget::{Budget, Share};
use bytes::{Buf, Bytes};
use futures::future::{BoxFuture, Either, MapOk, TryFutureExt};
use http::{HeaderMap, Request, Response};
use hyper::body::{Body as HttpBody, Frame};
use tokio::time::{Sleep, sleep, timeout};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tower_layer::Layer;

use super::leaving::{Leaving, PART, Stalls};
use crate::transport::MESSAGE_BYTES;

/// How long a call waits for room, if its deadline allows.
const PATIENCE: Duration = Duration::from_secs(20);
/// A byte that gzip compressed holds at most so many.
const GZIP_RATIO: usize = 1_032;
/// A message is read into, and written to, a buffer that grows by doubling.
pub(super) const COPIES: usize = 2;
/// A message begins with a flag and its length in four bytes.
const HEAD: usize = 5;

/// The memory of a sidecar, as far as calls take it.
#[derive(Debug, Clone)]
pub struct Memory {
    /// For commands that may be for another sidecar.
    pub gateway: Budget,
    /// For commands that are executed here, and for hints.
    pub calls: Budget,
    /// For the histories that commands are judged on.
    pub histories: Budget,
    /// For queries: their requests, what they read and what they send.
    pub queries: Budget,
    /// How long a client may stand still.
    stalls: Stalls,
}

impl Memory {
    /// As much as the routing allows.
    pub fn new(routing: &Routing) -> Self {
        let limits = &routing.limits;
        Self {
            gateway: Budget::new(limits.in_flight_bytes),
            calls: Budget::new(limits.in_flight_bytes),
            histories: Budget::new(limits.in_flight_bytes),
            queries: Budget::new(limits.query_bytes),
            stalls: Stalls::new(routing.timeouts.client),
        }
    }

    /// Takes over other limits and times.
    pub fn configure(&self, routing: &Routing) {
        let limits = &routing.limits;
        self.gateway.resize(limits.in_flight_bytes);
        self.calls.resize(limits.in_flight_bytes);
        self.histories.resize(limits.in_flight_bytes);
        self.queries.resize(limits.query_bytes);
        self.stalls.configure(routing.timeouts.client);
    }

    /// The budgets, with what each is for.
    pub fn list(&self) -> [(&'static str, &Budget); 4] {
        [
            ("gateway", &self.gateway),
            ("calls", &self.calls),
            ("histories", &self.histories),
            ("queries", &self.queries),
        ]
    }

    /// What holds for a call; nothing for the protocol's own services and those between sidecars, whose messages are small or follow credit.
    fn of(&self, path: &str) -> Option<Rule<'_>> {
        let service = path.strip_prefix("/angzarr.v1.")?.split('/').next()?;
        let rule = |budget, holds_request| Rule {
            budget,
            setting: "limits.inFlightBytes",
            holds_request,
            holds_more: false,
        };
        Some(match service {
            "CommandGateway" => rule(&self.gateway, true),
            "BusinessCoordinator" => rule(&self.calls, true),
            "EventQuery" => Rule {
                setting: "limits.queryBytes",
                holds_more: true,
                ..rule(&self.queries, false)
            },
            _ => rule(&self.calls, false),
        })
    }
}

/// What holds for the calls of a service.
struct Rule<'a> {
    budget: &'a Budget,
    /// What its size is called.
    setting: &'static str,
    /// Whether the request counts until the reply, because it is needed until then.
    holds_request: bool,
    /// Whether a reply holds more than the message on its way.
    holds_more: bool,
}

/// A share that a reply brings along, until it is encoded.
#[derive(Debug, Clone)]
pub(super) struct Held(#[expect(dead_code, reason = "it is only held")] Arc<Share>);

impl Held {
    pub(super) fn new(share: Share) -> Self {
        Self(Arc::new(share))
    }
}

impl<S> Layer<S> for Memory {
    type Service = Bounding<S>;

    fn layer(&self, inner: S) -> Bounding<S> {
        Bounding {
            inner,
            memory: self.clone(),
        }
    }
}

/// A service whose calls are let in as the memory allows.
#[derive(Debug, Clone)]
pub struct Bounding<S> {
    inner: S,
    memory: Memory,
}

/// The share of a call: taken by its request, changed by its response.
pub(super) type Taken = Arc<Mutex<Option<Share>>>;
type BoundingResponse = Box<dyn FnOnce(Response<Body>) -> Response<Body> + Send>;

impl<S: Service<Request<Body>, Response = Response<Body>>> Service<Request<Body>> for Bounding<S> {
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, MapOk<S::Future, BoundingResponse>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(rule) = self.memory.of(request.uri().path()) else {
            return Either::Left(self.inner.call(request));
        };
        let taken = Taken::default();
        let entering = Entering {
            body: Body::empty(),
            budget: rule.budget.clone(),
            setting: rule.setting,
            holds: rule.holds_request,
            taken: Arc::clone(&taken),
            most: expansion(request.headers()),
            read: Bytes::new(),
            asking: None,
            stalls: self.memory.stalls.clone(),
            standing: None,
            came: 0,
        };
        let request = request.map(|body| Body::new(Entering { body, ..entering }));
        let (stalls, holds_more) = (self.memory.stalls.clone(), rule.holds_more);
        let leaving: BoundingResponse = Box::new(move |mut response| {
            let held = response.extensions_mut().remove::<Held>();
            response.map(|body| Body::new(Leaving::new(body, taken, held, stalls, holds_more)))
        });
        Either::Right(self.inner.call(request).map_ok(leaving))
    }
}

/// How many bytes a compressed one holds at most.
fn expansion(headers: &HeaderMap) -> usize {
    match headers
        .get("grpc-encoding")
        .map(http::HeaderValue::as_bytes)
    {
        None | Some(b"identity") => 1,
        Some(b"gzip") => GZIP_RATIO,
        Some(_) => MESSAGE_BYTES,
    }
}

/// A request that is let in when there is room for its message.
struct Entering {
    body: Body,
    budget: Budget,
    setting: &'static str,
    holds: bool,
    taken: Taken,
    most: usize,
    /// What came before the length was known.
    read: Bytes,
    asking: Option<BoxFuture<'static, Result<Share, Status>>>,
    stalls: Stalls,
    /// The time that is left to send the next part, while it is waited for.
    standing: Option<Pin<Box<Sleep>>>,
    /// Bytes of that part.
    came: usize,
}

impl Entering {
    fn has_entered(&self) -> bool {
        locked(&self.taken).is_some()
    }

    /// Reads on, as long as the client sends enough.
    fn poll_rest(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            let after = self.stalls.after();
            let standing = self.standing.get_or_insert_with(|| Box::pin(sleep(after)));
            ready!(standing.as_mut().poll(context));
            resize(&self.taken, 0);
            self.stalls.count("request");
            let status = Status::deadline_exceeded(format!(
                "the request did not come on for {after:?} (timeouts.client) while it held memory; nothing was stored, send it again"
            ));
            return Poll::Ready(Some(Err(status)));
        };
        if let Some(Ok(frame)) = &frame {
            self.came += frame.data_ref().map_or(0, Bytes::len);
        }
        if self.came >= PART {
            (self.standing, self.came) = (None, 0);
        }
        if frame.is_none() && !self.holds {
            resize(&self.taken, 0);
        }
        Poll::Ready(frame)
    }

    /// Takes a share at once, or begins to ask for one.
    fn ask(&mut self) {
        let mut head = &self.read[..];
        let is_compressed = head.get_u8() == 1;
        let length = head.get_u32() as usize;
        // What is larger than a message is refused by the service, unread.
        let most = if is_compressed { self.most } else { 1 };
        let bytes = COPIES * length.saturating_mul(most).min(MESSAGE_BYTES);
        if let Some(share) = self.budget.try_take(bytes) {
            *locked(&self.taken) = Some(share);
            return;
        }
        let (budget, setting) = (self.budget.clone(), self.setting);
        self.asking = Some(Box::pin(async move {
            let taken = timeout(PATIENCE, budget.take(bytes)).await;
            taken.map_err(|_| {
                Status::resource_exhausted(format!(
                    "the calls under way hold all that {setting} allows; nothing was stored, try again later"
                ))
            })
        }));
    }

    /// Reads until the length of the message is known and there is room for it.
    fn poll_entry(&mut self, context: &mut Context<'_>) -> Poll<Result<Entry, Status>> {
        loop {
            if let Some(asking) = &mut self.asking {
                let share = ready!(asking.as_mut().poll(context))?;
                *locked(&self.taken) = Some(share);
                self.asking = None;
            }
            if self.has_entered() {
                let read = std::mem::take(&mut self.read);
                return Poll::Ready(Ok(Entry::Message(read)));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => return Poll::Ready(Ok(Entry::End)),
                Some(frame) => match frame?.into_data() {
                    Ok(data) if self.read.is_empty() => self.read = data,
                    Ok(data) => self.read = [&self.read[..], &data[..]].concat().into(),
                    Err(trailers) => return Poll::Ready(Ok(Entry::Trailers(trailers))),
                },
            }
            if self.read.len() >= HEAD {
                self.ask();
            }
        }
    }
}

/// What a request begins with.
enum Entry {
    Message(Bytes),
    Trailers(Frame<Bytes>),
    End,
}

impl HttpBody for Entering {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.has_entered() {
            return self.poll_rest(context);
        }
        Poll::Ready(match ready!(self.poll_entry(context)) {
            Ok(Entry::Message(read)) => Some(Ok(Frame::data(read))),
            Ok(Entry::Trailers(frame)) => Some(Ok(frame)),
            Ok(Entry::End) => None,
            Err(status) => Some(Err(status)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.body.is_end_stream()
    }
}

pub(super) fn resize(taken: &Taken, bytes: usize) {
    if let Some(share) = &mut *locked(taken) {
        share.set(bytes);
    }
}

pub(super) fn locked<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is shared is put in whole, so a panic elsewhere does not spoil it.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
