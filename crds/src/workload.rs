//! The pods of a component: where they come from, how many, how they change.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Metadata, Quantity, form, rules};

/// A pod template, passed through to the Deployment.
///
/// # Design
///
/// `spec` is kept as JSON: a typed pod spec would make each definition larger than a client-side
/// apply can annotate, and would lose fields that a newer cluster knows. The API server validates
/// it when the Deployment is applied.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplate {
    /// Labels and annotations of the pods. Default: none.
    /// Example: `{annotations: {example.com/reload: "7"}}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub metadata: Metadata,

    /// The pod, with every field that the cluster knows for pods (`kubectl explain pod.spec`);
    /// the operator adds the sidecar. Required.
    /// Example: `{containers: [{name: logic, image: registry.example/order:1.4}]}`.
    #[schemars(schema_with = "any_object")]
    pub spec: Map<String, Value>,
}

fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// A workload that exists already.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadRef {
    /// The kind of the workload, Deployment or StatefulSet. Default: Deployment.
    /// Example: `StatefulSet`.
    #[serde(default)]
    pub kind: WorkloadKind,

    /// The name of the workload in the component's namespace. Required. Example: `order`.
    #[schemars(length(min = 1, max = 253), regex(pattern = form::DNS_SUBDOMAIN))]
    pub name: String,
}

/// What a `workloadRef` may point at.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum WorkloadKind {
    /// A Deployment.
    #[default]
    Deployment,
    /// A StatefulSet.
    StatefulSet,
}

impl WorkloadKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Deployment, Self::StatefulSet];

    /// The word in an object's `kind` field.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
        }
    }

    /// How the API server names many of them.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
        }
    }
}

/// The range and the targets of a HorizontalPodAutoscaler.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::autoscaling)]
pub struct Autoscaling {
    /// The fewest pods. Default: 1. Example: `2`.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub min_replicas: i32,

    /// The most pods. Required. Example: `10`.
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: i32,

    /// The target utilization of the requested CPU, in percent. Default: 80 if no target is set.
    /// Example: `60`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub target_cpu_percent: Option<i32>,

    /// The target utilization of the requested memory, in percent. Default: unset, memory is not
    /// considered. Example: `75`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub target_memory_percent: Option<i32>,
}

fn one() -> i32 {
    1
}

/// How new pods replace old ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Rollout {
    /// RollingUpdate starts new pods before it stops old ones, Recreate stops all first; SQLite
    /// always recreates, since only one pod can open its file. Default: RollingUpdate. Example: `Recreate`.
    pub strategy: Strategy,

    /// How many seconds a new pod must be ready before it counts as available. Default: 0. Example: `10`.
    #[schemars(range(min = 0, max = 3600))]
    pub min_ready_seconds: i32,

    /// After how many seconds without progress a rollout is reported as stuck. Default: 600.
    /// Example: `120`.
    #[schemars(range(min = 1, max = 86400))]
    pub progress_deadline_seconds: i32,

    /// How many old versions are kept for a rollback. Default: 10. Example: `3`.
    #[schemars(range(min = 0, max = 100))]
    pub revision_history_limit: i32,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            strategy: Strategy::RollingUpdate,
            min_ready_seconds: 0,
            progress_deadline_seconds: 600,
            revision_history_limit: 10,
        }
    }
}

/// The order of starting and stopping in a rollout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Strategy {
    /// New pods first.
    #[default]
    RollingUpdate,
    /// Old pods stop first.
    Recreate,
}

/// How pods are kept apart and away from evictions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Availability {
    /// Auto creates a PodDisruptionBudget for two or more pods, which allows one eviction at a
    /// time; Disabled creates none. Default: Auto. Example: `Disabled`.
    pub pdb: Switch,

    /// Whether pods are spread over zones and nodes: Preferred where possible, Required
    /// always, Disabled not at all. A spread in the pod template wins. Default: Preferred.
    /// Example: `Required`.
    pub topology_spread: TopologySpread,
}

/// Whether something optional is created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Switch {
    /// Where it makes sense.
    #[default]
    Auto,
    /// Never.
    Disabled,
}

/// How strictly pods are spread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TopologySpread {
    /// Where possible.
    #[default]
    Preferred,
    /// A pod that would break the spread waits.
    Required,
    /// Not at all.
    Disabled,
}

/// A volume for a SQLite file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Volume {
    /// The size of the volume; it can grow if its class allows that. Default: `1Gi`.
    /// Example: `10Gi`.
    pub size: Quantity,

    /// The class of the volume; use one that retains deleted volumes, since deleting the
    /// namespace deletes the claim. Default: the cluster's default class. Example: `retained`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = form::DNS_SUBDOMAIN))]
    pub storage_class_name: Option<String>,

    /// Who may mount the volume: ReadWriteOnce the pods of one node, ReadWriteOncePod a single
    /// pod, which then starts only when the one before has ended; its class must be of a CSI
    /// driver. Kubernetes keeps the mode of a claim that exists. Default: ReadWriteOnce.
    /// Example: `ReadWriteOncePod`.
    pub access_mode: AccessMode,
}

/// Who may mount a volume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AccessMode {
    /// The pods of one node.
    #[default]
    ReadWriteOnce,
    /// A single pod.
    ReadWriteOncePod,
}

impl Default for Volume {
    fn default() -> Self {
        Self {
            size: "1Gi".into(),
            storage_class_name: None,
            access_mode: AccessMode::ReadWriteOnce,
        }
    }
}

/// Requested and limited amounts of CPU and memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// What the scheduler reserves. Default: `{cpu: 50m, memory: 32Mi}`.
    /// Example: `{cpu: 500m, memory: 64Mi}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub requests: BTreeMap<String, Quantity>,

    /// The most that the container may use; a CPU limit bounds the rate of commands.
    /// Default: `{cpu: 200m, memory: 128Mi}`. Example: `{memory: 256Mi}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub limits: BTreeMap<String, Quantity>,
}

impl Default for Resources {
    fn default() -> Self {
        Self {
            requests: amounts("50m", "32Mi"),
            limits: amounts("200m", "128Mi"),
        }
    }
}

fn amounts(cpu: &str, memory: &str) -> BTreeMap<String, Quantity> {
    BTreeMap::from([
        ("cpu".to_owned(), cpu.into()),
        ("memory".to_owned(), memory.into()),
    ])
}
