//! The Saga: reacts to events of some domains with commands to others.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ComponentSpec, ComponentStatus, ConsumerSpec, Duration, Mode, Target, rules};

/// Logic that reacts to events of some domains with commands to others.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "angzarr.io",
    version = "v1alpha1",
    kind = "Saga",
    plural = "sagas",
    shortname = "saga",
    category = "angzarr",
    namespaced,
    status = "ComponentStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "Logic that reacts to events of some domains with commands to others.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::component, transform = rules::consumer)]
pub struct SagaSpec {
    /// The fields of every component.
    #[serde(flatten)]
    pub component: ComponentSpec,

    /// The fields of every reader of events.
    #[serde(flatten)]
    pub consumer: ConsumerSpec,

    /// The domains that receive this saga's commands, each at most once; a command to another
    /// domain is refused. At most 64. Default: empty, for a saga that sends no commands.
    /// Example: `[{domain: inventory}, {domain: customer}]`.
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

    /// What happens when a target refuses a command for good. Default: unset.
    /// Example: `{maxAttempts: 10, onExhausted: Park}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensation: Option<Compensation>,

    /// Timeouts of single steps. Default: that of each step. Example: `{command: 5s}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub timeouts: Timeouts,
}

/// How a refused command is compensated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Compensation {
    /// Whether the triggering aggregate is asked to compensate a refused command; if not, the
    /// command is parked with its refusal. Default: true. Example: `false`.
    pub enabled: bool,

    /// How often the aggregate is asked. Default: 5. Example: `10`.
    #[schemars(range(min = 1, max = 1000))]
    pub max_attempts: u32,

    /// What happens after the last attempt: Park keeps the case for a person, Record only stores
    /// that the compensation failed. Default: Park. Example: `Record`.
    pub on_exhausted: OnExhausted,
}

impl Default for Compensation {
    fn default() -> Self {
        Self {
            enabled: true,
            max_attempts: 5,
            on_exhausted: OnExhausted::Park,
        }
    }
}

/// What happens when a compensation fails for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnExhausted {
    /// The case waits for a person.
    #[default]
    Park,
    /// The failure is stored and does not wait for a person.
    Record,
}

/// Timeouts of single steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Timeouts {
    /// How long reading the state of the roots that the logic asked for may take.
    /// Default: unset. Example: `5s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepare: Option<Duration>,

    /// How long one command to a target may take, without retries. Default: `30s`.
    /// Example: `5s`.
    pub command: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            prepare: None,
            command: angzarr_config::routing::Timeouts::default().command.into(),
        }
    }
}
