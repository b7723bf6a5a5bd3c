//! The sidecar container, and how the component is reached and monitored.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::EnvVar;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Duration, NamedSecretRef, Resources, Switch, form};

/// The sidecar next to the logic in each pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Sidecar {
    /// The image of the sidecar. Default: the one that the operator was installed with.
    /// Example: `registry.example/angzarr-sidecar:0.1.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,

    /// When pods get what a newer operator would give them, such as its default image: NextRollout
    /// waits until they change for another reason, Immediate replaces them, as many components at
    /// a time as the operator may roll out. Default: NextRollout. Example: `Immediate`.
    pub update_policy: UpdatePolicy,

    /// CPU and memory of the sidecar. Default:
    /// `{requests: {cpu: 50m, memory: 32Mi}, limits: {cpu: 200m, memory: 128Mi}}`.
    /// Example: `{limits: {memory: 256Mi}}`.
    #[serde(skip_serializing_if = "crate::is_default")]
    pub resources: Resources,

    /// The level from which the sidecar logs: Error, Warn, Info, Debug or Trace. Default: Info.
    /// Example: `Debug`.
    pub log_level: LogLevel,

    /// Where traces, metrics and logs are sent. Default: nowhere; metrics can be scraped anyway.
    /// Example: `{endpoint: "http://collector.observability:4317"}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otel: Option<Otel>,

    /// How many seconds a stopping sidecar has to finish what is under way. Default: 25.
    /// Example: `60`.
    #[schemars(range(min = 0, max = 3600))]
    pub drain_seconds: u32,

    /// Additional environment variables of the sidecar, as in a container. Default: none.
    /// Example: `[{name: RUST_BACKTRACE, value: "1"}]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]),
        transform = form::variables
    )]
    pub env: Vec<EnvVar>,
}

/// The default drain of a sidecar, in whole seconds.
fn drain_seconds() -> u32 {
    let drain = angzarr_config::routing::Timeouts::default().drain.as_secs();
    u32::try_from(drain).expect("a drain is short")
}

impl Default for Sidecar {
    fn default() -> Self {
        Self {
            image: None,
            update_policy: UpdatePolicy::NextRollout,
            resources: Resources::default(),
            log_level: LogLevel::Info,
            otel: None,
            drain_seconds: drain_seconds(),
            env: Vec::new(),
        }
    }
}

/// When an upgrade of the operator reaches the pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UpdatePolicy {
    /// With the next change of the component.
    #[default]
    NextRollout,
    /// At once.
    Immediate,
}

/// How much the sidecar logs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LogLevel {
    /// What a person must act on.
    Error,
    /// Also what is unexpected and was handled.
    Warn,
    /// Also starts, stops and changes of role.
    #[default]
    Info,
    /// Also each request.
    Debug,
    /// Everything.
    Trace,
}

/// Where telemetry is sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Otel {
    /// The address of the collector. Required.
    /// Example: `http://collector.observability:4317`.
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^https?://.+$"))]
    pub endpoint: String,

    /// The protocol of the collector, Grpc or Http. Default: Grpc. Example: `Http`.
    #[serde(default)]
    pub protocol: OtelProtocol,

    /// The percentage of traces that begin here and are kept. Default: 100. Example: `5`.
    #[serde(default = "all_traces")]
    #[schemars(range(min = 0, max = 100))]
    pub sample_percent: u8,

    /// A Secret whose keys and values are sent as headers, for collectors that need a token.
    /// Default: unset. Example: `{name: collector-token}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_secret_ref: Option<NamedSecretRef>,
}

fn all_traces() -> u8 {
    100
}

/// The encoding of telemetry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OtelProtocol {
    /// OTLP over gRPC.
    #[default]
    Grpc,
    /// OTLP over HTTP.
    Http,
}

/// Who may reach the component and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Network {
    /// None creates no NetworkPolicy; Ingress creates one that allows only traffic to the ports
    /// that the pods serve. Default: None. Example: `Ingress`.
    pub policy: NetworkPolicyMode,

    /// The Service that clients use. Default: a ClusterIP. Example: `{type: LoadBalancer}`.
    #[serde(skip_serializing_if = "crate::is_default")]
    pub service: ServiceSpec,
}

/// Whether a NetworkPolicy is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NetworkPolicyMode {
    /// Not at all.
    #[default]
    None,
    /// For what comes in.
    Ingress,
}

/// The Service of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// The type of the Service: ClusterIP, NodePort or LoadBalancer. Default: ClusterIP.
    /// Example: `LoadBalancer`.
    #[serde(rename = "type")]
    pub type_: ServiceType,

    /// Annotations of the Service only, for load balancers that are configured by annotations.
    /// Default: none. Example: `{example.com/internal: "true"}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64), transform = form::annotations)]
    pub annotations: BTreeMap<String, String>,
}

/// How far a Service reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// Inside the cluster.
    #[default]
    ClusterIP,
    /// On a port of every node.
    NodePort,
    /// Through the provider's load balancer.
    LoadBalancer,
}

/// Objects for Prometheus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Monitoring {
    /// Auto creates a PodMonitor if the cluster has that kind, Disabled creates none. Default:
    /// Auto. Example: `Disabled`.
    pub pod_monitor: Switch,

    /// Auto creates alert rules if the cluster has that kind, Disabled creates none. Default:
    /// unset. Example: `Disabled`.
    // As an optional enum it would be documented by the enum's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Switch")]
    pub alerts: Option<Switch>,

    /// How often metrics are scraped. Default: `30s`. Example: `10s`.
    pub interval: Duration,
}

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            pod_monitor: Switch::Auto,
            alerts: None,
            interval: Duration::from_secs(30),
        }
    }
}
