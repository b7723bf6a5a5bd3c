//! The pods of components, as the API server holds them.

use angzarr_admin::prepared::Prepared;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod as Object};

use super::child::labelled;
use crate::model::Key;
use crate::plan::names;

/// What the operator looks at in a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) name: String,
    /// Where its sidecar's admin port is asked.
    pub(super) ip: Option<String>,
    pub(super) is_ready: bool,
    /// Whether it is being deleted.
    pub(super) is_leaving: bool,
    /// Whether it asks for the sidecar by its label.
    pub(super) asks: bool,
    /// What was injected into it.
    pub(super) injected: Option<String>,
    /// Whether it has a sidecar of ours.
    pub(super) has_sidecar: bool,
    /// The ConfigMaps that it mounts.
    pub(super) config_maps: Vec<String>,
    /// The id of the object that runs it.
    pub(super) owner: Option<String>,
    /// What became of the tables of a store, if it prepares some.
    pub(super) prepared: Option<Prepared>,
    /// Why it does not run, as its node or the scheduler says.
    pub(crate) trouble: Option<String>,
}

impl Pod {
    /// Reads an object.
    pub(crate) fn read(object: &Object) -> Self {
        let spec = object.spec.as_ref();
        let status = object.status.as_ref();
        let mut conditions = status
            .and_then(|it| it.conditions.as_ref())
            .into_iter()
            .flatten();
        let annotations = object.metadata.annotations.as_ref();
        let initial = spec.and_then(|it| it.init_containers.as_ref());
        Self {
            name: object.metadata.name.clone().unwrap_or_default(),
            ip: status.and_then(|it| it.pod_ip.clone()),
            is_ready: conditions.any(|it| it.type_ == "Ready" && it.status == "True"),
            is_leaving: object.metadata.deletion_timestamp.is_some(),
            asks: asked(object).is_some(),
            injected: annotations.and_then(|it| it.get(names::INJECTED).cloned()),
            has_sidecar: initial
                .into_iter()
                .flatten()
                .any(|it| it.name == names::SIDECAR),
            config_maps: config_maps(object),
            owner: owner(object),
            prepared: prepared(object),
            trouble: trouble(object),
        }
    }
}

/// The label by which a pod asks for its sidecar.
fn asked(object: &Object) -> Option<&String> {
    object.metadata.labels.as_ref()?.get(names::INJECT)
}

/// The component of a pod: the one whose sidecar it asks for, else that of its labels.
pub(super) fn component(object: &Object) -> Option<Key> {
    match asked(object) {
        Some(label) => names::asked(object.metadata.namespace.as_deref()?, label),
        None => labelled(&object.metadata),
    }
}

fn config_maps(object: &Object) -> Vec<String> {
    let volumes = object.spec.as_ref().and_then(|it| it.volumes.as_ref());
    let named = volumes.into_iter().flatten();
    named
        .filter_map(|it| Some(it.config_map.as_ref()?.name.clone()))
        .collect()
}

fn owner(object: &Object) -> Option<String> {
    let mut owners = object.metadata.owner_references.iter().flatten();
    let owner = owners.find(|owner| owner.controller == Some(true))?;
    Some(owner.uid.clone())
}

/// What the container left that prepares the tables of a store when it ended last.
fn prepared(object: &Object) -> Option<Prepared> {
    let containers = object.status.as_ref()?.container_statuses.iter().flatten();
    let mut found = containers.filter(|it| it.name == names::PREPARING);
    let container = found.next()?;
    let states = [&container.state, &container.last_state];
    let mut ended = states
        .into_iter()
        .filter_map(|state| state.as_ref()?.terminated.as_ref());
    Prepared::read(ended.next()?.message.as_deref()?)
}

/// The first reason that a person would look for: it cannot be placed, or a container of it cannot start or ends again and again.
fn trouble(object: &Object) -> Option<String> {
    let status = object.status.as_ref()?;
    let conditions = status.conditions.iter().flatten();
    let unplaced = conditions
        .filter(|it| it.type_ == "PodScheduled" && it.status == "False")
        .filter_map(|it| it.message.clone())
        .next();
    let containers = status.init_container_statuses.iter().flatten();
    let containers = containers.chain(status.container_statuses.iter().flatten());
    unplaced.or_else(|| containers.filter_map(waits).next())
}

fn waits(container: &ContainerStatus) -> Option<String> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    // These two are the ordinary way to a running container.
    if ["ContainerCreating", "PodInitializing"].contains(&reason) {
        return None;
    }
    let name = &container.name;
    let message = waiting.message.as_deref().unwrap_or("no message");
    Some(format!("container {name}: {reason}: {message}"))
}
