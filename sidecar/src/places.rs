//! Where a domain is served: here, or by a sidecar that the routing names.

use std::sync::Arc;

use angzarr_buses::direct::topology::{Owner, Owners};
use angzarr_coordinator::command::Executor;
use angzarr_coordinator::feed::InProcess;
use angzarr_coordinator::model::{Domain, Status};
use tonic::transport::Channel;

use crate::aggregates::Aggregates;
use crate::routes::Routes;

/// The own domains and the routes to others.
#[derive(Clone)]
pub struct Places {
    /// The own domains.
    pub aggregates: Arc<Aggregates>,
    /// The others.
    pub routes: Arc<Routes>,
}

/// Where a domain is served.
pub enum Place {
    /// By this sidecar.
    Here(Arc<Executor>),
    /// At the other end of a connection.
    At(Channel),
}

impl Places {
    /// Where a domain is served.
    ///
    /// # Errors
    /// NOT_FOUND when it is not served here and no route leads to it.
    pub fn of(&self, domain: &Domain) -> Result<Place, Status> {
        match self.aggregates.executor(domain) {
            Some(executor) => Ok(Place::Here(executor)),
            None => self.routes.require_owner(domain).map(Place::At),
        }
    }

    /// All domains that are served here or that a route leads to, each once, in order.
    pub fn domains(&self) -> Vec<Domain> {
        let mut domains = self.aggregates.domains();
        domains.extend(self.routes.domains());
        domains.sort();
        domains.dedup();
        domains
    }
}

/// Who hands out the events of a domain.
pub struct Logs {
    /// Where domains are served.
    pub places: Places,
    /// The own store.
    pub own: InProcess,
}

impl Owners for Logs {
    fn owner(&self, domain: &Domain) -> Option<Owner> {
        if self.places.aggregates.executor(domain).is_some() {
            return Some(Owner::Here(self.own.clone()));
        }
        let (channel, moved) = self.places.routes.source(domain)?;
        Some(Owner::There { channel, moved })
    }
}
