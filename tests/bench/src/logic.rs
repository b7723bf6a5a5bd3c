//! The logic: it counts its input and returns the number of events that the command asks for.

use angzarr_proto::v1;
use angzarr_proto::v1::business_logic_server::{BusinessLogic, BusinessLogicServer};
use angzarr_proto::v1::projector_server::{Projector, ProjectorServer};
use anyhow::Result;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use crate::messages::{KEPT, ONE, TEN, any};
use crate::process;

/// Bytes of the largest message.
const MOST: usize = 32 << 20;
/// The number of events between two snapshots, if any are requested.
const SNAPSHOT_EVERY: u32 = 100;

/// Serves until the process is stopped.
pub(crate) async fn serve() -> Result<()> {
    let router = Server::builder()
        .add_service(BusinessLogicServer::new(Meter).max_decoding_message_size(MOST))
        .add_service(ProjectorServer::new(Meter));
    process::serve(router).await
}

struct Meter;

/// Iterates over the history like a fold; returns the number of events.
fn fold(history: &v1::EventBook) -> u32 {
    let before = history.snapshot.as_ref().map_or(0, |it| it.sequence + 1);
    let known = history.pages.iter().filter(|page| page.event.is_some());
    before + u32::try_from(known.count()).unwrap_or(u32::MAX)
}

#[tonic::async_trait]
impl BusinessLogic for Meter {
    type HandleStreamStream = tokio_stream::Empty<Result<v1::HandleStreamResponse, Status>>;

    async fn handle(
        &self,
        request: Request<v1::ContextualCommand>,
    ) -> Result<Response<v1::EventBook>, Status> {
        let asked = request.into_inner();
        let before = asked.events.as_ref().map_or(0, fold);
        let name = asked
            .command
            .as_ref()
            .and_then(|book| book.pages.first())
            .and_then(|page| page.command.as_ref())
            .and_then(|command| command.type_url.rsplit('.').next());
        let (count, keeps) = match name {
            Some(ONE) => (1, false),
            Some(KEPT) => (1, true),
            Some(TEN) => (10, false),
            _ => return Err(Status::invalid_argument("not a command of the benchmark")),
        };
        let page = v1::EventPage {
            event: Some(any("Counted")),
            ..v1::EventPage::default()
        };
        let is_due = keeps && (before + count).is_multiple_of(SNAPSHOT_EVERY);
        Ok(Response::new(v1::EventBook {
            pages: vec![page; count as usize],
            snapshot_state: is_due.then(|| any("Count")),
            ..v1::EventBook::default()
        }))
    }

    async fn handle_stream(
        &self,
        _: Request<Streaming<v1::HandleStreamRequest>>,
    ) -> Result<Response<Self::HandleStreamStream>, Status> {
        Err(Status::unimplemented("the benchmark has no stream"))
    }

    async fn replay(
        &self,
        _: Request<v1::ReplayRequest>,
    ) -> Result<Response<v1::ReplayResponse>, Status> {
        Err(Status::unimplemented("the benchmark does not replay"))
    }
}

#[tonic::async_trait]
impl Projector for Meter {
    async fn handle(&self, _: Request<v1::EventBook>) -> Result<Response<()>, Status> {
        Ok(Response::new(()))
    }

    async fn handle_sync(
        &self,
        request: Request<v1::EventBook>,
    ) -> Result<Response<v1::Projection>, Status> {
        let book = request.into_inner();
        Ok(Response::new(v1::Projection {
            sequence: book.next_sequence.saturating_sub(1),
            cover: book.cover,
            projector: "meter".to_owned(),
            projection: Some(any("View")),
        }))
    }
}
