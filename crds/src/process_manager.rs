//! The ProcessManager: a saga with a state and timers.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Compensation, ComponentSpec, ComponentStatus, ConsumerSpec, Duration, Mode, Target, Timeouts,
    rules,
};

/// Logic that follows a process over several domains, with a state of its own and timers.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "angzarr.io",
    version = "v1alpha1",
    kind = "ProcessManager",
    plural = "processmanagers",
    shortname = "pm",
    category = "angzarr",
    namespaced,
    status = "ComponentStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "Logic that follows a process over several domains, with a state of its own and timers.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(
    transform = rules::component,
    transform = rules::consumer,
    transform = rules::fixed_domain
)]
pub struct ProcessManagerSpec {
    /// The fields of every component.
    #[serde(flatten)]
    pub component: ComponentSpec,

    /// The fields of every reader of events.
    #[serde(flatten)]
    pub consumer: ConsumerSpec,

    /// The domain that holds the state of the processes as events. Required, cannot change.
    /// Example: `order-fulfillment`.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub domain: String,

    /// The domains that receive this process manager's commands, each at most once; a command to
    /// another domain is refused. At most 64. Default: empty, for a process manager that sends no commands.
    /// Example: `[{domain: fulfillment}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["domain"])
    )]
    pub targets: Vec<Target>,

    /// Async acts soon after the reply to the command; a caller of a cascading command waits for
    /// Sync. Default: Async. Example: `Sync`.
    #[serde(default)]
    pub mode: Mode,

    /// What happens when a target refuses a command for good. Default: unset. Example: `{enabled: false}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensation: Option<Compensation>,

    /// Timeouts of single steps. Default: that of each step. Example: `{command: 5s}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub timeouts: Timeouts,

    /// Which events belong to one process. Default: those with the same correlation id.
    /// Example: `{by: SourceRoot}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub correlation: Correlation,

    /// Bounds for the timers that the logic sets. Default: 1000 for a process, exact to a second.
    /// Example: `{maxPerProcess: 10}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub timers: Timers,
}

/// Which events belong to one process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Correlation {
    /// CorrelationId puts all events of one correlation id into one process, SourceRoot all
    /// events of one root. Default: CorrelationId. Example: `SourceRoot`.
    pub by: CorrelationBy,
}

/// What events of one process share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CorrelationBy {
    /// The correlation id.
    #[default]
    CorrelationId,
    /// The root of the events.
    SourceRoot,
}

/// Bounds for timers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Timers {
    /// The most timers that may wait in one process. Default: 1000. Example: `10`.
    #[schemars(range(min = 0, max = 100_000))]
    pub max_per_process: u32,

    /// How late a due timer may be noticed. Default: `1s`. Example: `100ms`.
    pub resolution: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            max_per_process: 1_000,
            resolution: Duration::from_secs(1),
        }
    }
}
