//! `ProjectorCoordinator`: events for the own projectors. What arrives is a hint; the events are read from their owner.

use std::time::Duration;

use std::sync::Arc;

use angzarr_coordinator::consumer::Until;
use angzarr_coordinator::model::{AppendId, Domain, Sequence};
use angzarr_proto::v1;
use angzarr_proto::v1::projector_coordinator_server::ProjectorCoordinator;
use angzarr_wire::{
    decode_append, decode_correlation, decode_stream, encode_projection, encode_status,
};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::call::Call;
use super::status::of_wire;
use crate::acting;
use crate::projectors::OwnProjector;
use crate::routes::Routes;
use crate::transport::PROJECTOR;

/// Serves the own projectors.
pub struct ProjectorService {
    /// The own projectors.
    pub projectors: Vec<OwnProjector>,
    /// The settings that change.
    pub routes: Arc<Routes>,
    /// The calls that go on after the answer.
    pub tasks: TaskTracker,
}

impl ProjectorService {
    fn readers<'a>(&'a self, domain: &'a Domain) -> impl Iterator<Item = &'a OwnProjector> {
        self.projectors
            .iter()
            .filter(|projector| projector.domains.contains(domain))
    }

    fn choose<'a>(
        &'a self,
        metadata: &MetadataMap,
        domain: &'a Domain,
    ) -> Result<&'a OwnProjector, Status> {
        let named = metadata.get(PROJECTOR).and_then(|name| name.to_str().ok());
        let mut readers = self
            .readers(domain)
            .filter(|reader| named.is_none_or(|name| reader.name == name));
        match (readers.next(), readers.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(Status::invalid_argument(format!(
                "several projectors here read {domain}; name one in metadata {PROJECTOR}"
            ))),
            (None, _) => Err(no_reader("projector", domain)),
        }
    }
}

/// Says that nobody here reads a domain.
pub(super) fn no_reader(kind: &str, domain: &Domain) -> Status {
    Status::not_found(format!("no {kind} of this sidecar reads domain {domain}"))
}

/// Reads how far a caller wants a consumer to be.
pub(super) fn read_until(book: v1::EventBook) -> Result<Until, Status> {
    let stream = decode_stream(book.cover.as_ref()).map_err(|breach| of_wire(&breach))?;
    if book.pages.is_empty() {
        let given = book
            .cover
            .as_ref()
            .map_or("", |cover| &cover.correlation_id);
        let correlation_id = decode_correlation(given).map_err(|breach| of_wire(&breach))?;
        return Ok(Until {
            next_sequence: (book.next_sequence > 0).then_some(Sequence(book.next_sequence)),
            correlation_id,
            ..Until::head(stream)
        });
    }
    // Its id is not used: only how far the book reaches counts.
    let append = decode_append(AppendId::random(), book).map_err(|breach| of_wire(&breach))?;
    Ok(Until::past(&append))
}

#[tonic::async_trait]
impl ProjectorCoordinator for ProjectorService {
    async fn handle(&self, request: Request<v1::EventBook>) -> Result<Response<()>, Status> {
        let until = read_until(request.into_inner())?;
        let domain = until.stream.domain.clone();
        let budget = self.routes.current().timeouts.sync;
        if self.readers(&domain).next().is_none() {
            return Err(no_reader("projector", &domain));
        }
        for reader in self.readers(&domain).filter(|reader| reader.is_synchronous) {
            // Where it does not act, the subscription of the sidecar that acts brings the same events.
            let (consumer, until) = (Arc::clone(&reader.consumer), until.clone());
            // A hint: what fails now comes by the subscription, which also reports it.
            self.tasks
                .spawn(async move { consumer.handle_sync(until, budget).await.ok() });
        }
        Ok(Response::new(()))
    }

    async fn handle_sync(
        &self,
        request: Request<v1::EventBook>,
    ) -> Result<Response<v1::Projection>, Status> {
        let call = Call::read(request.metadata(), self.routes.current().timeouts.sync);
        let metadata = request.metadata().clone();
        let until = read_until(request.into_inner())?;
        let projector = self.choose(&metadata, &until.stream.domain)?.clone();
        let budget: Duration = call.deadline.saturating_duration_since(Instant::now());
        let projection = if acting::is_passed_on(&metadata) {
            projector.consumer.handle_sync(until, budget).await
        } else {
            projector.project(&self.routes, until, budget).await
        };
        let projection = projection.map_err(|status| encode_status(&status))?;
        Ok(Response::new(encode_projection(&projection)))
    }
}
