//! An aggregate's logic.

use std::time::Duration;

use angzarr_config::endpoint::Endpoint;
use angzarr_coordinator::model::{Command, Decision, History};
use angzarr_coordinator::port::logic::{AggregateLogic, Error};
use angzarr_proto::v1::business_logic_client::BusinessLogicClient;
use angzarr_wire::{decode_decision, encode_contextual};
use async_trait::async_trait;

use super::bounded::Bounded;
use super::channel;
use super::error::{declared, probe, within};
use crate::transport::{configured, request};

/// Calls `BusinessLogic.Handle`.
pub struct GrpcAggregate {
    client: BusinessLogicClient<Bounded>,
    address: Endpoint,
}

impl GrpcAggregate {
    /// Makes a client that connects when it is first used.
    pub fn new(address: Endpoint) -> Self {
        let client = configured!(BusinessLogicClient::new(channel(&address)));
        Self { client, address }
    }
}

#[async_trait]
impl AggregateLogic for GrpcAggregate {
    async fn handle(
        &self,
        history: History,
        command: &Command,
        budget: Duration,
    ) -> Result<Decision, Error> {
        let message = encode_contextual(&history, command);
        let request = request(
            message,
            Some(command.correlation_id.as_str()),
            command.trace_parent.as_deref(),
        );
        let mut client = self.client.clone();
        let called = within(budget, client.handle(request)).await;
        declared(called, "an aggregate", "BusinessLogic.Handle").map(decode_decision)
    }

    async fn probe(&self) -> Result<(), Error> {
        probe(&self.address).await
    }
}
