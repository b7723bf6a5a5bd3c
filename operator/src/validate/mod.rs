//! Validates resources against each other and resolves their references.
//!
//! ```text
//! index.rs    names, stores, owners of domains
//! support.rs  fields without a function yet
//! pod_names.rs the names in a pod template
//! workload.rs the pods: what a template may contain, and which container is the logic
//! role.rs     what a component does, and with which settings
//! ```

mod index;
mod pod_names;
mod role;
mod support;
mod workload;

use std::collections::BTreeMap;

use angzarr_config::Mistake;
use angzarr_config::boot::Bus;
use angzarr_crds as crds;

use crate::manifest::{Resource, Spec};
use crate::model::{Component, Key, Scale, Server, Storage, Store, StoreKey, System};
use index::Index;

/// Resolves resources.
///
/// # Errors
/// Every mistake in every resource.
pub fn validate(resources: &[Resource]) -> Result<System, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let index = Index::new(resources, &mut mistakes);
    let (mut stores, mut components) = (BTreeMap::new(), BTreeMap::new());
    for resource in resources {
        let mut report = Report::new(resource);
        support::check(&mut report);
        role::check_spans(resource, &mut report);
        match &resource.spec {
            Spec::EventStore(store) => {
                let store = store_of(&store.spec, &mut report);
                stores.extend(store.map(|store| (key_of_store(resource), store)));
            }
            Spec::Aggregate(_) | Spec::Projector(_) | Spec::Saga(_) | Spec::ProcessManager(_) => {
                components.extend(component(&index, &mut report));
            }
        }
        mistakes.append(&mut report.mistakes);
    }
    if mistakes.is_empty() {
        return Ok(System {
            stores,
            components,
            owners: index.owners(),
        });
    }
    mistakes.sort();
    Err(mistakes)
}

/// The mistakes of one resource.
struct Report<'a> {
    resource: &'a Resource,
    mistakes: Vec<Mistake>,
}

impl<'a> Report<'a> {
    fn new(resource: &'a Resource) -> Self {
        Self {
            resource,
            mistakes: Vec::new(),
        }
    }

    fn say(&mut self, field: &str, message: impl Into<String>) {
        self.mistakes.push(self.resource.mistake(field, message));
    }

    fn say_all(&mut self, field: &str, messages: impl IntoIterator<Item = String>) {
        for message in messages {
            self.say(field, message);
        }
    }
}

/// Only the SQLite and PostgreSQL stores and the direct bus are supported.
fn store_of(spec: &crds::EventStoreSpec, report: &mut Report) -> Option<Store> {
    let is_direct = spec.bus.type_ == crds::BusType::Direct;
    let storage = storage_of(&spec.storage, report);
    if !is_direct {
        report.say("spec.bus.type", "is not supported yet; write direct");
    }
    is_direct.then_some(Store {
        storage: storage?,
        bus: Bus::Direct,
    })
}

fn storage_of(spec: &crds::Storage, report: &mut Report) -> Option<Storage> {
    match spec.type_ {
        crds::StorageType::Sqlite => Some(Storage::File),
        crds::StorageType::Postgres => {
            if spec.postgres.is_none() {
                report.say(
                    "spec.storage.postgres",
                    "is missing; write how to reach the server",
                );
            }
            let postgres = spec.postgres.clone();
            postgres.map(|postgres| Storage::Server(Box::new(Server::Postgres(postgres))))
        }
        crds::StorageType::Mongodb | crds::StorageType::Redis => {
            let message = "is not supported yet; write sqlite or postgres";
            report.say("spec.storage.type", message);
            None
        }
    }
}

fn component(index: &Index, report: &mut Report) -> Option<(Key, Component)> {
    let resource = report.resource;
    let declared = resource.component()?;
    let store = store_key(resource, declared);
    let spec = declared.component();
    let of_store = index.store(&store, report);
    index.references(declared, &store, report);
    if of_store.is_some_and(|store| store.storage.type_ == crds::StorageType::Sqlite) {
        check_single(spec, report);
    }
    let role = role::read(resource, declared, report);
    let workload = workload::read(spec, report);
    if !report.mistakes.is_empty() {
        return None;
    }
    let component = Component {
        store,
        role: role?,
        workload: workload?,
        logic_port: spec.logic.port,
        scale: read_scale(spec),
        settings: role::read_settings(resource, declared, of_store?),
        metadata: spec.metadata.clone(),
        sidecar: spec.sidecar.clone(),
        rollout: spec.rollout.clone(),
        availability: spec.availability.clone(),
        network: spec.network.clone(),
        volume: spec.storage.clone(),
        monitoring: spec.monitoring.clone(),
    };
    Some((key(resource), component))
}

/// An SQLite file is opened by one process only.
fn check_single(spec: &crds::ComponentSpec, report: &mut Report) {
    if spec.replicas.is_some_and(|replicas| replicas > 1) {
        report.say(
            "spec.replicas",
            "must be 1 with SQLite, whose file only one process can open",
        );
    }
    if spec.autoscaling.is_some() {
        report.say(
            "spec.autoscaling",
            "needs a store on a server; leave it out with SQLite",
        );
    }
}

fn read_scale(spec: &crds::ComponentSpec) -> Scale {
    match &spec.autoscaling {
        _ if spec.suspend => Scale::Fixed(0),
        Some(range) => Scale::Auto(range.clone()),
        None => Scale::Fixed(spec.replicas.unwrap_or(1)),
    }
}

fn key(resource: &Resource) -> Key {
    Key {
        namespace: resource.namespace.clone(),
        kind: resource.kind(),
        name: resource.name.clone(),
    }
}

fn key_of_store(store: &Resource) -> StoreKey {
    StoreKey {
        namespace: store.namespace.clone(),
        name: store.name.clone(),
    }
}

/// The store that a component names.
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
