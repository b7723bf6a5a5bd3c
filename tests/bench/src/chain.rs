//! The bare chain: a server that only forwards each command to the logic and returns its reply. The pipeline is measured
//! against it: the same two calls with the same messages, without a store.

use angzarr_proto::v1;
use angzarr_proto::v1::business_coordinator_server::{
    BusinessCoordinator, BusinessCoordinatorServer,
};
use angzarr_proto::v1::business_logic_client::BusinessLogicClient;
use anyhow::Result;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

use crate::process;

/// Serves until the process is stopped.
pub(crate) async fn serve(logic: &str) -> Result<()> {
    let channel = Endpoint::from_shared(logic.to_owned())?
        .tcp_nodelay(true)
        .connect_lazy();
    let chain = Chain {
        logic: BusinessLogicClient::new(channel),
    };
    let router = Server::builder().add_service(BusinessCoordinatorServer::new(chain));
    process::serve(router).await
}

struct Chain {
    logic: BusinessLogicClient<Channel>,
}

#[tonic::async_trait]
impl BusinessCoordinator for Chain {
    async fn handle(
        &self,
        request: Request<v1::CommandBook>,
    ) -> Result<Response<v1::CommandResponse>, Status> {
        let command = request.into_inner();
        let events = v1::EventBook {
            cover: command.cover.clone(),
            ..v1::EventBook::default()
        };
        let asked = v1::ContextualCommand {
            events: Some(events),
            command: Some(command),
        };
        let answer = self.logic.clone().handle(asked).await?.into_inner();
        Ok(Response::new(v1::CommandResponse {
            events: Some(answer),
            ..v1::CommandResponse::default()
        }))
    }

    async fn handle_sync(
        &self,
        _: Request<v1::SyncCommandBook>,
    ) -> Result<Response<v1::CommandResponse>, Status> {
        Err(Status::unimplemented("the chain only handles"))
    }

    async fn record(
        &self,
        _: Request<v1::EventBook>,
    ) -> Result<Response<v1::CommandResponse>, Status> {
        Err(Status::unimplemented("the chain only handles"))
    }

    async fn dry_run(
        &self,
        _: Request<v1::DryRunRequest>,
    ) -> Result<Response<v1::CommandResponse>, Status> {
        Err(Status::unimplemented("the chain only handles"))
    }
}
