//! The way of a command through the edge: read, executed, followed by its synchronous stage, answered.

use std::sync::Arc;

use angzarr_coordinator::command::{Executor, Point, span};
use angzarr_coordinator::model::{Command, Domain, Executed, StoreIdentity, SyncMode};
use angzarr_coordinator::port::clock::Clock;
use angzarr_coordinator::port::store::Durability;
use angzarr_coordinator::query::Reader;
use angzarr_coordinator::reaction::Reactions;
use angzarr_proto::v1;
use angzarr_wire::{
    decode_command, decode_facts, decode_timestamp, encode_executed, encode_reacted,
};
use tokio::time::Instant;
use tonic::Status;
use tonic::metadata::MetadataMap;
use tracing::Instrument;

use super::call::Call;
use super::status::{of_command, of_query, of_wire, with_command_id};
use crate::lifecycle::Lifecycle;
use crate::places::Places;
use crate::transport::REPLY_BYTES;

/// Executes commands of clients and peers in the own domains.
pub struct Commands {
    /// Where domains are served, and the settings that change.
    pub places: Places,
    /// What commands wait for.
    pub reactions: Reactions,
    /// Reads of the own store.
    pub reader: Reader,
    /// Whether clients are admitted.
    pub lifecycle: Arc<Lifecycle>,
    /// Dates facts without a time.
    pub clock: Arc<dyn Clock>,
    /// Which history the receipts are of.
    pub identity: StoreIdentity,
    /// What an acknowledged command survives.
    pub durability: Durability,
}

impl Commands {
    /// Reads what a call brings beside its message.
    pub(super) fn call(&self, metadata: &MetadataMap) -> Call {
        Call::read(metadata, self.places.routes.current().timeouts.command)
    }

    /// Refuses clients while the sidecar is closed or drains.
    pub(super) fn admit(&self) -> Result<(), Status> {
        if self.lifecycle.is_open() {
            return Ok(());
        }
        Err(Status::unavailable(
            "the sidecar takes no commands now; nothing was stored, try again",
        ))
    }

    /// Executes a command here.
    pub(super) async fn execute(
        &self,
        executor: &Executor,
        command: Command,
        mode: SyncMode,
        call: &Call,
    ) -> Result<v1::CommandResponse, Status> {
        let (id, handling) = (
            command.id.clone(),
            span::handle(&command.stream, &command.correlation_id),
        );
        let handled = async {
            let executing = call.bound(executor.execute(command, call.deadline));
            let executed = executing
                .await
                .map_err(|status| with_command_id(status, Some(&id)))?
                .map_err(|error| of_command(&error, Some(&id)))?;
            let append = &executed.append;
            let following = span::post_persist(&append.stream, &append.correlation_id);
            let reply = self.reply(&executed, mode, call.deadline);
            Ok(reply.instrument(following).await)
        };
        handled.instrument(handling).await
    }

    async fn reply(
        &self,
        executed: &Executed,
        mode: SyncMode,
        deadline: Instant,
    ) -> v1::CommandResponse {
        let longest = self.places.routes.current().timeouts.sync;
        let reacting = self
            .reactions
            .follow(&executed.append, mode, deadline, longest);
        let reacted = reacting.await;
        let mut response = encode_executed(executed, self.identity, self.durability);
        encode_reacted(reacted, &mut response, REPLY_BYTES);
        response
    }

    /// Records facts here.
    pub(super) async fn record(
        &self,
        book: v1::EventBook,
        call: Call,
    ) -> Result<v1::CommandResponse, Status> {
        let mut facts = decode_facts(book, self.clock.now()).map_err(|breach| of_wire(&breach))?;
        facts.trace_parent = call.trace_parent.clone();
        let executor = self.executor(&facts.stream.domain)?;
        let handling = span::handle(&facts.stream, &facts.correlation_id);
        let executed = call
            .bound(executor.record(facts, call.deadline).instrument(handling))
            .await?
            .map_err(|error| of_command(&error, None))?;
        Ok(encode_executed(&executed, self.identity, self.durability))
    }

    /// Asks the logic what it would answer.
    pub(super) async fn dry_run(
        &self,
        request: v1::DryRunRequest,
        call: Call,
    ) -> Result<v1::CommandResponse, Status> {
        let book = request
            .command
            .ok_or_else(|| Status::invalid_argument("command is missing"))?;
        let command = read_command(book, &call)?;
        let executor = self.executor(&command.stream.domain)?;
        let point = match request.point {
            None => Point::Now,
            Some(v1::dry_run_request::Point::AsOfSequence(sequence)) => {
                Point::Through(angzarr_coordinator::model::Sequence(sequence))
            }
            Some(v1::dry_run_request::Point::AsOfTime(time)) => {
                let through = self
                    .reader
                    .through_time(&command.stream, decode_timestamp(time))
                    .await;
                through
                    .map_err(|error| of_query(&error))?
                    .map_or(Point::BeforeFirst, Point::Through)
            }
        };
        let answered = executor
            .dry_run(command, point, call.deadline)
            .await
            .map_err(|error| of_command(&error, None))?;
        let mut response = encode_executed(&answered, self.identity, self.durability);
        response.receipt = None;
        Ok(response)
    }

    /// The executor of a domain that is served here.
    pub(super) fn executor(&self, domain: &Domain) -> Result<Arc<Executor>, Status> {
        self.places
            .aggregates
            .executor(domain)
            .ok_or_else(|| Status::not_found(format!("domain {domain} is not served by this sidecar; use CommandGateway to reach any domain")))
    }
}

/// Reads a command with what the call brought beside it.
pub(super) fn read_command(book: v1::CommandBook, call: &Call) -> Result<Command, Status> {
    let mut command = decode_command(book).map_err(|breach| of_wire(&breach))?;
    command.trace_parent = call.trace_parent.clone();
    Ok(command)
}

/// Reads a command with its synchronous mode.
pub(super) fn read_sync(book: v1::SyncCommandBook) -> Result<(v1::CommandBook, SyncMode), Status> {
    let mode = match v1::SyncMode::try_from(book.sync_mode) {
        Ok(v1::SyncMode::None) => SyncMode::None,
        Ok(v1::SyncMode::Simple) => SyncMode::Simple,
        Ok(v1::SyncMode::Cascade) => {
            return Err(Status::unimplemented(
                "sync_mode CASCADE is not served yet; use SIMPLE or NONE",
            ));
        }
        Err(_) => {
            return Err(Status::invalid_argument(format!(
                "sync_mode has the unknown value {}",
                book.sync_mode
            )));
        }
    };
    let command = book
        .command
        .ok_or_else(|| Status::invalid_argument("command is missing"))?;
    Ok((command, mode))
}
