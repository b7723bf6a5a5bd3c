//! A reader of the log of a domain that continues when its owner is killed, and records gaps.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use angzarr_proto::internal::v1::delivered::Message;
use angzarr_proto::internal::v1::delivery_client::DeliveryClient;
use angzarr_proto::internal::v1::subscribe_request::Request as Asked;
use angzarr_proto::internal::v1::subscribe_start::From;
use angzarr_proto::internal::v1::{
    AppendRecord, Credit, ResumePoint, SubscribeOpened, SubscribeRequest, SubscribeStart,
};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// The number of appends in flight; small, so that reader and log wait for each other.
const CREDIT: u32 = 8;

/// Reads the log of a domain from its beginning.
#[derive(Clone)]
pub struct Reader {
    channel: Channel,
    domain: String,
    seen: Arc<Mutex<Seen>>,
}

/// The appends that a reader saw.
#[derive(Default)]
struct Seen {
    appends: Vec<AppendRecord>,
    faults: Vec<String>,
    history: Option<SubscribeOpened>,
    caught_up: u64,
}

/// The position of the last event of an append.
pub fn last_position(append: &AppendRecord) -> u64 {
    append.position + append.book.as_ref().unwrap().pages.len() as u64 - 1
}

impl Reader {
    /// Creates a reader.
    pub fn new(channel: Channel, domain: &str) -> Self {
        Self {
            channel,
            domain: domain.to_owned(),
            seen: Arc::default(),
        }
    }

    /// Reads until it is aborted; a broken subscription is opened again after the last append.
    pub async fn run(self) {
        loop {
            // A subscription breaks when its owner is killed, which is not a fault here.
            let _ = self.follow().await;
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// All appends so far.
    pub fn appends(&self) -> Vec<AppendRecord> {
        self.seen.lock().unwrap().appends.clone()
    }

    /// The faults: an append that does not follow the previous one, another history.
    pub fn faults(&self) -> Vec<String> {
        self.seen.lock().unwrap().faults.clone()
    }

    /// Whether it has seen all appends up to a position.
    pub fn is_at(&self, head: u64) -> bool {
        self.seen.lock().unwrap().caught_up >= head
    }

    async fn follow(&self) -> Result<(), Status> {
        let (requests, sent) = mpsc::channel(CREDIT as usize * 2);
        let start = Asked::Start(self.start());
        requests.try_send(request(start)).unwrap();
        let mut client = DeliveryClient::new(self.channel.clone());
        let answered = client.subscribe(ReceiverStream::new(sent)).await?;
        let mut delivered = answered.into_inner();
        while let Some(message) = next(&mut delivered).await? {
            match message {
                Message::Opened(opened) => self.open(opened),
                Message::Append(append) => {
                    self.take(append);
                    let credit = Asked::Credit(Credit { appends: 1 });
                    if requests.send(request(credit)).await.is_err() {
                        break;
                    }
                }
                Message::CaughtUp(caught_up) => {
                    self.seen.lock().unwrap().caught_up = caught_up.position;
                }
            }
        }
        Ok(())
    }

    fn start(&self) -> SubscribeStart {
        let seen = self.seen.lock().unwrap();
        let from = match (seen.appends.last(), &seen.history) {
            (Some(last), Some(history)) => From::Resume(ResumePoint {
                position: last_position(last),
                append_id: last.append_id.clone(),
                incarnation: last.incarnation.clone(),
                store_id: history.store_id.clone(),
            }),
            _ => From::Beginning(()),
        };
        SubscribeStart {
            domain: self.domain.clone(),
            from: Some(from),
            consumer: "probe/projector/reader".to_owned(),
            credit: CREDIT,
        }
    }

    fn open(&self, opened: SubscribeOpened) {
        let mut seen = self.seen.lock().unwrap();
        let before = seen.history.replace(opened.clone());
        let is_other = before.is_some_and(|before| {
            (before.store_id, before.incarnation) != (opened.store_id, opened.incarnation)
        });
        if is_other {
            seen.faults.push("the history changed".to_owned());
        }
    }

    fn take(&self, append: AppendRecord) {
        let mut seen = self.seen.lock().unwrap();
        let mut last = seen.appends.last().map_or(0, last_position);
        for page in &append.book.as_ref().unwrap().pages {
            if page.position != last + 1 {
                let fault = format!("position {} came after {last}", page.position);
                seen.faults.push(fault);
            }
            last = page.position;
        }
        seen.appends.push(append);
    }
}

fn request(request: Asked) -> SubscribeRequest {
    SubscribeRequest {
        request: Some(request),
    }
}

async fn next(
    delivered: &mut Streaming<angzarr_proto::internal::v1::Delivered>,
) -> Result<Option<Message>, Status> {
    let delivered = delivered.message().await?;
    Ok(delivered.and_then(|delivered| delivered.message))
}
