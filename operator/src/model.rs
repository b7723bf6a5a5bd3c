//! Valid resources, with all references resolved.

use std::collections::BTreeMap;

use angzarr_config::Routing;
use angzarr_config::boot::{Bus, Mode, Source, Start};
use angzarr_crds::{
    Autoscaling, Availability, Kind, Metadata, Monitoring, Network, Postgres, Rollout,
    SchemaPolicy, SecretRef, Sidecar, Volume, WorkloadKind,
};
use serde_json::{Map, Value};

use crate::index::Index;

/// What a set of resources declares.
#[derive(Debug, Clone)]
pub struct System {
    /// The stores, in the order of their keys.
    pub stores: BTreeMap<StoreKey, Store>,
    /// The components, in the order of their keys; the store of each is among the stores.
    pub components: BTreeMap<Key, Component>,
    /// Who owns and reads each domain.
    pub index: Index,
}

/// Names a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The namespace of its resource.
    pub namespace: String,
    /// The kind of its resource.
    pub kind: Kind,
    /// The name of its resource.
    pub name: String,
}

impl Key {
    /// The base name of everything that belongs to a component: an aggregate and a saga may share a name.
    pub fn base_name(&self) -> String {
        format!("{}-{}", self.name, self.kind.short())
    }
}

/// Names an EventStore.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreKey {
    pub namespace: String,
    pub name: String,
}

/// Names a workload that somebody else made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadKey {
    pub namespace: String,
    pub kind: WorkloadKind,
    pub name: String,
}

/// Where events live and how they travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    pub storage: Storage,
    /// What carries events to their readers.
    pub bus: Bus,
    /// Who makes and migrates its tables.
    pub policy: SchemaPolicy,
}

impl Store {
    /// The store as a component reaches it.
    pub fn of_component(&self, component: &Component) -> Self {
        let mut own = self.clone();
        if let (Storage::Server(server), Some(secret)) = (&mut own.storage, &component.connection) {
            match &mut **server {
                Server::Postgres(spec) => spec.connection.secret_ref = secret.clone(),
            }
        }
        own
    }
}

/// The database of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// A file for each component, which one process opens.
    File,
    /// A database on a server that all components share.
    Server(Box<Server>),
}

/// A kind of server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    Postgres(Postgres),
}

impl Server {
    /// The name of the Secret with its address and credentials.
    pub fn secret(&self) -> &str {
        match self {
            Self::Postgres(spec) => &spec.connection.secret_ref.name,
        }
    }
}

/// A component.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    /// Where its events live and come from.
    pub store: StoreKey,
    /// The Secret by which it reaches its store, if it is not the one that the store names.
    pub connection: Option<SecretRef>,
    pub role: Role,
    /// The pods with its logic.
    pub workload: Workload,
    /// The port of its logic in the pod.
    pub logic_port: u16,
    pub scale: Scale,
    /// Limits, timeouts and delivery from its resource, its store or the defaults; the document has no endpoints yet.
    pub settings: Routing,
    /// Labels and annotations for what is made for it.
    pub metadata: Metadata,
    pub sidecar: Sidecar,
    /// How new pods replace old ones.
    pub rollout: Rollout,
    /// How pods are kept apart and away from evictions.
    pub availability: Availability,
    /// Who may reach it and how.
    pub network: Network,
    /// The volume of its file.
    pub volume: Volume,
    /// Objects for Prometheus.
    pub monitoring: Monitoring,
}

impl Component {
    /// The image of its logic's container, where the resource holds the pods.
    pub fn image(&self) -> Option<&str> {
        match &self.workload {
            Workload::Template(template) => Some(&template.image),
            Workload::Existing(_) => None,
        }
    }

    /// What it reads; `None` for an aggregate.
    pub fn reads(&self) -> Option<&Reads> {
        match &self.role {
            Role::Aggregate { .. } => None,
            Role::Projector { reads, .. } | Role::Saga { reads, .. } => Some(reads),
        }
    }

    /// The domains that it commands.
    pub fn targets(&self) -> &[String] {
        match &self.role {
            Role::Saga { targets, .. } => targets,
            Role::Aggregate { .. } | Role::Projector { .. } => &[],
        }
    }
}

/// Where the pods with the logic come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Workload {
    /// The resource describes them.
    Template(Template),
    /// They exist already, run by another controller.
    Existing(Existing),
}

/// Pods as the resource describes them.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Labels and annotations of the pods.
    pub metadata: Metadata,
    /// The pod; its lists are lists, its containers have names.
    pub spec: Map<String, Value>,
    /// The place of the logic among the containers.
    pub logic: usize,
    /// The image of the logic's container.
    pub image: String,
}

/// A workload that exists already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    pub kind: WorkloadKind,
    pub name: String,
    /// The name of the logic's container; without it, the first one.
    pub container: Option<String>,
}

/// How many pods a component has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scale {
    /// A fixed number; 0 stops it.
    Fixed(i32),
    /// The number that an autoscaler chooses.
    Auto(Autoscaling),
}

impl Scale {
    /// The largest number of pods.
    pub fn most(&self) -> i32 {
        match self {
            Self::Fixed(pods) => *pods,
            Self::Auto(range) => range.max_replicas,
        }
    }
}

/// What a component does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// It takes the commands of a domain.
    Aggregate {
        /// The domain.
        domain: String,
        /// The version of its snapshots.
        snapshot_version: u32,
        /// The event types that it declares; empty if it declares none.
        emits: Vec<String>,
    },
    /// It makes a view.
    Projector {
        /// Which rpc of its logic is called.
        mode: Mode,
        /// What it reads.
        reads: Reads,
    },
    /// It sends commands.
    Saga {
        /// What it reads.
        reads: Reads,
        /// The domains that it commands.
        targets: Vec<String>,
        /// Whether callers of a cascade wait for it.
        mode: Mode,
    },
}

/// What a consumer reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reads {
    pub sources: Vec<Source>,
    pub start: Start,
}
