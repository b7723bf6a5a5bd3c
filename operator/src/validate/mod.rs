//! Judges resources against each other, and resolves what they name.

use std::collections::BTreeMap;

use angzarr_config::boot::{Mode, Source, Start};
use angzarr_crds::{self as crds, Kind, StartType};

use crate::manifest::{Mistake, Resource, Spec};
use crate::model::{Component, Delivery, Key, Limits, Reads, Role, StoreKey, System};

/// Resolves resources.
///
/// # Errors
/// Every mistake in every resource.
pub fn validate(resources: &[Resource]) -> Result<System, Vec<Mistake>> {
    let mut check = Check {
        resources,
        mistakes: Vec::new(),
    };
    check.names();
    check.domains();
    check.stores();
    let mut components = BTreeMap::new();
    for resource in resources {
        if let Some((key, component)) = check.component(resource) {
            components.insert(key, component);
        }
    }
    if check.mistakes.is_empty() {
        return Ok(System { components });
    }
    check.mistakes.sort();
    Err(check.mistakes)
}

struct Check<'a> {
    resources: &'a [Resource],
    mistakes: Vec<Mistake>,
}

impl Check<'_> {
    fn report(&mut self, resource: &Resource, field: &str, message: impl Into<String>) {
        self.mistakes.push(resource.mistake(field, message));
    }

    /// A name stands once per kind and namespace.
    fn names(&mut self) {
        let mut seen = BTreeMap::new();
        for resource in self.resources {
            let key = (resource.kind(), &resource.namespace, &resource.name);
            if let Some(first) = seen.insert(key, resource) {
                let message = format!(
                    "stands in {}, too; give each a name of its own",
                    first.file.display()
                );
                self.report(resource, "metadata.name", message);
            }
        }
    }

    /// A domain has one owner per EventStore.
    fn domains(&mut self) {
        let mut owners: BTreeMap<(StoreKey, &str), &Resource> = BTreeMap::new();
        for resource in self.resources {
            let (Some(declared), Some(domain)) = (declared(resource), owned_domain(resource))
            else {
                continue;
            };
            let store = store_key(resource, declared);
            if let Some(first) = owners.insert((store, domain), resource) {
                let message = format!(
                    "{domain} belongs to {}/{} already; a domain has one owner per EventStore",
                    first.kind(),
                    first.name
                );
                self.report(resource, "spec.domain", message);
            }
        }
    }

    fn component(&mut self, resource: &Resource) -> Option<(Key, Component)> {
        let declared = declared(resource)?;
        let before = self.mistakes.len();
        let store = store_key(resource, declared);
        self.reference(resource, &store, declared);
        self.consumer(resource, &store, declared);
        let role = self.role(resource);
        let image = self.image(resource, declared);
        if self.mistakes.len() > before {
            return None;
        }
        let key = Key {
            namespace: resource.namespace.clone(),
            kind: resource.kind(),
            name: resource.name.clone(),
        };
        let component = Component {
            store,
            role: role?,
            image: image?,
            delivery: read_delivery(declared),
            limits: read_limits(resource),
        };
        Some((key, component))
    }

    /// An EventStore can only be what is built.
    fn stores(&mut self) {
        for resource in self.resources {
            let Spec::EventStore(store) = &resource.spec else {
                continue;
            };
            if store.spec.storage.type_ != crds::StorageType::Sqlite {
                self.report(
                    resource,
                    "spec.storage.type",
                    "is not supported yet; write sqlite",
                );
            }
            if store.spec.bus.type_ != crds::BusType::Direct {
                self.report(
                    resource,
                    "spec.bus.type",
                    "is not supported yet; write direct",
                );
            }
        }
    }

    fn reference(&mut self, resource: &Resource, store: &StoreKey, declared: &dyn crds::Component) {
        let is_declared = self.resources.iter().any(|other| {
            other.kind() == Kind::EventStore
                && other.name == store.name
                && other.namespace == store.namespace
        });
        if !is_declared {
            let message = format!(
                "{} is no EventStore in namespace {}; declare it",
                store.name, store.namespace
            );
            return self.report(resource, "spec.eventStoreRef.name", message);
        }
        if store.namespace != resource.namespace {
            let message =
                "another namespace is not supported yet; use an EventStore of the same namespace";
            self.report(resource, "spec.eventStoreRef.namespace", message);
        }
        let component = declared.component();
        if component.replicas.is_some_and(|replicas| replicas > 1) {
            self.report(
                resource,
                "spec.replicas",
                "must be 1 with SQLite, whose file one process opens",
            );
        }
        if component.autoscaling.is_some() {
            self.report(
                resource,
                "spec.autoscaling",
                "needs a store that is a server; leave it out with SQLite",
            );
        }
    }

    fn consumer(&mut self, resource: &Resource, store: &StoreKey, declared: &dyn crds::Component) {
        let is_known = |domain: &str| {
            self.resources.iter().any(|other| {
                owned_domain(other) == Some(domain)
                    && self::declared(other).is_some_and(|owner| store_key(other, owner) == *store)
            })
        };
        let unknown = |domain: &str| {
            format!(
                "{domain} is no domain of EventStore {}; declare its Aggregate",
                store.name
            )
        };
        let sources = declared
            .sources()
            .iter()
            .map(|source| ("sources", &source.domain));
        let targets = declared
            .targets()
            .iter()
            .map(|target| ("targets", &target.domain));
        let mut missing = Vec::new();
        let mut place = (0, "");
        for (list, domain) in sources.chain(targets) {
            place = if place.1 == list {
                (place.0 + 1, list)
            } else {
                (0, list)
            };
            if !is_known(domain) {
                missing.push((format!("spec.{list}[{}].domain", place.0), unknown(domain)));
            }
        }
        for (field, message) in missing {
            self.report(resource, &field, message);
        }
    }

    fn role(&mut self, resource: &Resource) -> Option<Role> {
        match &resource.spec {
            Spec::EventStore(_) => None,
            Spec::Aggregate(aggregate) => {
                if aggregate.spec.upcaster.is_some() {
                    self.report(
                        resource,
                        "spec.upcaster",
                        "is not supported yet; leave it out",
                    );
                }
                Some(Role::Aggregate {
                    domain: aggregate.spec.domain.clone(),
                    snapshot_version: aggregate.spec.snapshots.version,
                })
            }
            Spec::Projector(projector) => {
                if projector.spec.rebuild.is_some() {
                    self.report(
                        resource,
                        "spec.rebuild",
                        "is not supported yet; leave it out",
                    );
                }
                let reads = self.reads(resource, &**projector)?;
                let mode = match projector.spec.mode {
                    crds::Mode::Async => Mode::Async,
                    crds::Mode::Sync => Mode::Sync,
                };
                Some(Role::Projector { mode, reads })
            }
            Spec::Saga(saga) => {
                if saga.spec.mode == crds::Mode::Sync {
                    self.report(
                        resource,
                        "spec.mode",
                        "Sync is not supported yet for sagas; write Async",
                    );
                }
                let reads = self.reads(resource, &**saga)?;
                Some(Role::Saga { reads })
            }
            Spec::ProcessManager(_) => {
                self.report(resource, "", "process managers are not supported yet");
                None
            }
        }
    }

    fn reads(&mut self, resource: &Resource, declared: &dyn crds::Component) -> Option<Reads> {
        let start_from = declared
            .consumer()
            .and_then(|consumer| consumer.start_from.as_ref());
        let start = match start_from.map_or(declared.default_start(), |start| start.type_) {
            StartType::Beginning => Start::Beginning,
            StartType::Now => Start::Now,
            StartType::Position | StartType::Time => {
                let message = "is not supported yet; write Beginning or Now";
                self.report(resource, "spec.startFrom.type", message);
                return None;
            }
        };
        let sources = declared.sources().iter().map(|source| Source {
            domain: source.domain.clone(),
            event_types: source.event_types.clone(),
        });
        Some(Reads {
            sources: sources.collect(),
            start,
        })
    }

    /// The image of the logic's container.
    fn image(&mut self, resource: &Resource, declared: &dyn crds::Component) -> Option<String> {
        let spec = declared.component();
        let Some(template) = &spec.template else {
            self.report(
                resource,
                "spec.workloadRef",
                "is not supported yet; write spec.template",
            );
            return None;
        };
        let containers = template
            .spec
            .get("containers")
            .and_then(|list| list.as_array());
        let containers = containers.map_or(&[][..], Vec::as_slice);
        let name_of = |container: &serde_json::Value| container["name"].as_str().map(str::to_owned);
        let logic = match (&spec.logic.container, containers) {
            (Some(wanted), _) => containers
                .iter()
                .find(|it| name_of(it).as_ref() == Some(wanted)),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let Some(logic) = logic else {
            let message = "name the container of the logic, one of spec.template.spec.containers";
            self.report(resource, "spec.logic.container", message);
            return None;
        };
        let image = logic["image"].as_str().map(str::to_owned);
        if image.is_none() {
            let message = "the container of the logic has no image";
            self.report(resource, "spec.template.spec.containers", message);
        }
        image
    }
}

/// The fields that all components share; none for an event store.
fn declared(resource: &Resource) -> Option<&dyn crds::Component> {
    match &resource.spec {
        Spec::EventStore(_) => None,
        Spec::Aggregate(spec) => Some(&**spec),
        Spec::Projector(spec) => Some(&**spec),
        Spec::Saga(spec) => Some(&**spec),
        Spec::ProcessManager(spec) => Some(&**spec),
    }
}

fn owned_domain(resource: &Resource) -> Option<&str> {
    declared(resource)?.domain()
}

fn store_key(resource: &Resource, declared: &dyn crds::Component) -> StoreKey {
    let reference = &declared.component().event_store_ref;
    StoreKey {
        namespace: reference
            .namespace
            .clone()
            .unwrap_or_else(|| resource.namespace.clone()),
        name: reference.name.clone(),
    }
}

fn read_delivery(declared: &dyn crds::Component) -> Delivery {
    let Some(consumer) = declared.consumer() else {
        return Delivery::default();
    };
    let delivery = &consumer.delivery;
    Delivery {
        max_attempts: delivery.max_attempts,
        backoff: delivery
            .backoff
            .as_ref()
            .map(|backoff| (backoff.initial.get(), backoff.max.get())),
        timeout: delivery.timeout.map(crds::Duration::get),
    }
}

fn read_limits(resource: &Resource) -> Limits {
    match &resource.spec {
        Spec::Aggregate(aggregate) => Limits {
            sync: Some(aggregate.spec.sync.timeout.get()),
        },
        Spec::EventStore(_) | Spec::Projector(_) | Spec::Saga(_) | Spec::ProcessManager(_) => {
            Limits::default()
        }
    }
}
