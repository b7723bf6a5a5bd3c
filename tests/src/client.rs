//! A client that repeats commands without a reply, with the same command id.

use std::time::Duration;

use angzarr_proto::v1;
use angzarr_proto::v1::command_gateway_client::CommandGatewayClient;
use angzarr_proto::v1::event_query_client::EventQueryClient;
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::probe::any;
use crate::sidecar::WITHIN;

/// More than the largest message.
pub const MOST: usize = 32 << 20;

/// A root by its number.
pub fn root(number: u8) -> Vec<u8> {
    vec![number; 16]
}

/// A cover.
pub fn cover(domain: &str, root: Vec<u8>) -> v1::Cover {
    v1::Cover {
        root: Some(v1::Uuid { value: root.into() }),
        domain: domain.to_owned(),
        ..v1::Cover::default()
    }
}

/// A command to a root of `tally` that ignores the sequence.
pub fn command(name: &str, to: Vec<u8>, id: &str) -> v1::CommandBook {
    v1::CommandBook {
        cover: Some(cover("tally", to)),
        pages: vec![v1::CommandPage {
            command: Some(any(name, Vec::new())),
            merge_strategy: v1::MergeStrategy::AggregateHandles.into(),
            ..v1::CommandPage::default()
        }],
        command_id: id.to_owned(),
        ..v1::CommandBook::default()
    }
}

/// Executes through the gateway, waiting for the synchronous projectors.
pub async fn execute_simple(
    channel: Channel,
    command: v1::CommandBook,
) -> Result<v1::CommandResponse, Status> {
    let book = v1::SyncCommandBook {
        command: Some(command),
        sync_mode: v1::SyncMode::Simple.into(),
        ..v1::SyncCommandBook::default()
    };
    let mut client = CommandGatewayClient::new(channel).max_decoding_message_size(MOST);
    Ok(client.execute_sync(book).await?.into_inner())
}

/// Executes through the gateway.
pub async fn execute(
    channel: Channel,
    command: v1::CommandBook,
) -> Result<v1::CommandResponse, Status> {
    let answer = CommandGatewayClient::new(channel).execute(command).await?;
    Ok(answer.into_inner())
}

/// Repeats a command until its outcome is known.
///
/// # Panics
/// When it is not known in time.
pub async fn execute_surely(
    channel: Channel,
    command: v1::CommandBook,
) -> Result<v1::CommandResponse, Status> {
    let deadline = Instant::now() + WITHIN;
    loop {
        match execute_simple(channel.clone(), command.clone()).await {
            Err(status) if is_unknown(&status) => {
                assert!(Instant::now() < deadline, "no outcome in time: {status}");
                sleep(Duration::from_millis(10)).await;
            }
            known => return known,
        }
    }
}

/// Whether an error leaves the outcome open. Errors of the transport itself have a source.
pub fn is_unknown(status: &Status) -> bool {
    let is_open = matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled
    );
    is_open || std::error::Error::source(status).is_some()
}

/// All pages of a stream.
pub async fn pages(
    channel: Channel,
    domain: &str,
    root: Vec<u8>,
) -> Result<Vec<v1::EventPage>, Status> {
    let query = v1::Query {
        cover: Some(cover(domain, root)),
        selection: None,
    };
    let mut books = EventQueryClient::new(channel)
        .get_events(query)
        .await?
        .into_inner();
    let mut pages = Vec::new();
    while let Some(book) = books.message().await? {
        pages.extend(book.pages);
    }
    Ok(pages)
}

/// The sequences of a response's events.
pub fn sequences(response: &v1::CommandResponse) -> Vec<u32> {
    response.events.iter().flat_map(sequences_of).collect()
}

/// The sequences of a book's events.
pub fn sequences_of(book: &v1::EventBook) -> Vec<u32> {
    let number = |page: &v1::EventPage| match page.sequence {
        Some(v1::event_page::Sequence::Num(number)) => Some(number),
        Some(v1::event_page::Sequence::Force(_)) | None => None,
    };
    book.pages.iter().filter_map(number).collect()
}
