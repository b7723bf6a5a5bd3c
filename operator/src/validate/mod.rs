//! Validates each resource by itself and against the others, and resolves its references.
//!
//! ```text
//! verdict.rs   what is found about a resource
//! grants.rs    the store of a component, and who may use it
//! references.rs owners of domains
//! support.rs   what is not built yet
//! pod_names.rs the names in a pod template
//! workload.rs  the pods: what a template may contain, and which container is the logic
//! role.rs      what a component does, and with which settings
//! ```
//!
//! A cluster turns verdicts into conditions, files turn them into one error.

mod grants;
mod pod_names;
mod references;
mod role;
mod support;
mod verdict;
mod workload;

use std::collections::{BTreeMap, HashMap};

use angzarr_config::Mistake;
use angzarr_config::boot::Bus;
use angzarr_crds as crds;

use crate::index::{Index, Permission, Sight};
use crate::manifest::Written;
use crate::model::{Component, Scale, Server, Storage, Store, System};
use crate::resource::{Resource, Spec};

pub use verdict::{Finding, Reason, Resolved, Verdict};

/// Resolves resources that are only good together.
///
/// # Errors
/// Every mistake in every resource, and everything that one of them waits for.
pub fn validate(resources: &[Written]) -> Result<System, Vec<Mistake>> {
    validate_seeing(resources, Sight::default())
}

/// Does the same with what is known beyond the resources.
///
/// # Errors
/// Every mistake in every resource, and everything that one of them waits for.
pub fn validate_seeing(resources: &[Written], sight: Sight) -> Result<System, Vec<Mistake>> {
    let mut mistakes = twice_defined(resources);
    let index = Index::seeing(sight).with(resources.iter().map(|it| it.resource.clone()));
    let (mut stores, mut components) = (BTreeMap::new(), BTreeMap::new());
    for written in resources {
        let verdict = judge(&written.resource, &index);
        let findings = verdict.findings.into_iter();
        // The store's own mistakes are among them.
        let findings = findings.filter(|it| it.reason != Reason::EventStoreInvalid);
        mistakes.extend(findings.map(|it| written.mistake(&it.field, it.sentence)));
        match verdict.resolved {
            Some(Resolved::Store(store)) => {
                stores.insert(written.resource.store(), store);
            }
            Some(Resolved::Component(component, _)) => {
                components.insert(verdict.object, *component);
            }
            None => {}
        }
    }
    if mistakes.is_empty() {
        return Ok(System {
            stores,
            components,
            index,
        });
    }
    mistakes.sort();
    Err(mistakes)
}

/// Files can define a name twice.
fn twice_defined(resources: &[Written]) -> Vec<Mistake> {
    let mut seen = HashMap::new();
    let mut mistakes = Vec::new();
    for written in resources {
        if let Some(first) = seen.insert(written.resource.key(), written) {
            let message = format!(
                "is also defined in {}; give each a name of its own",
                first.file.display()
            );
            mistakes.push(written.mistake("metadata.name", message));
        }
    }
    mistakes
}

/// Judges one resource by itself and by what the index knows of the others.
pub fn judge(resource: &Resource, index: &Index) -> Verdict {
    let mut report = Report::new(resource);
    support::check(&mut report);
    role::check_spans(resource, &mut report);
    let resolved = match &resource.spec {
        Spec::EventStore(store) => {
            grants::check(index, &store.spec, &mut report);
            store_of(&store.spec, &mut report).map(Resolved::Store)
        }
        Spec::Aggregate(_) | Spec::Projector(_) | Spec::Saga(_) | Spec::ProcessManager(_) => {
            component(index, &mut report)
        }
    };
    let mut verdict = Verdict {
        object: resource.key(),
        generation: resource.generation(),
        findings: report.findings,
        resolved,
    };
    if !verdict.is_valid() {
        verdict.resolved = None;
    }
    verdict
}

/// The findings of one resource.
struct Report<'a> {
    resource: &'a Resource,
    findings: Vec<Finding>,
}

impl<'a> Report<'a> {
    fn new(resource: &'a Resource) -> Self {
        Self {
            resource,
            findings: Vec::new(),
        }
    }

    /// Reports a value that cannot work.
    fn say(&mut self, field: &str, sentence: impl Into<String>) {
        self.find(Reason::InvalidSpec, field, sentence);
    }

    /// Reports each value that cannot work.
    fn say_all(&mut self, field: &str, sentences: impl IntoIterator<Item = String>) {
        for sentence in sentences {
            self.say(field, sentence);
        }
    }

    fn find(&mut self, reason: Reason, field: &str, sentence: impl Into<String>) {
        self.findings.push(Finding {
            reason,
            field: field.to_owned(),
            sentence: sentence.into(),
        });
    }
}

/// The store, if what it asks for is built; what is not is reported by `support`.
fn store_of(spec: &crds::EventStoreSpec, report: &mut Report) -> Option<Store> {
    let storage = storage_of(&spec.storage, report);
    let bus = match spec.bus.type_ {
        crds::BusType::Direct => Bus::Direct,
        crds::BusType::Rabbitmq | crds::BusType::Kafka | crds::BusType::Nats => return None,
    };
    Some(Store {
        storage: storage?,
        bus,
        policy: spec.schema.policy,
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
        crds::StorageType::Mongodb | crds::StorageType::Redis => None,
    }
}

fn component(index: &Index, report: &mut Report) -> Option<Resolved> {
    let resource = report.resource;
    let declared = resource.component()?;
    let key = resource.store();
    let spec = declared.component();
    let of_store = grants::store(index, &key, report);
    // Whoever may not use a store does not learn who owns what there.
    if index.permission(&resource.namespace, &key) == Permission::Granted {
        references::check(index, declared, &key, report);
    }
    if let Some(store) = of_store {
        let is_replaced = index.sight().replaced.contains(&key);
        grants::check_secret(&spec.event_store_ref, store, is_replaced, report);
    }
    references::check_workload(index, report);
    if of_store.is_some_and(|store| store.storage.type_ == crds::StorageType::Sqlite) {
        check_single(spec, report);
    }
    let role = role::read(resource, declared);
    let workload = workload::read(spec, report);
    let of_store = of_store?;
    // What is wrong with the store is reported there.
    let Some(store) = store_of(of_store, &mut Report::new(resource)) else {
        references::say_invalid(&key, report);
        return None;
    };
    let component = Component {
        store: key,
        connection: spec.event_store_ref.connection_secret_ref.clone(),
        role: role?,
        workload: workload?,
        logic_port: spec.logic.port,
        scale: read_scale(spec),
        settings: role::read_settings(resource, declared, of_store),
        metadata: spec.metadata.clone(),
        sidecar: spec.sidecar.clone(),
        rollout: spec.rollout.clone(),
        availability: spec.availability.clone(),
        network: spec.network.clone(),
        volume: spec.storage.clone(),
        monitoring: spec.monitoring.clone(),
    };
    let store = store.of_component(&component);
    Some(Resolved::Component(Box::new(component), store))
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
