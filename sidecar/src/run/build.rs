//! Puts the parts of a sidecar together, before anything runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use angzarr_buses::direct::DirectBus;
use angzarr_buses::direct::server::DeliveryService;
use angzarr_config::boot::{self, Boot, Bus, Mode, Start};
use angzarr_config::routing::Routing;
use angzarr_coordinator::consumer::{Consumer, Ports};
use angzarr_coordinator::feed::{Heads, InProcess};
use angzarr_coordinator::model::{ConsumerId, ConsumerKind, Domain, SnapshotVersion};
use angzarr_coordinator::port::bus;
use angzarr_coordinator::port::clock::{Clock, SystemClock};
use angzarr_coordinator::port::logic::{AggregateLogic, ConsumerLogic};
use angzarr_coordinator::port::peers::{Appends, Commands as Dispatched};
use angzarr_coordinator::port::store::Store;
use angzarr_coordinator::query::Reader;
use angzarr_coordinator::reaction::Reactions;
use angzarr_coordinator::write_queue::WriteQueue;
use anyhow::{Context, Result, ensure};
use prometheus::Registry;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::server::Router;

use super::fleet::{self, Fleet, read_sources};
use crate::admin::Admin;
use crate::aggregates::{self, Aggregate, Aggregates};
use crate::dispatch::Dispatch;
use crate::grpc::{
    Commands, Coordinator, Gateway, OwnSaga, ProjectorService, QueryService, SERVICES, SagaService,
    Services, build_router,
};
use crate::health::{Component, ComponentKind, Health, Logic, Periods, Watched};
use crate::lifecycle::Lifecycle;
use crate::logic::{GrpcAggregate, GrpcProjector, GrpcSaga};
use crate::open;
use crate::places::{Logs, Places};
use crate::projectors::{KnownProjectors, OwnProjector};
use crate::routes::Routes;
use crate::routing_file;
use crate::settings::{SERVICE_ENDPOINT, Settings};
use crate::telemetry::{observe_aggregates, observe_consumers};

/// A sidecar that does not run yet.
pub(super) struct Sidecar {
    /// All gRPC services.
    pub(super) router: Router,
    /// What the admin port shows.
    pub(super) shown: Admin,
    /// The routing document to follow.
    pub(super) routing: Option<PathBuf>,
    /// The routing in force.
    pub(super) routes: Arc<Routes>,
    /// The aggregates.
    pub(super) aggregates: Arc<Aggregates>,
    /// The consumers.
    pub(super) fleet: Fleet,
    /// The task that writes to the store.
    pub(super) writing: JoinHandle<()>,
    /// Cancelled when what the store holds is no longer known.
    pub(super) fatal: CancellationToken,
    /// Ends the server when cancelled.
    pub(super) closing: CancellationToken,
}

/// What the consumers of a sidecar share.
struct Shared {
    namespace: Arc<str>,
    holder: String,
    store: Store,
    writes: WriteQueue,
    bus: Arc<dyn bus::Bus>,
    appends: Arc<dyn Appends>,
    commands: Arc<dyn Dispatched>,
    routing: Arc<Routing>,
    clock: Arc<dyn Clock>,
}

/// The consumers by what they are.
#[derive(Default)]
struct Consumers {
    fleet: Fleet,
    projectors: Vec<OwnProjector>,
    sagas: Vec<OwnSaga>,
    components: Vec<Component>,
}

impl Sidecar {
    /// Opens the store and builds everything over it; `address` is where the gRPC port listens.
    pub(super) async fn build(
        settings: &Settings,
        registry: Registry,
        address: SocketAddr,
    ) -> Result<Self> {
        let boot = &settings.boot;
        let routes = Arc::new(Routes::new(read_routing(settings)?));
        let holder = holder(settings, address)?;
        let heads = Heads::default();
        let store = open::store(&boot.storage, &heads)
            .await
            .context("open the store")?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (fatal, closing) = (CancellationToken::new(), CancellationToken::new());
        let source = InProcess {
            log: Arc::clone(&store.log),
            heads,
        };
        let (writes, writing) = WriteQueue::start(
            Arc::clone(&store.writer),
            source.heads.clone(),
            fatal.clone(),
        );
        let (own, mut components) = read_aggregates(boot)?;
        let routing = routes.current();
        let aggregates = Arc::new(Aggregates::new(
            own,
            aggregates::Shared {
                log: Arc::clone(&store.log),
                writes: writes.clone(),
                clock: Arc::clone(&clock),
            },
            &routing.limits,
        ));

        let places = Places {
            aggregates: Arc::clone(&aggregates),
            routes: Arc::clone(&routes),
        };
        let logs = Logs {
            places: places.clone(),
            own: source.clone(),
        };
        let bus = Arc::new(match boot.bus {
            Bus::Direct => DirectBus::new(Arc::new(logs), routing.timeouts.command),
        });
        let shared = Shared {
            namespace: Arc::from(boot.namespace.as_str()),
            holder,
            store: store.clone(),
            writes,
            bus: bus.clone(),
            appends: bus,
            commands: Arc::new(Dispatch {
                places: places.clone(),
            }),
            routing,
            clock: Arc::clone(&clock),
        };
        let consumers = build_consumers(boot, &shared)?;
        components.extend(consumers.components);

        let lifecycle = Arc::new(if settings.starts_closed {
            Lifecycle::new_closed()
        } else {
            Lifecycle::new_open()
        });
        let health = Arc::new(
            Health::new(Watched {
                lifecycle: Arc::clone(&lifecycle),
                components,
                consumers: consumers.fleet.list(),
                services: SERVICES.map(str::to_owned).to_vec(),
                periods: Periods::default(),
            })
            .await,
        );
        health.note_routing();
        let edge = Edge {
            store: &store,
            places: &places,
            lifecycle: &lifecycle,
            clock,
        };
        let services = edge.services(consumers.projectors, consumers.sagas);
        let delivery = DeliveryService::new(aggregates.domains(), source, closing.clone());
        let router = build_router(services).context("describe the services")?;
        let router = router
            .add_service(delivery.into_server())
            .add_service(health.service());
        observe_aggregates(&aggregates);
        observe_consumers(&consumers.fleet.list());
        let shown = Admin {
            lifecycle,
            health,
            consumers: consumers.fleet.list(),
            routing: routes.watch(),
            routing_error: routes.watch_problem(),
            identity: store.log.identity(),
            durability: store.catalog.durability(),
            namespace: boot.namespace.clone(),
            registry,
        };
        let routing = settings.routing.clone();
        Ok(Self {
            router,
            shown,
            routing,
            routes,
            aggregates,
            fleet: consumers.fleet,
            writing,
            fatal,
            closing,
        })
    }
}

fn read_routing(settings: &Settings) -> Result<Routing> {
    let Some(named) = &settings.routing else {
        return Ok(Routing::default());
    };
    Ok(routing_file::read(named)?.parse()?)
}

/// The address at which others reach this sidecar, as it stands in leases. Where the store is shared it tells sidecars apart, so it must be one.
fn holder(settings: &Settings, address: SocketAddr) -> Result<String> {
    if let Some(endpoint) = &settings.service_endpoint {
        return Ok(endpoint.to_string());
    }
    let has_consumers = settings
        .boot
        .components
        .iter()
        .any(|component| !matches!(component, boot::Component::Aggregate(_)));
    let is_shared = match settings.boot.storage {
        boot::Storage::Sqlite { .. } => false,
        boot::Storage::Postgres(_) => true,
    };
    ensure!(
        !(is_shared && has_consumers && address.ip().is_unspecified()),
        "{SERVICE_ENDPOINT} is not set; its consumers share their store with other sidecars, so set it to the address at which those reach this one"
    );
    Ok(format!("http://{address}"))
}

fn read_aggregates(boot: &Boot) -> Result<(Vec<Aggregate>, Vec<Component>)> {
    let mut aggregates = Vec::new();
    let mut components = Vec::new();
    for component in &boot.components {
        let boot::Component::Aggregate(aggregate) = component else {
            continue;
        };
        let logic: Arc<dyn AggregateLogic> = Arc::new(GrpcAggregate::new(aggregate.logic.clone()));
        let domain = Domain::parse(&aggregate.domain)
            .with_context(|| format!("read the domain {:?}", aggregate.domain))?;
        components.push(Component {
            kind: ComponentKind::Aggregate,
            name: domain.to_string(),
            logic: Logic::Aggregate(Arc::clone(&logic)),
        });
        aggregates.push(Aggregate {
            domain,
            snapshot_version: SnapshotVersion(aggregate.snapshot_version),
            logic,
        });
    }
    Ok((aggregates, components))
}

fn build_consumers(boot: &Boot, shared: &Shared) -> Result<Consumers> {
    let mut consumers = Consumers::default();
    for component in &boot.components {
        match component {
            boot::Component::Aggregate(_) => {}
            boot::Component::Projector(projector) => {
                let logic = GrpcProjector::new(
                    projector.name.clone(),
                    projector.mode,
                    projector.logic.clone(),
                );
                let id = shared.id(ConsumerKind::Projector, &projector.name);
                let (consumer, domains) = consumers.add(
                    shared,
                    id,
                    (&projector.sources, projector.start_from),
                    Arc::new(logic),
                )?;
                consumers.projectors.push(OwnProjector {
                    name: projector.name.clone(),
                    domains,
                    is_synchronous: projector.mode == Mode::Sync,
                    consumer,
                });
            }
            boot::Component::Saga(saga) => {
                let logic = GrpcSaga::new(saga.logic.clone(), Arc::clone(&shared.clock));
                let id = shared.id(ConsumerKind::Saga, &saga.name);
                let (consumer, domains) = consumers.add(
                    shared,
                    id,
                    (&saga.sources, saga.start_from),
                    Arc::new(logic),
                )?;
                consumers.sagas.push(OwnSaga { domains, consumer });
            }
        }
    }
    Ok(consumers)
}

impl Consumers {
    fn add(
        &mut self,
        shared: &Shared,
        id: ConsumerId,
        (sources, start): (&[boot::Source], Start),
        logic: Arc<dyn ConsumerLogic>,
    ) -> Result<(Arc<Consumer>, Vec<Domain>)> {
        let sources =
            read_sources(sources, start).with_context(|| format!("read the sources of {id}"))?;
        let domains = sources.iter().map(|source| source.domain.clone()).collect();
        self.components.push(Component {
            kind: ComponentKind::Consumer(id.kind),
            name: id.name.to_string(),
            logic: Logic::Consumer(Arc::clone(&logic)),
        });
        let settings = fleet::settings(id, sources, shared.holder.clone(), &shared.routing);
        let consumer = Arc::new(Consumer::new(settings, shared.ports(logic)));
        self.fleet.add(Arc::clone(&consumer));
        Ok((consumer, domains))
    }
}

impl Shared {
    fn id(&self, kind: ConsumerKind, name: &str) -> ConsumerId {
        ConsumerId {
            namespace: Arc::clone(&self.namespace),
            kind,
            name: Arc::from(name),
        }
    }

    fn ports(&self, logic: Arc<dyn ConsumerLogic>) -> Ports {
        Ports {
            bus: Arc::clone(&self.bus),
            progress: Arc::clone(&self.store.progress),
            writes: self.writes.clone(),
            backlog: Arc::clone(&self.store.backlog),
            leases: Arc::clone(&self.store.leases),
            logic,
            commands: Arc::clone(&self.commands),
            appends: Arc::clone(&self.appends),
        }
    }
}

/// What the services of the contract are made of.
struct Edge<'a> {
    store: &'a Store,
    places: &'a Places,
    lifecycle: &'a Arc<Lifecycle>,
    clock: Arc<dyn Clock>,
}

impl Edge<'_> {
    fn services(self, projectors: Vec<OwnProjector>, sagas: Vec<OwnSaga>) -> Services {
        let routes = &self.places.routes;
        let versions = self
            .places
            .aggregates
            .list()
            .iter()
            .map(|aggregate| (aggregate.domain.clone(), aggregate.snapshot_version));
        let reader = Reader {
            log: Arc::clone(&self.store.log),
            catalog: Arc::clone(&self.store.catalog),
            domains: Arc::new(versions.collect()),
        };
        let commands = Arc::new(Commands {
            places: self.places.clone(),
            reactions: Reactions::new(Arc::new(KnownProjectors {
                own: projectors.clone(),
                routes: Arc::clone(routes),
            })),
            reader: reader.clone(),
            lifecycle: Arc::clone(self.lifecycle),
            clock: self.clock,
            identity: self.store.log.identity(),
            durability: self.store.catalog.durability(),
        });
        let tasks = TaskTracker::new();
        Services {
            coordinator: Coordinator {
                commands: Arc::clone(&commands),
            },
            gateway: Gateway { commands },
            query: QueryService {
                reader,
                places: self.places.clone(),
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
}
