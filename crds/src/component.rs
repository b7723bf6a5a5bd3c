//! The fields that Aggregate, Projector, Saga and ProcessManager share.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Autoscaling, Availability, Duration, Monitoring, Network, PodTemplate, Rollout, SecretRef,
    Sidecar, Volume, WorkloadRef, form,
};

/// The fields of every kind that runs pods, directly under `spec`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentSpec {
    /// The EventStore that this component works with. Required; name and namespace cannot change
    /// later. Example: `{name: shop}`.
    pub event_store_ref: EventStoreRef,

    /// The pods with the business logic, which the operator then runs with a sidecar in each.
    /// Either this or workloadRef is required. Default: unset.
    /// Example: `{spec: {containers: [{name: logic, image: registry.example/order:1.4}]}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<PodTemplate>,

    /// A Deployment or StatefulSet of your own with the business logic; its pods get a sidecar
    /// when they are created. Label its pod template `angzarr.io/inject: agg-order` for an Aggregate
    /// order, with prj, saga or pm for the other kinds. Either this or template is required. Default: unset. Example: `{kind: Deployment, name: order}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_ref: Option<WorkloadRef>,

    /// How the sidecar reaches the business logic inside the pod. Default: that of each field.
    /// Example: `{container: logic, port: 8080}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub logic: Logic,

    /// The sidecar: image, resources, logs and traces. Default: what the operator was installed
    /// with. Example: `{logLevel: Debug}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub sidecar: Sidecar,

    /// Labels and annotations for every object that the operator creates for this component; those
    /// of the resource itself are not copied. Default: none.
    /// Example: `{labels: {team: checkout}}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub metadata: Metadata,

    /// How many pods to run; 0 stops the component. Excludes autoscaling. With SQLite at most 1.
    /// Default: 1. Set it if you want to use `kubectl scale`. Example: `3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: Option<i32>,

    /// Lets a HorizontalPodAutoscaler choose the number of pods. Excludes replicas. Default:
    /// unset. Example: `{minReplicas: 2, maxReplicas: 10}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,

    /// How a new version of the pods replaces the old one. Default: rolling, without downtime.
    /// Example: `{strategy: Recreate}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub rollout: Rollout,

    /// How the pods are kept apart and away from evictions. Default: spread where possible, and a
    /// PodDisruptionBudget for two or more pods. Example: `{topologySpread: Required}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub availability: Availability,

    /// Who may reach the component and how. Default: a ClusterIP Service, no NetworkPolicy.
    /// Example: `{policy: Ingress}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub network: Network,

    /// The volume with the component's SQLite file; has no effect with another store. Default: that
    /// of each field. Example: `{size: 10Gi, storageClassName: retained}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub storage: Volume,

    /// Objects for Prometheus. Default: that of each field. Example: `{podMonitor: Disabled}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub monitoring: Monitoring,

    /// Whether the component is stopped: its pods are removed, stored data is kept. Default: false.
    /// Example: `true`.
    #[serde(default)]
    pub suspend: bool,
}

/// Which store a component uses, and with which credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventStoreRef {
    /// The name of the EventStore. Required, cannot change. Example: `shop`.
    #[schemars(length(min = 1, max = 50), regex(pattern = form::DNS_LABEL))]
    pub name: String,

    /// The namespace of the EventStore, if it is another one; the store must allow it in
    /// allowedNamespaces, and the Secrets below are then needed. Cannot change. Default: the
    /// component's own namespace. Example: `platform`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = form::DNS_LABEL))]
    pub namespace: Option<String>,

    /// A Secret in the component's own namespace with the credentials for the store's database,
    /// instead of the one that the store names. Required with namespace. Default: the store's.
    /// Example: `{name: shop-db}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_secret_ref: Option<SecretRef>,

    /// A Secret in the component's own namespace with the credentials for the store's broker, instead
    /// of the one that the store names. Needed with namespace if the bus is a broker.
    /// Default: the store's. Example: `{name: shop-broker}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus_secret_ref: Option<SecretRef>,
}

/// How the sidecar reaches the business logic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Logic {
    /// The container with the logic. Default: the first one of the pod. Example: `logic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = form::DNS_LABEL))]
    pub container: Option<String>,

    /// The port on which the logic serves gRPC inside the pod; it gets it as environment variable
    /// PORT, unless the template sets one. Default: 50051. Example: `8080`.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,

    /// How calls are made: Unary sends the history with each call, Stream keeps one stream open
    /// and sends it once, Auto uses the best that both sides offer. Default: Auto. Example: `Unary`.
    pub protocol: Protocol,

    /// How long the logic may take from the start of its container until it serves, before the
    /// pod is restarted. Default: unset. Example: `5m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup_timeout: Option<Duration>,
}

impl Default for Logic {
    fn default() -> Self {
        Self {
            container: None,
            port: 50051,
            protocol: Protocol::Auto,
            startup_timeout: None,
        }
    }
}

/// How the sidecar calls the logic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// What the logic offers.
    #[default]
    Auto,
    /// One call per command, with the history.
    Unary,
    /// One stream for all commands.
    Stream,
}

/// Labels and annotations for objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Labels to add; those that the operator needs win. Default: none.
    /// Example: `{team: checkout}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64), transform = form::labels)]
    pub labels: BTreeMap<String, String>,

    /// Annotations to add; those that the operator needs win. Default: none.
    /// Example: `{example.com/owner: checkout}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64), transform = form::annotations)]
    pub annotations: BTreeMap<String, String>,
}
