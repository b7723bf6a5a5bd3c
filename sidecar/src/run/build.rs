//! Puts the parts of a sidecar together, before anything runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use angzarr_buses::direct::server::DeliveryService;
use angzarr_config::boot;
use angzarr_config::routing::Routing;
use angzarr_coordinator::model::StoreId;
use angzarr_coordinator::port::catalog::Catalog;
use anyhow::{Context, Result, ensure};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::base::Base;
use super::consumers::Consumers;
use super::fleet::Fleet;
use super::services::build_services;
use crate::admin::Parts;
use crate::aggregates::Aggregates;
use crate::grpc::{Memory, SERVICES, Served, build_router};
use crate::health::{Component, Health, Periods, Watched};
use crate::lifecycle::Lifecycle;
use crate::places::Places;
use crate::routes::Routes;
use crate::routing_file;
use crate::settings::{SERVICE_ENDPOINT, Settings};
use crate::telemetry::{
    observe_aggregates, observe_consumers, observe_logic, observe_memory, observe_store,
};

/// A sidecar that does not run yet.
pub(super) struct Sidecar {
    /// All gRPC services.
    pub(super) router: Served,
    /// What the admin port shows.
    pub(super) shown: Parts,
    /// The routing document to follow.
    pub(super) routing: Option<PathBuf>,
    /// The routing in force.
    pub(super) routes: Arc<Routes>,
    /// The aggregates.
    pub(super) aggregates: Arc<Aggregates>,
    /// What calls may hold.
    pub(super) memory: Memory,
    /// The consumers.
    pub(super) fleet: Fleet,
    /// The task that writes to the store.
    pub(super) writing: JoinHandle<()>,
    /// The id of the store, if that is on a server.
    pub(super) store_id: Option<StoreId>,
    /// Cancelled when what the store holds is no longer known.
    pub(super) fatal: CancellationToken,
    /// Ends the server when cancelled.
    pub(super) closing: CancellationToken,
}

impl Sidecar {
    /// Opens the store and builds everything over it; `address` is where the gRPC port will listen. May be cancelled.
    pub(super) async fn build(
        settings: &Settings,
        lifecycle: &Arc<Lifecycle>,
        address: SocketAddr,
    ) -> Result<Self> {
        let boot = &settings.boot;
        let holder = holder(settings, address)?;
        let (base, writing) = Base::open(boot, read_routing(settings)?, lifecycle).await?;
        let consumers = Consumers::build(boot, &base, holder)?;
        let services = build_services(&base, &consumers, lifecycle);
        let health = watch(
            lifecycle,
            base.components
                .into_iter()
                .chain(consumers.components)
                .collect(),
            &consumers.fleet,
            Arc::clone(&base.store.catalog),
        )
        .await;
        let closing = CancellationToken::new();
        let Places { aggregates, routes } = base.places;
        let delivery = DeliveryService::new(aggregates.domains(), base.source, closing.clone());
        let router = build_router(services, base.memory.clone(), closing.clone())
            .context("describe the services")?
            .add_service(delivery.into_server())
            .add_service(health.service());
        observe_aggregates(&aggregates);
        observe_memory(&base.memory);
        observe_logic(&health);
        observe_store(&health);
        observe_consumers(&consumers.fleet.list());
        let identity = base.store.log.identity();
        let shown = Parts {
            health,
            consumers: consumers.fleet.list(),
            targets: Arc::default(),
            routing: routes.watch(),
            routing_error: routes.watch_problem(),
            identity,
            durability: base.store.catalog.durability(),
        };
        Ok(Self {
            router,
            shown,
            routing: settings.routing.clone(),
            routes,
            aggregates,
            memory: base.memory,
            fleet: consumers.fleet,
            store_id: is_shared(&boot.storage).then_some(identity.store_id),
            writing,
            fatal: base.fatal,
            closing,
        })
    }
}

/// Begins to watch the health of what a sidecar consists of.
async fn watch(
    lifecycle: &Arc<Lifecycle>,
    components: Vec<Component>,
    fleet: &Fleet,
    store: Arc<dyn Catalog>,
) -> Arc<Health> {
    let watched = Watched {
        lifecycle: Arc::clone(lifecycle),
        components,
        consumers: fleet.list(),
        store,
        services: SERVICES.map(str::to_owned).to_vec(),
        periods: Periods::default(),
    };
    let health = Arc::new(Health::new(watched).await);
    health.note_routing();
    health
}

fn read_routing(settings: &Settings) -> Result<Routing> {
    let Some(named) = &settings.routing else {
        return Ok(Routing::default());
    };
    Ok(routing_file::read(named)?.parse()?)
}

/// Whether other sidecars have the same store.
fn is_shared(storage: &boot::Storage) -> bool {
    match storage {
        boot::Storage::File(_) => false,
        boot::Storage::Server(_) => true,
    }
}

/// The address at which others reach this sidecar, as it is written in leases. Where the store is shared it tells sidecars apart, so it must be one.
fn holder(settings: &Settings, address: SocketAddr) -> Result<String> {
    if let Some(endpoint) = &settings.service_endpoint {
        return Ok(endpoint.to_string());
    }
    let has_consumers = settings
        .boot
        .components
        .iter()
        .any(|component| !matches!(component, boot::Component::Aggregate(_)));
    ensure!(
        !(is_shared(&settings.boot.storage) && has_consumers && address.ip().is_unspecified()),
        "{SERVICE_ENDPOINT} is not set; its consumers share their store with other sidecars, so set it to the address at which those reach this one"
    );
    Ok(format!("http://{address}"))
}
