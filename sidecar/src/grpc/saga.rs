//! `SagaCoordinator`: events for the own sagas. What arrives is a hint; the events are read from their owner.

use std::sync::Arc;

use angzarr_coordinator::consumer::{Consumer, Until};
use angzarr_coordinator::model::Domain;
use angzarr_coordinator::port::progress::Work;
use angzarr_proto::v1;
use angzarr_proto::v1::saga_coordinator_client::SagaCoordinatorClient;
use angzarr_proto::v1::saga_coordinator_server::SagaCoordinator;
use angzarr_wire::{encode_command, encode_facts, encode_status};
use futures::future::join_all;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::call::Call;
use super::projector::{no_reader, read_until};
use crate::acting;
use crate::routes::Routes;
use crate::transport::{SAGA, configured};

/// A saga of this sidecar.
#[derive(Clone)]
pub struct OwnSaga {
    /// The domains that it reads.
    pub domains: Vec<Domain>,
    /// Its consumer.
    pub consumer: Arc<Consumer>,
}

/// Serves the own sagas.
pub struct SagaService {
    /// The own sagas.
    pub sagas: Vec<OwnSaga>,
    /// The settings that change.
    pub routes: Arc<Routes>,
    /// The calls that go on after the answer.
    pub tasks: TaskTracker,
}

impl SagaService {
    /// The sagas that read a domain; only the named one, if one is named.
    fn readers(&self, domain: &Domain, named: Option<&str>) -> Result<Vec<Arc<Consumer>>, Status> {
        let readers = self.sagas.iter().filter(|saga| {
            let is_meant = named.is_none_or(|named| *saga.consumer.settings().id.name == *named);
            is_meant && saga.domains.contains(domain)
        });
        let readers: Vec<_> = readers.map(|saga| Arc::clone(&saga.consumer)).collect();
        if readers.is_empty() {
            return Err(no_reader("saga", domain));
        }
        Ok(readers)
    }
}

#[tonic::async_trait]
impl SagaCoordinator for SagaService {
    async fn handle(&self, request: Request<v1::EventBook>) -> Result<Response<()>, Status> {
        let until = read_until(request.into_inner())?;
        let budget = self.routes.current().timeouts.sync;
        for consumer in self.readers(&until.stream.domain, None)? {
            let until = until.clone();
            // A hint: what fails now comes by the subscription, which also reports it.
            self.tasks
                .spawn(async move { consumer.orchestrate(until, budget).await.ok() });
        }
        Ok(Response::new(()))
    }

    async fn handle_sync(
        &self,
        request: Request<v1::EventBook>,
    ) -> Result<Response<v1::SagaResponse>, Status> {
        let call = Call::read(request.metadata(), self.routes.current().timeouts.sync);
        let metadata = request.metadata().clone();
        let named = metadata.get(SAGA).and_then(|name| name.to_str().ok());
        let until = read_until(request.into_inner())?;
        let readers = self.readers(&until.stream.domain, named)?;
        let is_passed_on = acting::is_passed_on(&metadata);
        let asked = readers.iter().map(|consumer| {
            let channel = (!is_passed_on).then(|| acting::elsewhere(consumer, &self.routes));
            orchestrate(consumer, channel.flatten(), &until, call.deadline)
        });
        let mut response = v1::SagaResponse::default();
        for caused in join_all(asked).await {
            let caused = caused?;
            response.commands.extend(caused.commands);
            response.events.extend(caused.events);
        }
        Ok(Response::new(response))
    }
}

/// Brings a saga up to a point, here or at the sidecar that acts for it, and returns what that caused.
async fn orchestrate(
    consumer: &Consumer,
    elsewhere: Option<Channel>,
    until: &Until,
    deadline: Instant,
) -> Result<v1::SagaResponse, Status> {
    let budget = deadline.saturating_duration_since(Instant::now());
    if let Some(channel) = elsewhere {
        let mut request = acting::pass_on(until, SAGA, &consumer.settings().id.name);
        request.set_timeout(budget);
        let mut client = configured!(SagaCoordinatorClient::new(channel));
        let late =
            || Status::deadline_exceeded("the sidecar that acts for the saga did not answer");
        let answered = timeout(budget, client.handle_sync(request)).await;
        return Ok(answered.map_err(|_| late())??.into_inner());
    }
    let caused = consumer.orchestrate(until.clone(), budget).await;
    let mut response = v1::SagaResponse::default();
    for outgoing in caused.map_err(|status| encode_status(&status))? {
        match outgoing.work {
            Work::Command(command) => response.commands.push(encode_command(&command)),
            Work::Facts(facts) => response.events.push(encode_facts(&facts)),
            // It is among the parked work, with its reason.
            Work::Malformed(_) => {}
        }
    }
    Ok(response)
}
