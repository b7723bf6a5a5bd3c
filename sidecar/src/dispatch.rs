//! Commands and facts of the own consumers, brought to where their domain is served.

use std::time::Duration;

use angzarr_coordinator::command::span;
use angzarr_coordinator::model::{Command, Facts, Status};
use angzarr_coordinator::port::peers::Commands;
use angzarr_wire::{decode_status, encode_command, encode_facts};
use async_trait::async_trait;
use tokio::time::Instant;
use tracing::Instrument;

use crate::forward::forward;
use crate::places::{Place, Places};
use crate::refusal;
use crate::transport::{coordinator, request};

/// Executes commands and records facts in any domain.
pub struct Dispatch {
    /// Where domains are served.
    pub places: Places,
}

#[async_trait]
impl Commands for Dispatch {
    async fn execute(&self, command: Command, budget: Duration) -> Result<(), Status> {
        let deadline = Instant::now() + budget;
        let client = match self.places.of(&command.stream.domain)? {
            Place::Here(executor) => {
                let handling = span::handle(&command.stream, &command.correlation_id);
                let executing = executor.execute(command, deadline).instrument(handling);
                return done(executing.await);
            }
            Place::At(channel) => coordinator(channel),
        };
        let book = encode_command(&command);
        let correlation = Some(command.correlation_id.as_str());
        let answered = forward(deadline, |budget| {
            let mut client = client.clone();
            let mut request = request(book.clone(), correlation, command.trace_parent.as_deref());
            request.set_timeout(budget);
            async move { client.handle(request).await }
        });
        answered
            .await
            .map(drop)
            .map_err(|status| decode_status(&status))
    }

    async fn record(&self, facts: Facts, budget: Duration) -> Result<(), Status> {
        let deadline = Instant::now() + budget;
        let client = match self.places.of(&facts.stream.domain)? {
            Place::Here(executor) => {
                let handling = span::handle(&facts.stream, &facts.correlation_id);
                let recording = executor.record(facts, deadline).instrument(handling);
                return done(recording.await);
            }
            Place::At(channel) => coordinator(channel),
        };
        let book = encode_facts(&facts);
        let correlation = Some(facts.correlation_id.as_str());
        let answered = forward(deadline, |budget| {
            let mut client = client.clone();
            let mut request = request(book.clone(), correlation, facts.trace_parent.as_deref());
            request.set_timeout(budget);
            async move { client.record(request).await }
        });
        answered
            .await
            .map(drop)
            .map_err(|status| decode_status(&status))
    }
}

fn done<T>(executed: Result<T, angzarr_coordinator::command::Error>) -> Result<(), Status> {
    executed
        .map(drop)
        .map_err(|error| refusal::of_command(&error))
}
