//! What a consumer reads, where it starts and how events are delivered.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Duration, rules};

/// The fields of every kind that reads events.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerSpec {
    /// The domains whose events this component reads, each at most once. Required, 1 to 64.
    /// Example: `[{domain: order, eventTypes: [shop.order.v1.OrderCompleted]}]`.
    #[schemars(
        length(min = 1, max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["domain"])
    )]
    pub sources: Vec<Source>,

    /// Where reading begins when this component has no stored progress; later changes of the
    /// field have no effect. Default: `{type: Beginning}` for a Projector, `{type: Now}` for a Saga
    /// and a ProcessManager, which must not send commands for events long past.
    /// Example: `{type: Beginning}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_from: Option<StartFrom>,

    /// How events are delivered to this component's logic. Default: that of the
    /// EventStore. Example: `{maxAttempts: 10, timeout: 5s}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub delivery: Delivery,

    /// How many events behind the head of a source still count as caught up; with more, the
    /// condition CaughtUp is False. Default: unset. Example: `100`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000_000_000))]
    pub lag_threshold: Option<u32>,
}

/// A domain to read, and which of its events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// The domain whose events are read. Required. Example: `order`.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub domain: String,

    /// Full names of the event messages that the logic wants; others are skipped without a
    /// call. Default: empty, which means all events of the domain. At most 256.
    /// Example: `[shop.order.v1.OrderCompleted]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 255), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub event_types: Vec<String>,
}

/// A domain that commands are sent to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The domain that receives commands. Required. Example: `inventory`.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub domain: String,
}

/// Where reading begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::start_from)]
pub struct StartFrom {
    /// The kind of start: Beginning (the first event), Now (the first event after this component
    /// was created), Position or Time. Required. Example: `Beginning`.
    #[serde(rename = "type")]
    pub type_: StartType,

    /// The first position to read in the one source's log. Only with type Position, which needs
    /// it. No default. Example: `120000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub position: Option<i64>,

    /// The time from which events are read, by the time they were stored, in RFC 3339. Only
    /// with type Time, which needs it. No default. Example: `2026-01-31T00:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub time: Option<Time>,
}

/// The kind of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StartType {
    /// The first event.
    Beginning,
    /// The first event after the component was created.
    Now,
    /// A position in the one source's log.
    Position,
    /// A point in time.
    Time,
}

/// How an event is delivered and retried.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Delivery {
    /// How often the logic may return an error for one event before the event's root is parked;
    /// calls that do not reach the logic do not count. Default: 5;
    /// a consumer without one takes that of its EventStore. Example: `10`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_attempts: Option<u32>,

    /// The pause between attempts. Default: `{initial: 100ms, max: 30s}`; a consumer without one takes
    /// that of its EventStore. Example: `{initial: 1s, max: 5m}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,

    /// How long one call of the logic may take. Default: `30s`; a consumer without one takes that of
    /// its EventStore. Example: `5s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// A pause that doubles with each attempt, with jitter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Backoff {
    /// The pause after the first failed attempt. Default: `100ms`. Example: `1s`.
    pub initial: Duration,

    /// The longest pause. Default: `30s`. Example: `5m`.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        let delivery = angzarr_config::routing::Delivery::default();
        Self {
            initial: delivery.backoff_initial.into(),
            max: delivery.backoff_max.into(),
        }
    }
}

/// Which call of the logic an event leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// After the reply to the command.
    #[default]
    Async,
    /// Before the reply to a synchronous command.
    Sync,
}
