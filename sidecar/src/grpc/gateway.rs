//! `CommandGateway`: commands to any domain.

use std::pin::Pin;
use std::sync::Arc;

use angzarr_coordinator::model::{Command, SyncMode};
use angzarr_proto::v1;
use angzarr_proto::v1::command_gateway_server::CommandGateway;
use angzarr_wire::{encode_command, encode_status};
use futures::Stream;
use tonic::{Request, Response, Status};

use super::call::Call;
use super::commands::{Commands, read_command, read_sync};
use super::status::with_command_id;
use crate::forward::forward;
use crate::places::Place;
use crate::transport::{coordinator, request as outgoing};

type Books = Pin<Box<dyn Stream<Item = Result<v1::EventBook, Status>> + Send>>;

/// Serves the own domains and passes on what belongs to others.
pub struct Gateway {
    /// The way of a command that is served here.
    pub commands: Arc<Commands>,
}

impl Gateway {
    async fn route(
        &self,
        command: Command,
        mode: SyncMode,
        call: Call,
    ) -> Result<v1::CommandResponse, Status> {
        let place = self.commands.places.of(&command.stream.domain);
        let client = match place.map_err(|status| encode_status(&status))? {
            Place::Here(executor) => {
                return self.commands.execute(&executor, command, mode, &call).await;
            }
            Place::At(channel) => coordinator(channel),
        };
        let book = encode_command(&command);
        let correlation = Some(command.correlation_id.as_str());
        let answered = forward(call.deadline, |budget| {
            let mut client = client.clone();
            let message = v1::SyncCommandBook {
                command: Some(book.clone()),
                sync_mode: encode_mode(mode).into(),
                ..v1::SyncCommandBook::default()
            };
            let mut request = outgoing(message, correlation, call.trace_parent.as_deref());
            request.set_timeout(budget);
            async move { client.handle_sync(request).await }
        });
        answered
            .await
            .map_err(|status| with_command_id(status, Some(&command.id)))
    }
}

fn encode_mode(mode: SyncMode) -> v1::SyncMode {
    match mode {
        SyncMode::None => v1::SyncMode::None,
        SyncMode::Simple => v1::SyncMode::Simple,
    }
}

fn not_yet(rpc: &str) -> Status {
    Status::unimplemented(format!(
        "{rpc} is not served yet; use Execute and EventQuery.GetEvents with the correlation id"
    ))
}

#[tonic::async_trait]
impl CommandGateway for Gateway {
    type ExecuteStreamStream = Books;
    type ExecuteStreamResponseCountStream = Books;
    type ExecuteStreamResponseTimeStream = Books;

    async fn execute(
        &self,
        request: Request<v1::CommandBook>,
    ) -> Result<Response<v1::CommandResponse>, Status> {
        self.commands.admit()?;
        let call = self.commands.call(request.metadata());
        let command = read_command(request.into_inner(), &call)?;
        self.route(command, SyncMode::None, call)
            .await
            .map(Response::new)
    }

    async fn execute_sync(
        &self,
        request: Request<v1::SyncCommandBook>,
    ) -> Result<Response<v1::CommandResponse>, Status> {
        self.commands.admit()?;
        let call = self.commands.call(request.metadata());
        let (book, mode) = read_sync(request.into_inner())?;
        let command = read_command(book, &call)?;
        self.route(command, mode, call).await.map(Response::new)
    }

    async fn execute_stream(&self, _: Request<v1::CommandBook>) -> Result<Response<Books>, Status> {
        Err(not_yet("ExecuteStream"))
    }

    async fn execute_stream_response_count(
        &self,
        _: Request<v1::ExecuteStreamCountRequest>,
    ) -> Result<Response<Books>, Status> {
        Err(not_yet("ExecuteStreamResponseCount"))
    }

    async fn execute_stream_response_time(
        &self,
        _: Request<v1::ExecuteStreamTimeRequest>,
    ) -> Result<Response<Books>, Status> {
        Err(not_yet("ExecuteStreamResponseTime"))
    }
}
