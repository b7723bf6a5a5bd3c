//! The pure plan: from a valid system to the documents that sidecars read, and to the objects of a cluster.
//!
//! ```text
//! system ─▶ places (who is where) ─▶ documents (boot, routing, directory) ─┬─▶ local: files of processes
//!                                                                          └─▶ objects: ConfigMaps, pods, Services …
//! names.rs     every name, label and selector
//! places.rs    where components are in a cluster
//! documents.rs what sidecars read
//! config.rs    ConfigMaps that hold documents
//! job.rs       the Job that prepares the tables of a store
//! sidecar.rs   the sidecar's container
//! stop.rs      how long a pod may take to stop
//! ports.rs     the ports that a pod declares
//! pod.rs       the user's pod with the sidecar in it
//! pods.rs      what replaces pods when it changes
//! workload.rs  the pods, in either way
//! injection.rs what is injected into a workload that exists
//! service.rs   Services and NetworkPolicy
//! scale.rs     PodDisruptionBudget and HorizontalPodAutoscaler
//! support.rs   ServiceAccount, PersistentVolumeClaim, PodMonitor
//! ```
//!
//! Objects are planned without owners: their ids are known where they are applied. All but the claim get one there.

mod config;
mod documents;
mod injection;
mod job;
pub(crate) mod names;
mod places;
mod pod;
pub(crate) mod pods;
pub(crate) mod ports;
mod scale;
mod service;
mod sidecar;
mod stop;
mod support;
mod workload;

use std::collections::BTreeMap;

use angzarr_config::routing::Routing;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde_json::Value;

use crate::index::Index;
use crate::model::{Component, Key, Store, StoreKey, System};

pub(crate) use pod::plain;

use documents::Graph;
pub use documents::{DirectoryKey, Documents, Place, Places, Planned, documents};
pub use job::{Preparing, plan_job};
use places::InCluster;

/// What a plan has to know about the cluster and the operator's installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The image of the sidecar, for components that name none.
    pub sidecar_image: String,
    /// Whether the cluster knows PodMonitors.
    pub has_pod_monitors: bool,
}

/// Every object that a system leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The ConfigMap of each directory.
    pub directories: BTreeMap<DirectoryKey, ConfigMap>,
    /// What prepares the tables of each store that has some.
    pub jobs: BTreeMap<StoreKey, Job>,
    /// The objects of each component.
    pub components: BTreeMap<Key, Desired>,
}

/// The objects of one component.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The identity of its pods, unless they have one of their own.
    pub service_account: Option<ServiceAccount>,
    /// What its sidecar is; immutable, named by its content.
    pub boot: ConfigMap,
    /// Where the others are, for its sidecar.
    pub routing: ConfigMap,
    /// Who owns which domain, where no directory of the store is: in another namespace than that of the store.
    pub directory: Option<ConfigMap>,
    /// The volume of its file. It has no owner and outlives the component.
    pub volume: Option<PersistentVolumeClaim>,
    /// A Deployment with its pods, or a PodTemplate with what is injected into the pods of a workload that exists.
    pub workload: Value,
    /// Where clients reach it.
    pub clients: Service,
    /// Where sidecars reach each of its pods, ready or not.
    pub peers: Service,
    /// How many of its pods evictions may take.
    pub disruption_budget: Option<PodDisruptionBudget>,
    /// What chooses the number of its pods.
    pub autoscaler: Option<HorizontalPodAutoscaler>,
    /// Who may reach its pods.
    pub network_policy: Option<NetworkPolicy>,
    /// How Prometheus finds its pods.
    pub pod_monitor: Option<Value>,
}

impl Desired {
    /// All of them, in the order in which they are needed.
    pub fn into_objects(self) -> Vec<Value> {
        let Self {
            service_account,
            boot,
            routing,
            directory,
            volume,
            workload,
            clients,
            peers,
            disruption_budget,
            autoscaler,
            network_policy,
            pod_monitor,
        } = self;
        let all = [
            service_account.as_ref().map(plain),
            Some(plain(&boot)),
            Some(plain(&routing)),
            directory.as_ref().map(plain),
            volume.as_ref().map(plain),
            Some(plain(&clients)),
            Some(plain(&peers)),
            network_policy.as_ref().map(plain),
            Some(workload),
            disruption_budget.as_ref().map(plain),
            autoscaler.as_ref().map(plain),
            pod_monitor,
        ];
        all.into_iter().flatten().collect()
    }
}

/// A component to plan, and all that its objects are built from besides the index.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The component.
    pub key: &'a Key,
    /// What it is.
    pub component: &'a Component,
    /// Its store.
    pub store: &'a Store,
    /// What is installed.
    pub installation: &'a Installation,
}

/// Plans every object of a system.
pub fn plan(system: &System, installation: &Installation) -> Plan {
    let mut plan = Plan {
        directories: BTreeMap::new(),
        jobs: BTreeMap::new(),
        components: BTreeMap::new(),
    };
    for (key, store) in &system.stores {
        let preparing = plan_job(key, store, installation);
        plan.jobs
            .extend(preparing.map(|it| (key.clone(), it.object)));
    }
    for (key, component) in &system.components {
        let store = system.stores[&component.store].of_component(component);
        let scope = Scope {
            key,
            component,
            store: &store,
            installation,
        };
        plan.components
            .insert(key.clone(), scope.build(&scope.documents(&system.index)));
        if !scope.is_foreign() {
            plan.directories
                .entry(DirectoryKey::of(key, component))
                .or_insert_with_key(|key| plan_directory(key, &system.index));
        }
    }
    plan
}

/// Plans the directory of a store in a namespace.
pub fn plan_directory(key: &DirectoryKey, index: &Index) -> ConfigMap {
    config::build_directory(key, &in_cluster(index).directory(&key.store))
}

/// The hash of the routing that a sidecar reports: its own slice with the directory of its store.
pub(crate) fn hash_in_force(slice: Routing, store: &StoreKey, index: &Index) -> String {
    let directory = in_cluster(index).directory(store);
    slice.with_directory(directory).hash()
}

fn in_cluster(index: &Index) -> Graph<'_, InCluster> {
    Graph {
        index,
        places: &InCluster,
    }
}

impl Scope<'_> {
    /// Plans the documents of its sidecar.
    pub fn documents(&self, index: &Index) -> Documents {
        let place = places::place(self.key, self.component);
        let graph = in_cluster(index);
        let mut documents = graph.documents(self.key, self.component, self.store, &place);
        if self.is_foreign() {
            documents.directory = Some(graph.directory(&self.component.store));
        }
        documents
    }

    /// Whether its store is in another namespace.
    fn is_foreign(&self) -> bool {
        self.key.namespace != self.component.store.namespace
    }

    /// Plans the objects of the component, which hold its documents.
    pub fn build(&self, documents: &Documents) -> Desired {
        let boot = config::build_boot(self, &documents.boot);
        let boot_name = boot.metadata.name.clone().unwrap_or_default();
        Desired {
            service_account: support::build_service_account(self),
            routing: config::build_routing(self, &documents.routing),
            directory: documents
                .directory
                .as_ref()
                .map(|it| config::build_own_directory(self, it)),
            volume: support::build_volume(self),
            workload: workload::build(self, &boot_name),
            clients: service::build_clients(self),
            peers: service::build_peers(self),
            disruption_budget: scale::build_disruption_budget(self),
            autoscaler: scale::build_autoscaler(self),
            network_policy: service::build_network_policy(self),
            pod_monitor: support::build_pod_monitor(self),
            boot,
        }
    }
}
