//! The pure plan: from a valid system to the documents that sidecars read, and to the objects of a cluster.
//!
//! ```text
//! system ─▶ places (who is where) ─▶ documents (boot, routing, directory) ─┬─▶ local: files of processes
//!                                                                          └─▶ objects: ConfigMaps, pods, Services …
//! names.rs     every name, label and selector
//! places.rs    where components are in a cluster
//! documents.rs what sidecars read
//! config.rs    ConfigMaps that hold documents
//! sidecar.rs   the sidecar's container
//! ports.rs     the ports that a pod declares
//! pod.rs       the user's pod with the sidecar in it
//! workload.rs  Deployment, or what is injected into a workload that exists
//! service.rs   Services and NetworkPolicy
//! scale.rs     PodDisruptionBudget and HorizontalPodAutoscaler
//! support.rs   ServiceAccount, PersistentVolumeClaim, PodMonitor
//! ```
//!
//! Objects are planned without owners: their ids are known where they are applied. All but the claim get one there.

mod config;
mod documents;
pub(crate) mod names;
mod places;
mod pod;
pub(crate) mod ports;
mod scale;
mod service;
mod sidecar;
mod support;
mod workload;

use std::collections::BTreeMap;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde_json::Value;

use crate::model::{Component, Key, Store, System};

pub(crate) use pod::plain;

pub use documents::{DirectoryKey, Documents, Place, Planned, documents};

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

/// What the builders of one component's objects read.
struct Scope<'a> {
    key: &'a Key,
    component: &'a Component,
    store: &'a Store,
    installation: &'a Installation,
}

/// Plans every object of a system.
pub fn plan(system: &System, installation: &Installation) -> Plan {
    let Planned {
        components: documents,
        directories,
    } = documents(system, &places::in_cluster(system));
    let directories = directories
        .into_iter()
        .map(|(key, directory)| {
            let object = config::build_directory(&key, &directory);
            (key, object)
        })
        .collect();
    let mut components = BTreeMap::new();
    for (key, documents) in documents {
        let component = &system.components[&key];
        let scope = Scope {
            key: &key,
            component,
            store: &system.stores[&component.store],
            installation,
        };
        let desired = scope.build(&documents);
        components.insert(key, desired);
    }
    Plan {
        directories,
        components,
    }
}

impl Scope<'_> {
    fn build(&self, documents: &Documents) -> Desired {
        let boot = config::build_boot(self, &documents.boot);
        let boot_name = boot.metadata.name.clone().unwrap_or_default();
        Desired {
            service_account: support::build_service_account(self),
            routing: config::build_routing(self, &documents.routing),
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
