//! The pure plan: from a valid system and addresses to the documents that sidecars read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use angzarr_config::boot::{self, Boot, Bus, Mode, Ports, Storage};
use angzarr_config::endpoint::Endpoint;
use angzarr_config::routing::Routing;

use crate::model::{Component, Key, Role, System};

/// Where a component is; decided by whoever runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where other sidecars reach its sidecar.
    pub grpc: Endpoint,
    /// Where its sidecar reaches its logic.
    pub logic: Endpoint,
    /// What its sidecar listens on.
    pub ports: Ports,
    /// The file of its store.
    pub store: PathBuf,
}

/// What a sidecar reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documents {
    /// What it is.
    pub boot: Boot,
    /// Where the others are.
    pub routing: Routing,
}

/// Plans the documents of every component; each must have a place.
pub fn documents(system: &System, places: &BTreeMap<Key, Place>) -> BTreeMap<Key, Documents> {
    let mut planned = BTreeMap::new();
    for (key, component) in &system.components {
        if let Some(place) = places.get(key) {
            let documents = Documents {
                boot: build_boot(key, component, place),
                routing: build_routing(system, component, places),
            };
            planned.insert(key.clone(), documents);
        }
    }
    planned
}

fn build_boot(key: &Key, component: &Component, place: &Place) -> Boot {
    let logic = place.logic.clone();
    let running = match &component.role {
        Role::Aggregate {
            domain,
            snapshot_version,
        } => boot::Component::Aggregate(boot::Aggregate {
            domain: domain.clone(),
            logic,
            snapshot_version: *snapshot_version,
        }),
        Role::Projector { mode, reads } => boot::Component::Projector(boot::Projector {
            name: key.name.clone(),
            mode: *mode,
            sources: reads.sources.clone(),
            start_from: reads.start,
            logic,
        }),
        Role::Saga { reads } => boot::Component::Saga(boot::Saga {
            name: key.name.clone(),
            sources: reads.sources.clone(),
            start_from: reads.start,
            logic,
        }),
    };
    Boot {
        namespace: key.namespace.clone(),
        storage: Storage::Sqlite {
            path: place.store.clone(),
        },
        bus: Bus::Direct,
        ports: place.ports.clone(),
        components: vec![running],
    }
}

/// Every sidecar knows the owner of every domain of its EventStore, so that each is a gateway; and the synchronous projectors of its own.
fn build_routing(system: &System, component: &Component, places: &BTreeMap<Key, Place>) -> Routing {
    let mut routing = Routing::default();
    for (key, other) in &system.components {
        let Some(place) = places.get(key).filter(|_| other.store == component.store) else {
            continue;
        };
        match &other.role {
            Role::Aggregate { domain, .. } => {
                let owners = routing.owners.entry(domain.clone()).or_default();
                owners.push(place.grpc.clone());
            }
            Role::Projector {
                mode: Mode::Sync,
                reads,
            } => {
                let Role::Aggregate { domain, .. } = &component.role else {
                    continue;
                };
                if reads.sources.iter().any(|source| source.domain == *domain) {
                    let projectors = routing.projectors.entry(domain.clone()).or_default();
                    projectors.insert(key.name.clone(), vec![place.grpc.clone()]);
                }
            }
            Role::Projector {
                mode: Mode::Async, ..
            }
            | Role::Saga { .. } => {}
        }
    }
    let delivery = &component.delivery;
    if let Some(attempts) = delivery.max_attempts {
        routing.delivery.max_attempts = attempts;
    }
    if let Some((initial, max)) = delivery.backoff {
        routing.delivery.backoff_initial = initial;
        routing.delivery.backoff_max = max;
    }
    if let Some(timeout) = delivery.timeout {
        routing.timeouts.logic = timeout;
    }
    if let Some(sync) = component.limits.sync {
        routing.timeouts.sync = sync;
    }
    routing
}
