//! The Projector: reads events and keeps a view.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ComponentSpec, ComponentStatus, ConsumerSpec, Mode, rules};

/// Logic that reads events and keeps a view of them.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "angzarr.io",
    version = "v1alpha1",
    kind = "Projector",
    plural = "projectors",
    shortname = "prj",
    category = "angzarr",
    namespaced,
    status = "ComponentStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "Logic that reads events and keeps a view of them.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::component, transform = rules::consumer)]
pub struct ProjectorSpec {
    /// The fields of every component.
    #[serde(flatten)]
    pub component: ComponentSpec,

    /// The fields of every reader of events.
    #[serde(flatten)]
    pub consumer: ConsumerSpec,

    /// Async shows an event in the view soon after the reply to its command; Sync lets callers of
    /// a synchronous command wait until the view shows it. Default: Async. Example: `Sync`.
    #[serde(default)]
    pub mode: Mode,

    /// Builds the view again from stored events. Default: unset, no rebuild.
    /// Example: `{token: "2026-01-31", strategy: InPlace}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<Rebuild>,
}

/// A request to build a view again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rebuild {
    /// Any text; a new text asks for one more rebuild. Required. Example: `2026-01-31`.
    #[schemars(length(min = 1, max = 63))]
    pub token: String,

    /// InPlace tells the logic to empty its view and reads everything again; SideBySide builds a
    /// second view beside the first, which serves until the second has caught up.
    /// Default: InPlace. Example: `SideBySide`.
    #[serde(default)]
    pub strategy: RebuildStrategy,
}

/// How a view is built again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RebuildStrategy {
    /// The view is emptied first.
    #[default]
    InPlace,
    /// A second view is built.
    SideBySide,
}
