//! A saga that returns one command and one fact for each append.

use angzarr_proto::v1;
use angzarr_proto::v1::event_page::Sequence;
use angzarr_proto::v1::saga_server::Saga;
use tonic::{Request, Response, Status};

use super::any;

/// For each append, adds one to the same root of the domain `mirror` and records a fact in the same root of `notes`. Both have the first sequence of
/// the append.
pub(super) struct Mirror;

#[tonic::async_trait]
impl Saga for Mirror {
    async fn handle(&self, _: Request<v1::EventBook>) -> Result<Response<()>, Status> {
        Err(Status::unimplemented("the mirror answers with commands"))
    }

    async fn handle_sync(
        &self,
        request: Request<v1::EventBook>,
    ) -> Result<Response<v1::SagaResponse>, Status> {
        let book = request.into_inner();
        let Some(Some(Sequence::Num(first))) = book.pages.first().map(|page| page.sequence) else {
            return Err(Status::invalid_argument("the append has no first sequence"));
        };
        let to = |domain: &str| v1::Cover {
            domain: domain.to_owned(),
            ..book.cover.clone().unwrap()
        };
        let command = v1::CommandBook {
            cover: Some(to("mirror")),
            pages: vec![v1::CommandPage {
                command: Some(any("Add", first.to_le_bytes().to_vec())),
                ..v1::CommandPage::default()
            }],
            ..v1::CommandBook::default()
        };
        let fact = v1::EventBook {
            cover: Some(to("notes")),
            pages: vec![v1::EventPage {
                event: Some(any("Mirrored", first.to_le_bytes().to_vec())),
                ..v1::EventPage::default()
            }],
            ..v1::EventBook::default()
        };
        Ok(Response::new(v1::SagaResponse {
            commands: vec![command],
            events: vec![fact],
        }))
    }
}
