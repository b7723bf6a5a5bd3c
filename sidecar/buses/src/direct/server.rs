//! The owner's side: the gRPC service `Delivery` over an open log.

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use angzarr_coordinator::feed::{Feed, InProcess};
use angzarr_coordinator::model::{Append, Cursor, Domain, Incarnation, Position, Sequence};
use angzarr_coordinator::port::bus::{Delivery as Delivered, From, Subscribe, Subscription};
use angzarr_coordinator::port::log::{Log, PartitionRead, StreamRead};
use angzarr_coordinator::port::store;
use angzarr_proto::internal::v1::delivery_server::{Delivery, DeliveryServer};
use angzarr_proto::internal::v1::{
    self as internal, AppendRecord, FetchAppendsRequest, SubscribeRequest, delivered::Message,
    subscribe_request::Request as Asked,
};
use angzarr_wire::{
    decode_any_stream, decode_identity, decode_start, encode_opened, encode_record, encode_status,
};
use futures::Stream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::error::{check_history, decode_store, encode_bus};
use super::{MESSAGE_BYTES, PIECE_BYTES};

/// How long a consumer may take to say what it wants after it has called.
const START_WITHIN: Duration = Duration::from_secs(10);

/// The most bytes of a request; none carries events.
const REQUEST_BYTES: usize = 1 << 20;

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Hands out the appends of an open log.
pub struct DeliveryService {
    domains: HashSet<Domain>,
    source: InProcess,
    closing: CancellationToken,
}

impl DeliveryService {
    /// Makes the service for some domains of a log. Its streams, which have no end of their own, end with UNAVAILABLE when `closing` is cancelled.
    pub fn new(
        domains: impl IntoIterator<Item = Domain>,
        source: InProcess,
        closing: CancellationToken,
    ) -> Self {
        Self {
            domains: domains.into_iter().collect(),
            source,
            closing,
        }
    }

    /// The service with its message sizes, to be added to a server.
    pub fn into_server(self) -> DeliveryServer<Self> {
        DeliveryServer::new(self)
            .max_decoding_message_size(REQUEST_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES)
    }

    fn require_own(&self, domain: &Domain) -> Result<(), Status> {
        if self.domains.contains(domain) {
            return Ok(());
        }
        Err(Status::not_found(format!(
            "domain {domain} is not stored by this sidecar"
        )))
    }

    async fn open(&self, subscribe: Subscribe) -> Result<(Feed, Cursor), Status> {
        let from = subscribe.from;
        let domain = subscribe.domain.clone();
        let feed = Feed::open(&self.source, subscribe)
            .await
            .map_err(|error| encode_bus(&error))?;
        let head = match from {
            // The head moves on; what the consumer stores is the one at which the feed begins.
            From::Now => feed.opened(),
            From::Beginning | From::Cursor(_) => head_of(&*self.source.log, &domain)
                .await
                .map_err(|error| encode_store(&error))?,
        };
        Ok((feed, head))
    }
}

#[tonic::async_trait]
impl Delivery for DeliveryService {
    type SubscribeStream = Replies<internal::Delivered>;
    type FetchAppendsStream = Replies<AppendRecord>;

    async fn subscribe(
        &self,
        request: Request<Streaming<SubscribeRequest>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let mut requests = request.into_inner();
        let first = tokio::select! {
            () = self.closing.cancelled() => return Err(closing()),
            first = tokio::time::timeout(START_WITHIN, requests.message()) => first,
        };
        let first = first.map_err(|_| Status::invalid_argument("the start did not come"))??;
        let Some(Asked::Start(start)) = first.and_then(|first| first.request) else {
            return Err(Status::invalid_argument("the first message must be start"));
        };
        let subscribe = decode_start(start).map_err(|breach| invalid(&breach))?;
        self.require_own(&subscribe.domain)?;
        tracing::debug!(consumer = %subscribe.consumer, domain = %subscribe.domain, "subscribed");
        let (feed, head) = self.open(subscribe).await?;
        let opened = encode_opened(feed.opened().position, &head);
        let serving = Serving {
            opened: Some(opened),
            incarnation: head.identity.incarnation,
            requests: Some(requests),
            feed,
            closing: self.closing.clone(),
        };
        Ok(Response::new(serving.into_replies()))
    }

    async fn fetch_appends(
        &self,
        request: Request<FetchAppendsRequest>,
    ) -> Result<Response<Self::FetchAppendsStream>, Status> {
        let request = request.into_inner();
        let stream = decode_any_stream("cover", request.cover.as_ref())
            .map_err(|breach| invalid(&breach))?;
        self.require_own(&stream.domain)?;
        let own = self.source.log.identity();
        let is_any = request.store_id.is_empty() && request.incarnation.is_empty();
        if !is_any {
            let history = decode_identity("request", &request.store_id, &request.incarnation)
                .map_err(|breach| invalid(&breach))?;
            check_history(own, history).map_err(|status| encode_status(&status))?;
        }
        let fetching = Fetching {
            incarnation: own.incarnation,
            log: Arc::clone(&self.source.log),
            read: StreamRead {
                stream,
                from: Sequence(request.from_sequence),
                after: Position(request.after_position),
                limit: PIECE_BYTES,
            },
            through: request.through_position.map(Position),
            pending: VecDeque::new(),
        };
        Ok(Response::new(fetching.into_replies()))
    }
}

/// One subscription that is served.
struct Serving {
    opened: Option<internal::SubscribeOpened>,
    incarnation: Incarnation,
    /// Absent once the consumer has said all it will say.
    requests: Option<Streaming<SubscribeRequest>>,
    feed: Feed,
    closing: CancellationToken,
}

impl Serving {
    fn into_replies(self) -> Replies<internal::Delivered> {
        Box::pin(futures::stream::unfold(Some(self), |serving| async {
            let mut serving = serving?;
            let reply = serving.next().await;
            let rest = reply.is_ok().then_some(serving);
            Some((reply, rest))
        }))
    }

    async fn next(&mut self) -> Result<internal::Delivered, Status> {
        if let Some(opened) = self.opened.take() {
            return Ok(encode_delivered(Message::Opened(opened)));
        }
        loop {
            tokio::select! {
                biased;
                () = self.closing.cancelled() => return Err(closing()),
                credit = next_credit(&mut self.requests) => self.feed.grant(credit?),
                delivered = self.feed.next() => {
                    let delivered = delivered.map_err(|error| encode_bus(&error))?;
                    return Ok(encode_delivered(self.encode(&delivered)));
                }
            }
        }
    }

    fn encode(&self, delivered: &Delivered) -> Message {
        match delivered {
            Delivered::Append(append) => Message::Append(encode_record(append, self.incarnation)),
            Delivered::CaughtUp(position) => Message::CaughtUp(internal::CaughtUp {
                position: position.0,
            }),
        }
    }
}

/// Waits for credit; forever once the consumer sends no more, since what was granted may still be used.
async fn next_credit(requests: &mut Option<Streaming<SubscribeRequest>>) -> Result<u32, Status> {
    if let Some(open) = requests {
        match open.message().await? {
            Some(SubscribeRequest {
                request: Some(Asked::Credit(credit)),
            }) => return Ok(credit.appends),
            Some(_) => {
                return Err(Status::invalid_argument(
                    "messages after the first must be credit",
                ));
            }
            None => *requests = None,
        }
    }
    std::future::pending().await
}

/// One fetch that is served.
struct Fetching {
    incarnation: Incarnation,
    log: Arc<dyn Log>,
    read: StreamRead,
    through: Option<Position>,
    pending: VecDeque<Append>,
}

impl Fetching {
    fn into_replies(self) -> Replies<AppendRecord> {
        Box::pin(futures::stream::try_unfold(
            self,
            |mut fetching| async move {
                let append = fetching.next().await?;
                Ok(append.map(|append| (encode_record(&append, fetching.incarnation), fetching)))
            },
        ))
    }

    async fn next(&mut self) -> Result<Option<Append>, Status> {
        if self.pending.is_empty() {
            let piece = self
                .log
                .read_stream(self.read.clone())
                .await
                .map_err(|error| encode_store(&error))?;
            if let Some(last) = piece.last() {
                self.read.from = last.next_sequence();
            }
            self.pending.extend(piece);
        }
        let is_within = |append: &Append| {
            self.through
                .is_none_or(|through| append.position_before() < through)
        };
        Ok(self.pending.pop_front().filter(is_within))
    }
}

/// Where a partition ends.
pub(super) async fn head_of(log: &dyn Log, domain: &Domain) -> Result<Cursor, store::Error> {
    let read = PartitionRead {
        domain: domain.clone(),
        after: Position::ORIGIN,
        limit: 0,
    };
    let page = log.read_partition(read).await?;
    Ok(Cursor {
        position: page.head,
        append_id: page.head_append,
        identity: log.identity(),
    })
}

fn encode_delivered(message: Message) -> internal::Delivered {
    internal::Delivered {
        message: Some(message),
    }
}

fn encode_store(error: &store::Error) -> Status {
    encode_status(&decode_store(error))
}

fn invalid(breach: &angzarr_wire::Error) -> Status {
    Status::invalid_argument(breach.to_string())
}

fn closing() -> Status {
    Status::unavailable("this sidecar is shutting down")
}
