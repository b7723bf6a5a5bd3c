//! Commands and facts of the own consumers, brought to the owner of their domain.

use std::sync::Arc;
use std::time::Duration;

use angzarr_coordinator::command::span;
use angzarr_coordinator::model::{Code, Command, Executed, Facts, Status};
use angzarr_coordinator::port::peers::Commands;
use angzarr_proto::v1::business_coordinator_client::BusinessCoordinatorClient;
use angzarr_wire::{decode_response, decode_status, encode_command, encode_facts};
use async_trait::async_trait;
use tokio::time::Instant;
use tonic::transport::Channel;
use tracing::Instrument;

use crate::aggregates::Aggregates;
use crate::forward::forward;
use crate::grpc::MESSAGE_BYTES;
use crate::grpc::status::of_command;
use crate::routes::Routes;
use crate::transport::request;

/// Executes commands and records facts in any domain, here or at its owner.
pub struct Dispatch {
    /// The own domains.
    pub aggregates: Arc<Aggregates>,
    /// The others.
    pub routes: Arc<Routes>,
}

/// A client of the owner of a domain.
pub(crate) fn client(channel: Channel) -> BusinessCoordinatorClient<Channel> {
    BusinessCoordinatorClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(MESSAGE_BYTES)
}

#[async_trait]
impl Commands for Dispatch {
    async fn execute(&self, command: Command, budget: Duration) -> Result<Executed, Status> {
        let deadline = Instant::now() + budget;
        if let Some(executor) = self.aggregates.executor(&command.stream.domain) {
            let handling = span::handle(&command.stream, &command.correlation_id);
            let executed = executor.execute(command, deadline).instrument(handling);
            let executed = executed.await;
            return executed.map_err(|error| decode_status(&of_command(&error, None)));
        }
        let client = client(self.routes.require_owner(&command.stream.domain)?);
        let book = encode_command(&command);
        let answered = forward(deadline, |budget| {
            let mut client = client.clone();
            let mut request = request(
                book.clone(),
                Some(command.correlation_id.as_str()),
                command.trace_parent.as_deref(),
            );
            request.set_timeout(budget);
            async move { client.handle(request).await }
        });
        decode(answered.await)
    }

    async fn record(&self, facts: Facts, budget: Duration) -> Result<Executed, Status> {
        let deadline = Instant::now() + budget;
        if let Some(executor) = self.aggregates.executor(&facts.stream.domain) {
            let handling = span::handle(&facts.stream, &facts.correlation_id);
            let executed = executor.record(facts, deadline).instrument(handling);
            let executed = executed.await;
            return executed.map_err(|error| decode_status(&of_command(&error, None)));
        }
        let client = client(self.routes.require_owner(&facts.stream.domain)?);
        let book = encode_facts(&facts);
        let answered = forward(deadline, |budget| {
            let mut client = client.clone();
            let mut request = request(
                book.clone(),
                Some(facts.correlation_id.as_str()),
                facts.trace_parent.as_deref(),
            );
            request.set_timeout(budget);
            async move { client.record(request).await }
        });
        decode(answered.await)
    }
}

fn decode(
    answered: Result<angzarr_proto::v1::CommandResponse, tonic::Status>,
) -> Result<Executed, Status> {
    let response = answered.map_err(|status| decode_status(&status))?;
    // It took effect; repeating it brings the first result, from an owner that answers well.
    decode_response(response).map_err(|breach| {
        Status::new(
            Code::Unavailable,
            format!("the owner's answer breaks the contract: {breach}"),
        )
    })
}
