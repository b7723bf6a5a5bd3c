//! The logic of projectors and sagas.

use std::sync::Arc;
use std::time::Duration;

use angzarr_config::boot::Mode;
use angzarr_config::endpoint::Endpoint;
use angzarr_coordinator::model::{Append, Domain, History, Projection, StreamId};
use angzarr_coordinator::port::clock::Clock;
use angzarr_coordinator::port::logic::{ConsumerLogic, Error, Reaction, Request};
use angzarr_coordinator::port::progress::Malformed;
use angzarr_proto::v1;
use angzarr_proto::v1::projector_client::ProjectorClient;
use angzarr_proto::v1::saga_client::SagaClient;
use angzarr_wire::{
    decode_projection, decode_requested_command, decode_requested_facts, encode_append,
    encode_book, quote,
};
use async_trait::async_trait;

use super::bounded::Bounded;
use super::channel;
use super::error::{declared, probe, within};
use crate::transport::{PROJECTOR, configured, put, request};

/// Calls `Projector.Handle` or `Projector.HandleSync`, by its mode.
pub struct GrpcProjector {
    client: ProjectorClient<Bounded>,
    address: Endpoint,
    name: String,
    mode: Mode,
}

impl GrpcProjector {
    /// Makes a client that connects when it is first used.
    pub fn new(name: String, mode: Mode, address: Endpoint) -> Self {
        let client = configured!(ProjectorClient::new(channel(&address)));
        Self {
            client,
            address,
            name,
            mode,
        }
    }

    async fn handle_sync(
        &self,
        book: v1::EventBook,
        trace: Option<&str>,
        budget: Duration,
    ) -> Result<Projection, Error> {
        let correlation = book
            .cover
            .as_ref()
            .map(|cover| cover.correlation_id.clone());
        let mut request = request(book, correlation.as_deref(), trace);
        put(request.metadata_mut(), PROJECTOR, Some(&self.name));
        let mut client = self.client.clone();
        let by = match self.mode {
            Mode::Sync => "mode: Sync",
            Mode::Async => "a call that wants a projection",
        };
        let called = within(budget, client.handle_sync(request)).await;
        let projection = declared(called, by, "Projector.HandleSync")?;
        decode_projection(projection).map_err(|breach| Error::Contract(breach.to_string()))
    }
}

#[async_trait]
impl ConsumerLogic for GrpcProjector {
    async fn handle(&self, append: &Append, budget: Duration) -> Result<Reaction, Error> {
        let book = encode_append(append);
        let trace = append.trace_parent.as_deref();
        match self.mode {
            Mode::Sync => self
                .handle_sync(book, trace, budget)
                .await
                .map(Reaction::Projected),
            Mode::Async => {
                let mut request = request(book, Some(append.correlation_id.as_str()), trace);
                put(request.metadata_mut(), PROJECTOR, Some(&self.name));
                let mut client = self.client.clone();
                let called = within(budget, client.handle(request)).await;
                declared(called, "mode: Async", "Projector.Handle").map(|()| Reaction::Noted)
            }
        }
    }

    async fn project(&self, stream: &StreamId, budget: Duration) -> Result<Projection, Error> {
        let empty = encode_book(&History::empty(stream));
        self.handle_sync(empty, None, budget).await
    }

    async fn probe(&self) -> Result<(), Error> {
        probe(&self.address).await
    }
}

/// Calls `Saga.HandleSync`, or `Saga.Handle` where the logic has only that.
pub struct GrpcSaga {
    client: SagaClient<Bounded>,
    address: Endpoint,
    clock: Arc<dyn Clock>,
}

impl GrpcSaga {
    /// Makes a client that connects when it is first used.
    pub fn new(address: Endpoint, clock: Arc<dyn Clock>) -> Self {
        let client = configured!(SagaClient::new(channel(&address)));
        Self {
            client,
            address,
            clock,
        }
    }

    fn decode(&self, response: v1::SagaResponse) -> Vec<Request> {
        let mut requests = Vec::with_capacity(response.commands.len() + response.events.len());
        for book in response.commands {
            let target = target(book.cover.as_ref());
            requests.push(match decode_requested_command(book) {
                Ok(command) => Request::Command(command),
                Err(breach) => Request::Malformed(Malformed {
                    target,
                    reason: breach.to_string(),
                }),
            });
        }
        for book in response.events {
            let target = target(book.cover.as_ref());
            requests.push(match decode_requested_facts(book, self.clock.now()) {
                Ok(facts) => Request::Facts(facts),
                Err(breach) => Request::Malformed(Malformed {
                    target,
                    reason: breach.to_string(),
                }),
            });
        }
        requests
    }
}

fn target(cover: Option<&v1::Cover>) -> String {
    let named = |cover: &v1::Cover| match Domain::parse(&cover.domain) {
        Ok(domain) => domain.to_string(),
        Err(_) => quote(&cover.domain),
    };
    cover.map_or_else(|| "no target".to_owned(), named)
}

#[async_trait]
impl ConsumerLogic for GrpcSaga {
    async fn handle(&self, append: &Append, budget: Duration) -> Result<Reaction, Error> {
        let (correlation, trace) = (
            Some(append.correlation_id.as_str()),
            append.trace_parent.as_deref(),
        );
        let mut client = self.client.clone();
        let call = client.handle_sync(request(encode_append(append), correlation, trace));
        match within(budget, call).await {
            Ok(response) => Ok(Reaction::Requested(self.decode(response))),
            Err(Error::Status(status))
                if status.code == angzarr_coordinator::model::Code::Unimplemented =>
            {
                let mut client = self.client.clone();
                let call = client.handle(request(encode_append(append), correlation, trace));
                let called = within(budget, call).await;
                declared(called, "a saga", "Saga.HandleSync, or else Saga.Handle")
                    .map(|()| Reaction::Requested(Vec::new()))
            }
            Err(error) => Err(error),
        }
    }

    async fn project(&self, _stream: &StreamId, _budget: Duration) -> Result<Projection, Error> {
        Err(Error::Contract("a saga has no projection".to_owned()))
    }

    async fn probe(&self) -> Result<(), Error> {
        probe(&self.address).await
    }
}
