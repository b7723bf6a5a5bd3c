//! The consumers of a sidecar: projectors and sagas over their sources, the bus and their logic.

use std::sync::Arc;

use angzarr_buses::direct::DirectBus;
use angzarr_config::boot::{self, Boot, Bus, Mode};
use angzarr_config::routing::Routing;
use angzarr_coordinator::consumer::{Consumer, Ports, Source};
use angzarr_coordinator::model::{ConsumerId, ConsumerKind, Domain};
use angzarr_coordinator::port::bus;
use angzarr_coordinator::port::logic::ConsumerLogic;
use angzarr_coordinator::port::peers::{Appends, Commands};
use anyhow::{Context, Result};

use super::base::Base;
use super::fleet::{self, Constant, Fleet, read_sources};
use crate::dispatch::Dispatch;
use crate::grpc::OwnSaga;
use crate::health::{Component, ComponentKind, Logic};
use crate::logic::{GrpcProjector, GrpcSaga};
use crate::places::Logs;
use crate::projectors::OwnProjector;

/// The consumers by what they are.
#[derive(Default)]
pub(super) struct Consumers {
    pub(super) fleet: Fleet,
    pub(super) projectors: Vec<OwnProjector>,
    pub(super) sagas: Vec<OwnSaga>,
    /// All of them, as their health is watched.
    pub(super) components: Vec<Component>,
}

/// What the consumers of a sidecar share.
struct Shared<'a> {
    base: &'a Base,
    namespace: Arc<str>,
    holder: String,
    start_over: Arc<str>,
    bus: Arc<dyn bus::Bus>,
    appends: Arc<dyn Appends>,
    commands: Arc<dyn Commands>,
    routing: Arc<Routing>,
}

impl Consumers {
    /// Builds the consumers that the boot document lists; `holder` is the address in their leases.
    pub(super) fn build(boot: &Boot, base: &Base, holder: String) -> Result<Self> {
        let routing = base.places.routes.current();
        let logs = Logs {
            places: base.places.clone(),
            own: base.source.clone(),
        };
        let bus = Arc::new(match boot.bus {
            Bus::Direct => DirectBus::new(Arc::new(logs), routing.timeouts.command),
        });
        let shared = Shared {
            base,
            namespace: Arc::from(boot.namespace.as_str()),
            holder,
            start_over: fleet::start_over(boot),
            bus: bus.clone(),
            appends: bus,
            commands: Arc::new(Dispatch {
                places: base.places.clone(),
            }),
            routing,
        };
        let mut consumers = Self::default();
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
                    let sources = read_sources(&projector.sources, projector.start_from)
                        .with_context(|| format!("read the sources of {id}"))?;
                    let (consumer, domains) = consumers.add(&shared, id, sources, Arc::new(logic));
                    consumers.projectors.push(OwnProjector {
                        name: projector.name.clone(),
                        domains,
                        is_synchronous: projector.mode == Mode::Sync,
                        consumer,
                    });
                }
                boot::Component::Saga(saga) => {
                    let logic = GrpcSaga::new(saga.logic.clone(), Arc::clone(&base.clock));
                    let id = shared.id(ConsumerKind::Saga, &saga.name);
                    let sources = read_sources(&saga.sources, saga.start_from)
                        .with_context(|| format!("read the sources of {id}"))?;
                    let (consumer, domains) = consumers.add(&shared, id, sources, Arc::new(logic));
                    consumers.sagas.push(OwnSaga { domains, consumer });
                }
            }
        }
        Ok(consumers)
    }

    fn add(
        &mut self,
        shared: &Shared<'_>,
        id: ConsumerId,
        sources: Vec<Source>,
        logic: Arc<dyn ConsumerLogic>,
    ) -> (Arc<Consumer>, Vec<Domain>) {
        let domains = sources.iter().map(|source| source.domain.clone()).collect();
        self.components.push(Component {
            kind: ComponentKind::Consumer(id.kind),
            name: id.name.to_string(),
            logic: Logic::Consumer(Arc::clone(&logic)),
        });
        let constant = Constant {
            id,
            sources,
            holder: shared.holder.clone(),
            start_over: Arc::clone(&shared.start_over),
        };
        let settings = fleet::settings(constant, &shared.routing);
        let consumer = Arc::new(Consumer::new(settings, shared.ports(logic)));
        self.fleet.add(Arc::clone(&consumer));
        (consumer, domains)
    }
}

impl Shared<'_> {
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
            progress: Arc::clone(&self.base.store.progress),
            writes: self.base.writes.clone(),
            backlog: Arc::clone(&self.base.store.backlog),
            leases: Arc::clone(&self.base.store.leases),
            logic,
            commands: Arc::clone(&self.commands),
            appends: Arc::clone(&self.appends),
            observer: Arc::clone(&self.base.source.observer),
        }
    }
}
