//! Replies on their way to their clients: what they hold of the memory, and for how long.
//!
//! # Design
//! Nobody asks a reply for more while its client takes nothing, so a task beside it watches the time. What it then takes from the reply is given back at
//! once; the client learns it when it reads on. The transport keeps what it was handed, so a large frame is handed to it in parts.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body as HttpBody, Frame};
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;
use tonic::body::Body;

use super::memory::{COPIES, Held, Taken, locked, resize};

/// The bytes that a client must take, or send, within the time that it has.
pub(super) const PART: usize = 64 << 10;

/// How long clients may hold memory without taking or sending anything, and how many did longer.
#[derive(Debug, Clone)]
pub(super) struct Stalls {
    nanos: Arc<AtomicU64>,
    total: Counter<u64>,
}

impl Stalls {
    pub(super) fn new(after: Duration) -> Self {
        let total = global::meter("angzarr")
            .u64_counter("angzarr.call.stalled.total")
            .with_description(
                "Calls that were ended because their clients held memory and took or sent nothing",
            )
            .build();
        let stalls = Self {
            nanos: Arc::default(),
            total,
        };
        stalls.configure(after);
        stalls
    }

    /// Takes over another time; it holds for calls that are under way, too, once their time is looked at again.
    pub(super) fn configure(&self, after: Duration) {
        let nanos = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.store(nanos, Ordering::Relaxed);
    }

    pub(super) fn after(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }

    /// Counts a call that was ended while its request or its reply stood still.
    pub(super) fn count(&self, part: &'static str) {
        self.total.add(1, &[KeyValue::new("part", part)]);
    }
}

/// A response, each frame of which counts until the next is wanted, or until its client has taken nothing for too long.
pub(super) struct Leaving {
    reply: Arc<Mutex<Reply>>,
    stalls: Stalls,
    /// Whether more is held than the frame on its way.
    holds_more: bool,
    watch: Option<AbortOnDropHandle<()>>,
}

struct Reply {
    body: Body,
    taken: Taken,
    held: Option<Held>,
    /// What is left of a frame that is handed out in parts.
    rest: Bytes,
    /// Since when it is the client's turn; absent while the reply is waited for.
    handed: Option<Instant>,
    state: State,
}

enum State {
    Goes,
    /// It was ended, and the client does not know.
    Stalled(Result<HeaderMap, Status>),
    Over,
}

impl Leaving {
    pub(super) fn new(
        body: Body,
        taken: Taken,
        held: Option<Held>,
        stalls: Stalls,
        holds_more: bool,
    ) -> Self {
        let reply = Reply {
            body,
            taken,
            held,
            rest: Bytes::new(),
            handed: None,
            state: State::Goes,
        };
        Self {
            reply: Arc::new(Mutex::new(reply)),
            stalls,
            holds_more,
            watch: None,
        }
    }
}

impl Reply {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.handed = None;
        match std::mem::replace(&mut self.state, State::Over) {
            State::Goes => self.state = State::Goes,
            State::Stalled(end) => return Poll::Ready(Some(end.map(Frame::trailers))),
            State::Over => return Poll::Ready(None),
        }
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.hand_part())));
        }
        resize(&self.taken, 0);
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        // Encoded, it counts as what is sent.
        self.held = None;
        let Some(Ok(frame)) = frame else {
            return Poll::Ready(frame);
        };
        let frame = match frame.into_data() {
            Ok(data) => {
                resize(&self.taken, COPIES * data.len());
                self.handed = Some(Instant::now());
                if data.len() > PART {
                    self.rest = data;
                    self.hand_part()
                } else {
                    Frame::data(data)
                }
            }
            Err(trailers) => trailers,
        };
        Poll::Ready(Some(Ok(frame)))
    }

    /// A part of the frame, copied: what shares memory with the rest would keep all of it.
    fn hand_part(&mut self) -> Frame<Bytes> {
        self.handed = Some(Instant::now());
        let part = self.rest.split_to(self.rest.len().min(PART));
        if self.rest.is_empty() {
            self.rest = Bytes::new();
        }
        Frame::data(Bytes::copy_from_slice(&part))
    }

    /// Gives back everything. Within a message no status can be told, only a reset that stands for RESOURCE_EXHAUSTED.
    fn stall(&mut self, after: Duration) {
        let end = if self.rest.is_empty() {
            let status = Status::resource_exhausted(format!(
                "nothing of the reply was taken for {after:?} (timeouts.client) while it held memory; ask again, of a stream from the sequence after the last \
                 event that arrived"
            ));
            let mut trailers = HeaderMap::new();
            status.add_header(&mut trailers).map(|()| trailers)
        } else {
            let reset = h2::Error::from(h2::Reason::ENHANCE_YOUR_CALM);
            Err(Status::from_error(Box::new(reset)))
        };
        self.state = State::Stalled(end);
        self.body = Body::empty();
        self.rest = Bytes::new();
        self.held = None;
        resize(&self.taken, 0);
    }
}

/// Ends a reply once it was its client's turn for too long.
async fn watch(reply: Arc<Mutex<Reply>>, stalls: Stalls) {
    let mut due = Instant::now() + stalls.after();
    loop {
        sleep_until(due).await;
        let (now, after) = (Instant::now(), stalls.after());
        let mut reply = locked(&reply);
        due = reply.handed.unwrap_or(now) + after;
        if due <= now {
            reply.stall(after);
            stalls.count("reply");
            return;
        }
    }
}

impl HttpBody for Leaving {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let (frame, is_large) = {
            let mut reply = locked(&self.reply);
            let frame = ready!(reply.poll_frame(context));
            (frame, !reply.rest.is_empty())
        };
        if self.watch.is_none() && (self.holds_more || is_large) {
            let watching = watch(Arc::clone(&self.reply), self.stalls.clone());
            self.watch = Some(AbortOnDropHandle::new(tokio::spawn(watching)));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let reply = locked(&self.reply);
        match reply.state {
            State::Goes => reply.rest.is_empty() && reply.body.is_end_stream(),
            State::Stalled(_) => false,
            State::Over => true,
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        locked(&self.reply).body.size_hint()
    }
}
