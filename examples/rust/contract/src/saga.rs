//! Adapts the gRPC service of a saga to a pure function: one event in, commands out.

use angzarr_proto::v1::{
    CommandBook, EventBook, SagaResponse,
    saga_server::{Saga, SagaServer},
};
use prost_types::Any;
use tonic::{Request, Response, Status};

use crate::{Refusal, serve::MAX_MESSAGE_BYTES};

/// Turns one event into commands.
pub type React = fn(&Any) -> Result<Vec<CommandBook>, Refusal>;

/// Serves a saga by the contract.
#[derive(Debug)]
pub struct SagaService(React);

impl SagaService {
    /// The gRPC service.
    pub fn server(react: React) -> SagaServer<Self> {
        SagaServer::new(Self(react))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl Saga for SagaService {
    async fn handle(&self, _: Request<EventBook>) -> Result<Response<()>, Status> {
        Err(Status::unimplemented(
            "this saga returns commands; call HandleSync",
        ))
    }

    async fn handle_sync(
        &self,
        request: Request<EventBook>,
    ) -> Result<Response<SagaResponse>, Status> {
        let mut commands = Vec::new();
        for event in request
            .get_ref()
            .pages
            .iter()
            .filter_map(|page| page.event.as_ref())
        {
            commands.extend((self.0)(event)?);
        }
        Ok(Response::new(SagaResponse {
            commands,
            events: Vec::new(),
        }))
    }
}
