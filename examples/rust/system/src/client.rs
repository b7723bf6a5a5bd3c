//! A client of the shop that repeats commands without a reply, with the same command id.

use std::time::Duration;

use angzarr_proto::v1;
use angzarr_proto::v1::command_gateway_client::CommandGatewayClient;
use angzarr_proto::v1::event_query_client::EventQueryClient;
use prost::Name;
use shop_contract::{command_to, decode};
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

/// How long a command may have no reply.
const WITHIN: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// A client of one sidecar, which reaches every domain.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
}

impl Client {
    /// Creates a client with a connection.
    pub fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// Executes one command under an id, whatever the sequence of its root.
    ///
    /// # Errors
    /// The command was refused, or had no reply for a minute.
    pub async fn execute<M: Name>(
        &self,
        (domain, root): (&str, &[u8]),
        id: &str,
        command: &M,
    ) -> Result<v1::CommandResponse, Status> {
        let mut book = command_to(domain, root, command);
        book.command_id = id.to_owned();
        book.pages[0].merge_strategy = v1::MergeStrategy::AggregateHandles.into();
        self.send(book).await
    }

    /// Executes a book of commands, and repeats it as long as its outcome is unknown.
    ///
    /// # Errors
    /// As for [`Client::execute`].
    pub async fn send(&self, book: v1::CommandBook) -> Result<v1::CommandResponse, Status> {
        let gateway = self.gateway();
        repeat(move || {
            let (mut gateway, book) = (gateway.clone(), book.clone());
            async move { gateway.execute(book).await }
        })
        .await
    }

    /// Does the same and waits for the synchronous projectors of the domain.
    ///
    /// # Errors
    /// As for [`Client::execute`].
    pub async fn send_and_wait(
        &self,
        book: v1::CommandBook,
    ) -> Result<v1::CommandResponse, Status> {
        let book = v1::SyncCommandBook {
            command: Some(book),
            sync_mode: v1::SyncMode::Simple.into(),
            ..v1::SyncCommandBook::default()
        };
        let gateway = self.gateway();
        repeat(move || {
            let (mut gateway, book) = (gateway.clone(), book.clone());
            async move { gateway.execute_sync(book).await }
        })
        .await
    }

    /// All events of a root.
    ///
    /// # Errors
    /// The query failed.
    pub async fn events(&self, domain: &str, root: &[u8]) -> Result<Vec<v1::EventPage>, Status> {
        let query = v1::Query {
            cover: Some(cover(domain, root)),
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

    fn gateway(&self) -> CommandGatewayClient<Channel> {
        CommandGatewayClient::new(self.channel.clone())
    }
}

/// Names a root.
pub fn cover(domain: &str, root: &[u8]) -> v1::Cover {
    v1::Cover {
        domain: domain.to_owned(),
        root: Some(v1::Uuid {
            value: root.to_vec().into(),
        }),
        ..v1::Cover::default()
    }
}

/// Repeats a call until the outcome is known.
async fn repeat<T>(mut ask: impl AsyncFnMut() -> Result<Response<T>, Status>) -> Result<T, Status> {
    let deadline = Instant::now() + WITHIN;
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) if is_unknown(&status) && Instant::now() < deadline => sleep(PAUSE).await,
            Err(status) => return Err(status),
        }
    }
}

/// Whether the command may have taken effect; errors of the transport itself are UNKNOWN.
fn is_unknown(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown
    )
}

/// The events of one type.
pub fn of_type<M: Name + Default>(pages: &[v1::EventPage]) -> Vec<M> {
    let events = pages.iter().filter_map(|page| page.event.as_ref());
    events
        .filter_map(|event| decode(event).ok().flatten())
        .collect()
}
