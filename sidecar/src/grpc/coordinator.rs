//! `BusinessCoordinator`: commands and facts for the own domains.

use std::sync::Arc;

use angzarr_coordinator::model::SyncMode;
use angzarr_proto::v1;
use angzarr_proto::v1::business_coordinator_server::BusinessCoordinator;
use tonic::{Request, Response, Status};

use super::commands::{Commands, read_command, read_sync};

/// Serves the own domains.
pub struct Coordinator {
    /// The way of a command.
    pub commands: Arc<Commands>,
}

#[tonic::async_trait]
impl BusinessCoordinator for Coordinator {
    async fn handle(
        &self,
        request: Request<v1::CommandBook>,
    ) -> Result<Response<v1::CommandResponse>, Status> {
        self.commands.admit()?;
        let call = self.commands.call(request.metadata());
        let command = read_command(request.into_inner(), &call)?;
        let executor = self.commands.executor(&command.stream.domain)?;
        self.commands
            .execute(&executor, command, SyncMode::None, &call)
            .await
            .map(Response::new)
    }

    async fn handle_sync(
        &self,
        request: Request<v1::SyncCommandBook>,
    ) -> Result<Response<v1::CommandResponse>, Status> {
        self.commands.admit()?;
        let call = self.commands.call(request.metadata());
        let (book, mode) = read_sync(request.into_inner())?;
        let command = read_command(book, &call)?;
        let executor = self.commands.executor(&command.stream.domain)?;
        self.commands
            .execute(&executor, command, mode, &call)
            .await
            .map(Response::new)
    }

    async fn record(
        &self,
        request: Request<v1::EventBook>,
    ) -> Result<Response<v1::CommandResponse>, Status> {
        self.commands.admit()?;
        let call = self.commands.call(request.metadata());
        self.commands
            .record(request.into_inner(), call)
            .await
            .map(Response::new)
    }

    async fn dry_run(
        &self,
        request: Request<v1::DryRunRequest>,
    ) -> Result<Response<v1::CommandResponse>, Status> {
        self.commands.admit()?;
        let call = self.commands.call(request.metadata());
        self.commands
            .dry_run(request.into_inner(), call)
            .await
            .map(Response::new)
    }
}
