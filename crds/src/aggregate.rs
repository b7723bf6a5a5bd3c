//! The Aggregate: a domain, its logic, and the rules for its commands.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ComponentSpec, ComponentStatus, Duration, form, rules};

/// A domain with the logic that handles its commands.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "angzarr.io",
    version = "v1alpha1",
    kind = "Aggregate",
    plural = "aggregates",
    shortname = "agg",
    category = "angzarr",
    namespaced,
    status = "ComponentStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A domain with the logic that handles its commands; its sidecar stores the events.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::component, transform = rules::fixed_domain)]
pub struct AggregateSpec {
    /// The fields of every component.
    #[serde(flatten)]
    pub component: ComponentSpec,

    /// The domain whose commands this logic handles; one Aggregate per domain and EventStore.
    /// Required, cannot change. Example: `order`.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub domain: String,

    /// When the state of a root is kept, so that its history need not be read from the start.
    /// Default: whenever the logic returns one. Example: `{version: 2}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub snapshots: Snapshots,

    /// What happens to commands that were sent with an old sequence. Default: they are refused.
    /// Example: `{mergeStrategy: Strict}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub concurrency: Concurrency,

    /// What callers may wait for, and how long. Default: that of each field. Example: `{timeout: 2s}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub sync: Sync,

    /// Limits for commands of one caller and one root. Default: that of each limit.
    /// Example: `{maxInFlight: 256}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub limits: Limits,

    /// The service of the logic that upcasts old events to their current form when they are read.
    /// Default: none, events are passed on as they were stored. Example: `{port: 50052}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upcaster: Option<Upcaster>,

    /// What the logic handles and emits, for checks and for graphs of the whole system.
    /// Default: not declared, nothing is checked.
    /// Example: `{events: [shop.order.v1.OrderCreated]}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<Contract>,
}

/// When snapshots are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Snapshots {
    /// After how many events of a root the logic is asked for a snapshot. Default: unset, it is
    /// never asked; snapshots that it returns unasked are kept. Example: `100`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub every_events: Option<u32>,

    /// How many snapshots of a root are kept. Default: 1. Example: `3`.
    #[schemars(range(min = 1, max = 100))]
    pub keep: u32,

    /// The version of the snapshots' shape; those of another version are not used. Raise it when
    /// the logic computes its state in another way. Default: 0. Example: `2`.
    #[schemars(range(min = 0))]
    pub version: u32,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self {
            every_events: None,
            keep: 1,
            version: 0,
        }
    }
}

/// How a command with an old sequence is treated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Concurrency {
    /// The strategy for commands that name none: Strict refuses an old sequence,
    /// AggregateHandles lets the logic decide on the newest state, Commutative and Manual are
    /// reserved. Default: Strict. Example: `AggregateHandles`.
    pub merge_strategy: MergeStrategy,
}

/// What to do with a command that was sent with an old sequence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MergeStrategy {
    /// Refuse it.
    #[default]
    Strict,
    /// Let the logic decide.
    AggregateHandles,
    /// Accept it if no event since then touches the same fields.
    Commutative,
    /// Park it for a person.
    Manual,
}

/// What callers may wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Sync {
    /// The modes that callers may ask for: None waits until the events are stored, Simple
    /// for projections too, Cascade for everything that follows. Default: unset, every mode.
    /// Example: `[None, Simple]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub allow: Option<Vec<SyncMode>>,

    /// How many commands deep a cascade may go. Default: unset. Example: `10`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub max_cascade_depth: Option<u32>,

    /// The longest that a caller waits for what follows its command. Default: `10s`.
    /// Example: `2s`.
    pub timeout: Duration,
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            allow: None,
            max_cascade_depth: None,
            timeout: angzarr_config::routing::Timeouts::default().sync.into(),
        }
    }
}

/// What a caller waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SyncMode {
    /// The events are stored.
    None,
    /// Projections too.
    Simple,
    /// Everything that follows.
    Cascade,
}

/// Limits that keep one caller from hurting the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// The largest command or event in bytes. Default: 1048576. Example: `65536`.
    #[schemars(range(min = 1024, max = 16_777_216))]
    pub max_command_bytes: u32,

    /// The most events that one command may lead to. Default: 1000. Example: `50`.
    #[schemars(range(min = 1, max = 1000))]
    pub max_events_per_command: u32,

    /// The most commands in flight in one sidecar; more are asked to retry later.
    /// Default: 4096. Example: `256`.
    #[schemars(range(min = 1, max = 65536))]
    pub max_in_flight: u32,

    /// The most commands that wait for one root; more are asked to come back later.
    /// Default: 1024. Example: `16`.
    #[schemars(range(min = 1, max = 65536))]
    pub max_queued_per_root: u32,

    /// The most bytes of the calls under way in one sidecar, queries aside: so many of those to its
    /// own domain, of those through its gateway, and of the histories that commands are judged on.
    /// What finds no room waits. Default: 33554432. Example: `134217728`.
    #[schemars(range(min = 33_554_432_u64, max = 1_099_511_627_776_u64))]
    pub max_in_flight_bytes: u64,

    /// The most bytes of events that the queries under way in one sidecar hold; what finds no room
    /// waits. Default: 67108864. Example: `134217728`.
    #[schemars(range(min = 33_554_432_u64, max = 1_099_511_627_776_u64))]
    pub max_query_bytes: u64,

    /// How long a client may take nothing of a reply, or send nothing of a request, while that holds
    /// memory; then the call ends. Default: `20s`. Example: `1m`.
    pub client_timeout: Duration,

    /// How long a command may take whose caller sets no shorter deadline, with its wait for the root
    /// and the call of the logic. Default: `30s`. Example: `500ms`.
    pub command_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let limits = angzarr_config::routing::Limits::default();
        let count = |limit: usize| u32::try_from(limit).expect("limits fit into 32 bits");
        Self {
            max_command_bytes: count(limits.page_bytes),
            max_events_per_command: count(limits.append_pages),
            max_in_flight: count(limits.in_flight),
            max_queued_per_root: count(limits.in_flight_per_root),
            max_in_flight_bytes: limits.in_flight_bytes as u64,
            max_query_bytes: limits.query_bytes as u64,
            client_timeout: angzarr_config::routing::Timeouts::default().client.into(),
            command_timeout: angzarr_config::routing::Timeouts::default().command.into(),
        }
    }
}

/// Where old events are upcast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Upcaster {
    /// The port in the pod that serves the Upcaster service. Default: the logic's port.
    /// Example: `50052`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,

    /// How long one call may take. Default: `5s`. Example: `1s`.
    pub timeout: Duration,
}

impl Default for Upcaster {
    fn default() -> Self {
        Self {
            port: None,
            timeout: Duration::from_secs(5),
        }
    }
}

/// What the logic handles and emits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Contract {
    /// Full names of the command messages that the logic handles, at most 256. Default: empty,
    /// not declared. Example: `[shop.order.v1.CreateOrder]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 255), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub commands: Vec<String>,

    /// Full names of the event messages that the logic emits, at most 256. Default: empty, not
    /// declared. Example: `[shop.order.v1.OrderCreated]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 255), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub events: Vec<String>,

    /// A ConfigMap with the compiled descriptors of these messages, so that tools can show them
    /// as text. Default: unset. Example: `{name: order-protos}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptor_ref: Option<DescriptorRef>,
}

/// Compiled descriptors in a ConfigMap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DescriptorRef {
    /// The name of the ConfigMap. Required. Example: `order-protos`.
    #[schemars(length(min = 1, max = 253), regex(pattern = form::DNS_SUBDOMAIN))]
    pub name: String,

    /// The key in its binaryData. Default: `descriptor.binpb`. Example: `order.binpb`.
    #[serde(default = "descriptor_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = form::DATA_KEY))]
    pub key: String,
}

fn descriptor_key() -> String {
    "descriptor.binpb".to_owned()
}
