//! `SagaCoordinator`: events for the own sagas. What arrives is a hint; the events are read from their owner.

use std::sync::Arc;

use angzarr_coordinator::consumer::Consumer;
use angzarr_coordinator::model::Domain;
use angzarr_coordinator::port::progress::Work;
use angzarr_proto::v1;
use angzarr_proto::v1::saga_coordinator_server::SagaCoordinator;
use angzarr_wire::{encode_command, encode_facts, encode_status};
use futures::future::join_all;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};

use super::call::Call;
use super::projector::{no_reader, read_until};
use crate::routes::Routes;

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
    fn readers(&self, domain: &Domain) -> Result<Vec<Arc<Consumer>>, Status> {
        let readers = self
            .sagas
            .iter()
            .filter(|saga| saga.domains.contains(domain));
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
        for consumer in self.readers(&until.stream().domain)? {
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
        let until = read_until(request.into_inner())?;
        let readers = self.readers(&until.stream().domain)?;
        let budget = call.deadline.saturating_duration_since(Instant::now());
        let asked = readers
            .iter()
            .map(|consumer| consumer.orchestrate(until.clone(), budget));
        let mut response = v1::SagaResponse::default();
        for caused in join_all(asked).await {
            for outgoing in caused.map_err(|status| encode_status(&status))? {
                match outgoing.work {
                    Work::Command(command) => response.commands.push(encode_command(&command)),
                    Work::Facts(facts) => response.events.push(encode_facts(&facts)),
                }
            }
        }
        Ok(Response::new(response))
    }
}
