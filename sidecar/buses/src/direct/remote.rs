//! Calls to the `Delivery` service of an owner.

use angzarr_coordinator::model::{
    Append, Cursor, Domain, Incarnation, Position, Sequence, Status, StoreIdentity, StreamId,
};
use angzarr_coordinator::port::bus::{Delivery, Error, Subscribe, Subscription};
use angzarr_coordinator::port::log::StreamRead;
use angzarr_proto::internal::v1::delivery_client::DeliveryClient;
use angzarr_proto::internal::v1::{
    self as internal, Credit, FetchAppendsRequest, SubscribeRequest, delivered::Message,
    subscribe_request::Request,
};
use angzarr_wire::{decode_opened, decode_record, encode_cover, encode_start};
use async_trait::async_trait;
use futures::Stream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::error::{decode_bus, decode_call, unavailable};
use super::{MESSAGE_BYTES, PIECE_BYTES};

fn client(channel: Channel) -> DeliveryClient<Channel> {
    DeliveryClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(MESSAGE_BYTES)
}

/// Opens a subscription at an owner.
pub(super) async fn subscribe(
    channel: Channel,
    moved: CancellationToken,
    subscribe: Subscribe,
) -> Result<RemoteSubscription, Error> {
    let (credit, granted) = watch::channel(0_u64);
    let requests = requests(encode_start(&subscribe), granted);
    let response = client(channel).subscribe(requests).await;
    let mut incoming = response.map_err(|status| decode_bus(&status))?.into_inner();
    let Some(Message::Opened(opened)) = receive(&mut incoming).await? else {
        return Err(Error::Corrupt("the first message is not opened".to_owned()));
    };
    let opened = decode_opened(&opened, subscribe.from)
        .map_err(|breach| Error::Corrupt(breach.to_string()))?;
    Ok(RemoteSubscription {
        incoming,
        moved,
        credit,
        opened,
        last: opened.position,
        domain: subscribe.domain,
        end: None,
    })
}

/// The start, then credit whenever some was granted. Grants add up in the watch, so a stalled connection holds one number and no queue.
fn requests(
    start: internal::SubscribeStart,
    granted: watch::Receiver<u64>,
) -> impl Stream<Item = SubscribeRequest> {
    let state = (Some(start), granted, 0_u64);
    futures::stream::unfold(state, |(start, mut granted, sent)| async move {
        if let Some(start) = start {
            let request = SubscribeRequest {
                request: Some(Request::Start(start)),
            };
            return Some((request, (None, granted, sent)));
        }
        let total = *granted.wait_for(|total| *total > sent).await.ok()?;
        let appends = u32::try_from(total - sent).unwrap_or(u32::MAX);
        let request = SubscribeRequest {
            request: Some(Request::Credit(Credit { appends })),
        };
        Some((request, (None, granted, sent + u64::from(appends))))
    })
}

/// A running subscription at another sidecar.
pub(super) struct RemoteSubscription {
    incoming: tonic::Streaming<internal::Delivered>,
    moved: CancellationToken,
    credit: watch::Sender<u64>,
    opened: Cursor,
    last: Position,
    domain: Domain,
    end: Option<Error>,
}

#[async_trait]
impl Subscription for RemoteSubscription {
    fn opened(&self) -> Cursor {
        self.opened
    }

    async fn next(&mut self) -> Result<Delivery, Error> {
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        let received = tokio::select! {
            biased;
            () = self.moved.cancelled() => Err(Error::unavailable("the routing names another owner")),
            received = receive(&mut self.incoming) => received,
        };
        let delivery = match received {
            Ok(message) => self.read(message),
            Err(error) => Err(error),
        };
        if let Err(error) = &delivery {
            self.end = Some(error.clone());
        }
        delivery
    }

    fn grant(&mut self, appends: u32) {
        self.credit
            .send_modify(|total| *total = total.saturating_add(u64::from(appends)));
    }
}

impl RemoteSubscription {
    fn read(&mut self, message: Option<Message>) -> Result<Delivery, Error> {
        match message {
            Some(Message::Append(record)) => {
                let incarnation = Incarnation::from_bytes(&record.incarnation).ok();
                if incarnation != Some(self.opened.identity.incarnation) {
                    return corrupt("an append is of another incarnation than was opened");
                }
                let append =
                    decode_record(record).map_err(|breach| Error::Corrupt(breach.to_string()))?;
                if append.stream.domain != self.domain {
                    return corrupt("an append is of another domain");
                }
                if append.position_before() != self.last {
                    return corrupt("an append does not follow the one before it");
                }
                self.last = append.last_position;
                Ok(Delivery::Append(append))
            }
            Some(Message::CaughtUp(caught_up)) if caught_up.position == self.last.0 => {
                Ok(Delivery::CaughtUp(self.last))
            }
            Some(Message::CaughtUp(_)) => corrupt("caught up at another position than delivered"),
            Some(Message::Opened(_)) => corrupt("the subscription was opened twice"),
            None => corrupt("a message is empty"),
        }
    }
}

fn corrupt<T>(why: &str) -> Result<T, Error> {
    Err(Error::Corrupt(why.to_owned()))
}

async fn receive(
    incoming: &mut tonic::Streaming<internal::Delivered>,
) -> Result<Option<Message>, Error> {
    match incoming.message().await {
        Ok(Some(delivered)) => Ok(delivered.message),
        Ok(None) => Err(Error::unavailable("the owner ended the subscription")),
        Err(status) => Err(decode_bus(&status)),
    }
}

/// Fetches one piece of a stream.
pub(super) async fn fetch(
    channel: Channel,
    history: StoreIdentity,
    read: StreamRead,
) -> Result<Vec<Append>, Status> {
    let request = FetchAppendsRequest {
        cover: Some(encode_cover(&read.stream, None)),
        from_sequence: read.from.0,
        after_position: read.after.0,
        through_position: None,
        store_id: history.store_id.as_bytes().to_vec().into(),
        incarnation: history.incarnation.as_bytes().to_vec().into(),
    };
    let response = client(channel).fetch_appends(request).await;
    let mut records = response
        .map_err(|status| decode_call(&status))?
        .into_inner();
    let mut piece = Vec::new();
    let mut bytes = 0;
    while bytes < PIECE_BYTES {
        let Some(record) = records
            .message()
            .await
            .map_err(|status| decode_call(&status))?
        else {
            break;
        };
        let append = decode_record(record).map_err(|breach| unavailable(breach.to_string()))?;
        check_order(&read.stream, read.from, piece.last(), &append)?;
        bytes += append.size();
        piece.push(append);
    }
    Ok(piece)
}

fn check_order(
    stream: &StreamId,
    from: Sequence,
    last: Option<&Append>,
    append: &Append,
) -> Result<(), Status> {
    let follows = match last {
        Some(last) => append.first_sequence == last.next_sequence(),
        None => append.next_sequence() > from,
    };
    if append.stream != *stream || !follows {
        return Err(unavailable(format!(
            "the owner sent appends of {stream} that do not follow each other"
        )));
    }
    Ok(())
}
