//! A client of the shop that repeats what has no answer, with the same command id.

use std::time::Duration;

use angzarr_proto::v1;
use angzarr_proto::v1::command_gateway_client::CommandGatewayClient;
use angzarr_proto::v1::event_query_client::EventQueryClient;
use anyhow::Result;
use prost::Name;
use shop_contract::{command_to, decode};
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;
use tonic::{Code, Status};

/// How long a command may have no answer.
const WITHIN: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// Talks to one sidecar, which reaches every domain.
#[derive(Clone)]
pub(crate) struct Client {
    channel: Channel,
}

impl Client {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// Executes a command under an id, and repeats it as long as its outcome is unknown.
    pub(crate) async fn execute<M: Name>(
        &self,
        (domain, root): (&str, &[u8]),
        id: &str,
        command: &M,
    ) -> Result<v1::CommandResponse, Status> {
        let mut book = command_to(domain, root, command);
        book.command_id = id.to_owned();
        book.pages[0].merge_strategy = v1::MergeStrategy::AggregateHandles.into();
        let deadline = Instant::now() + WITHIN;
        loop {
            match CommandGatewayClient::new(self.channel.clone())
                .execute(book.clone())
                .await
            {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) if is_unknown(&status) && Instant::now() < deadline => {
                    sleep(PAUSE).await
                }
                Err(status) => return Err(status),
            }
        }
    }

    /// All events of a root.
    pub(crate) async fn events(
        &self,
        domain: &str,
        root: &[u8],
    ) -> Result<Vec<v1::EventPage>, Status> {
        let cover = v1::Cover {
            domain: domain.to_owned(),
            root: Some(v1::Uuid {
                value: root.to_vec().into(),
            }),
            ..v1::Cover::default()
        };
        let query = v1::Query {
            cover: Some(cover),
            selection: None,
        };
        let mut books = EventQueryClient::new(self.channel.clone())
            .get_events(query)
            .await?
            .into_inner();
        let mut pages = Vec::new();
        while let Some(book) = books.message().await? {
            pages.extend(book.pages);
        }
        Ok(pages)
    }
}

/// Whether the command may have taken effect; what the transport says of itself is UNKNOWN.
fn is_unknown(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown
    )
}

/// The events of one type.
pub(crate) fn of_type<M: Name + Default>(pages: &[v1::EventPage]) -> Vec<M> {
    let events = pages.iter().filter_map(|page| page.event.as_ref());
    events
        .filter_map(|event| decode(event).ok().flatten())
        .collect()
}
