//! The gRPC services of a sidecar, over what they need.

use std::sync::Arc;

use angzarr_coordinator::histories::Histories;
use angzarr_coordinator::query::Reader;
use angzarr_coordinator::reaction::Reactions;
use tokio_util::task::TaskTracker;

use super::base::Base;
use super::consumers::Consumers;
use crate::grpc::{
    Commands, Coordinator, Gateway, ProjectorService, QueryService, SagaService, Services,
};
use crate::lifecycle::Lifecycle;
use crate::projectors::KnownProjectors;

/// Builds the services of the contract.
pub(super) fn build_services(
    base: &Base,
    consumers: &Consumers,
    lifecycle: &Arc<Lifecycle>,
) -> Services {
    let routes = &base.places.routes;
    let projectors = consumers.projectors.clone();
    let sagas = consumers.sagas.clone();
    let versions = base
        .places
        .aggregates
        .list()
        .iter()
        .map(|aggregate| (aggregate.domain.clone(), aggregate.snapshot_version));
    let reader = Reader {
        log: Arc::clone(&base.store.log),
        catalog: Arc::clone(&base.store.catalog),
        domains: Arc::new(versions.collect()),
        memory: Histories::new(base.memory.queries.clone()),
    };
    let commands = Arc::new(Commands {
        places: base.places.clone(),
        reactions: Reactions::new(Arc::new(KnownProjectors {
            own: projectors.clone(),
            routes: Arc::clone(routes),
        })),
        reader: reader.clone(),
        lifecycle: Arc::clone(lifecycle),
        clock: Arc::clone(&base.clock),
        identity: base.store.log.identity(),
        durability: base.store.catalog.durability(),
    });
    let tasks = TaskTracker::new();
    Services {
        coordinator: Coordinator {
            commands: Arc::clone(&commands),
        },
        gateway: Gateway { commands },
        query: QueryService {
            reader,
            places: base.places.clone(),
        },
        projector: ProjectorService {
            projectors,
            routes: Arc::clone(routes),
            tasks: tasks.clone(),
        },
        saga: SagaService {
            sagas,
            routes: Arc::clone(routes),
            tasks,
        },
    }
}
