//! The projectors that commands and callers wait for, here or elsewhere.

use std::sync::Arc;
use std::time::Duration;

use angzarr_coordinator::consumer::{Consumer, Until};
use angzarr_coordinator::model::{Code, Domain, Projection, Status};
use angzarr_coordinator::port::peers::Projectors;
use angzarr_proto::v1;
use angzarr_proto::v1::projector_coordinator_client::ProjectorCoordinatorClient;
use angzarr_wire::{decode_projection, decode_status};
use async_trait::async_trait;
use tonic::Request;
use tonic::transport::Channel;

use crate::acting;
use crate::routes::Routes;
use crate::transport::{Failure, PROJECTOR, configured, judge};

/// A projector of this sidecar.
#[derive(Clone)]
pub struct OwnProjector {
    /// Its name.
    pub name: String,
    /// The domains that it reads.
    pub domains: Vec<Domain>,
    /// Whether commands in mode SIMPLE wait for it.
    pub is_synchronous: bool,
    /// Its consumer.
    pub consumer: Arc<Consumer>,
}

impl OwnProjector {
    /// Brings it up to a point of a root and returns its projection; at the sidecar that acts for it, if that is another.
    ///
    /// # Errors
    /// As those of [`Consumer::handle_sync`].
    pub async fn project(
        &self,
        routes: &Routes,
        until: Until,
        budget: Duration,
    ) -> Result<Projection, Status> {
        match acting::elsewhere(&self.consumer, routes) {
            Some(channel) => {
                let request = acting::pass_on(&until, PROJECTOR, &self.name);
                ask(channel, &self.name, request, budget).await
            }
            None => self.consumer.handle_sync(until, budget).await,
        }
    }
}

/// The projectors of this sidecar, and those that it has a route to.
pub struct KnownProjectors {
    /// Those of this sidecar.
    pub own: Vec<OwnProjector>,
    /// The others.
    pub routes: Arc<Routes>,
}

#[async_trait]
impl Projectors for KnownProjectors {
    fn names(&self, domain: &Domain) -> Vec<String> {
        let own = self
            .own
            .iter()
            .filter(|own| own.is_synchronous && own.domains.contains(domain));
        let mut names: Vec<_> = own.map(|own| own.name.clone()).collect();
        names.extend(self.routes.projectors(domain));
        names.sort();
        names.dedup();
        names
    }

    async fn project(
        &self,
        projector: &str,
        until: &Until,
        budget: Duration,
    ) -> Result<Projection, Status> {
        let domain = &until.stream.domain;
        if let Some(own) = self
            .own
            .iter()
            .find(|own| own.name == projector && own.domains.contains(domain))
        {
            return own.project(&self.routes, until.clone(), budget).await;
        }
        let channel = self.routes.projector(domain, projector).ok_or_else(|| {
            Status::new(
                Code::Unavailable,
                format!("no route leads to projector {projector}"),
            )
        })?;
        let request = acting::ask(until, PROJECTOR, projector);
        ask(channel, projector, request, budget).await
    }
}

async fn ask(
    channel: Channel,
    projector: &str,
    mut request: Request<v1::EventBook>,
    budget: Duration,
) -> Result<Projection, Status> {
    let mut client = configured!(ProjectorCoordinatorClient::new(channel));
    request.set_timeout(budget);
    let unavailable = |message: String| Status::new(Code::Unavailable, message);
    let called = tokio::time::timeout(budget, client.handle_sync(request)).await;
    let called = called.map_err(|_| {
        Status::new(
            Code::DeadlineExceeded,
            format!("projector {projector} did not answer in time"),
        )
    })?;
    let projection = called.map_err(|status| match judge(&status) {
        Failure::Status => decode_status(&status),
        Failure::Unreachable | Failure::Broken => {
            unavailable(format!("reach projector {projector}: {}", status.message()))
        }
    })?;
    decode_projection(projection.into_inner()).map_err(|breach| unavailable(breach.to_string()))
}
