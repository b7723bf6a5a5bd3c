//! The plan that a component's pods have, kept in a ControllerRevision: another version of the operator, which would plan them otherwise, replaces none.
//!
//! # Design
//! A workload names its plan and what that was made from; a ControllerRevision holds it as a text, under the hash of that text. So a plan is believed only
//! if the workload names it and its name fits its text: one that was edited, or that somebody else made, is none. Where a plan is lost, what the operator
//! wrote of the workload is read back from the workload itself. The document is kept as text, since API servers write JSON in their own way.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::DynamicObject;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::child::{ChildKey, ChildKind};
use super::inputs::Inputs;
use super::world::State;
use crate::digest::digits;
use crate::model::Key;
use crate::plan::names;
use crate::plan::pods::Pods;

/// The annotation of a workload with the name of its plan.
const PLAN: &str = "angzarr.io/plan";
/// The annotation of a workload with the hash of what its plan was made from.
const INPUTS: &str = "angzarr.io/plan-inputs";
/// The key of the text in a ControllerRevision.
const FILE: &str = "plan.json";
/// How many digits of its hash name a plan.
const DIGITS: usize = 16;
/// How many bytes the text of a plan may have. Its quotes are escaped once more, and an API server stores at most a megabyte and a half.
const LARGEST: usize = 600_000;
/// How many plans of a component are kept, with the one that its pods have.
const HISTORY: usize = 3;

/// What pods are made of, and what that was planned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PodPlan {
    pub(super) inputs: Inputs,
    pub(super) pods: Pods,
}

/// A plan as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sealed {
    /// The name of its ControllerRevision.
    pub(super) name: String,
    text: String,
    inputs: String,
}

/// What a workload says of its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pin {
    /// The name of the ControllerRevision.
    pub(super) plan: String,
    /// The hash of what it was made from.
    pub(super) inputs: String,
}

/// A plan in a ControllerRevision, read or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    /// Its place among the plans of its component.
    pub(super) number: i64,
    text: Arc<str>,
}

/// What is known of the pods that a component has.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Current {
    /// There is no workload.
    Absent,
    /// They have this plan.
    Planned(Box<PodPlan>),
    /// They have a plan that is not there.
    Lost(Option<Pin>),
}

impl PodPlan {
    /// The plan as a component keeps it.
    pub(super) fn seal(&self, key: &Key) -> Sealed {
        let text = serde_json::to_string_pretty(self).expect("a plan is plain data");
        let text = format!("{text}\n");
        Sealed {
            name: names::plan(key, &digits(&text, DIGITS)),
            text,
            inputs: self.inputs.hash.clone(),
        }
    }
}

impl Sealed {
    /// The ControllerRevision that holds it, with the metadata that all objects of the component have. One that would be too large is not kept, and
    /// read back where it is needed.
    pub(super) fn object(&self, key: &Key, metadata: &Value, state: &State) -> Option<Value> {
        if self.text.len() > LARGEST {
            return None;
        }
        let mut metadata = metadata.clone();
        metadata["name"] = self.name.clone().into();
        Some(json!({
            "apiVersion": "apps/v1",
            "kind": ChildKind::ControllerRevision.as_str(),
            "metadata": metadata,
            "revision": number(key, &self.name, state),
            "data": { FILE: self.text },
        }))
    }

    /// Lets a workload name it.
    pub(super) fn mark(&self, workload: &mut Value) {
        let annotations = &mut workload["metadata"]["annotations"];
        annotations[PLAN] = self.name.clone().into();
        annotations[INPUTS] = self.inputs.clone().into();
    }
}

/// The newest plan has the highest number.
fn number(key: &Key, name: &str, state: &State) -> i64 {
    let all = kept(key, state);
    match all.first() {
        Some((newest, kept)) if newest.name == name => kept.number,
        Some((_, kept)) => kept.number.saturating_add(1),
        None => 1,
    }
}

/// The plans of a component, the newest first.
fn kept<'a>(key: &Key, state: &'a State) -> Vec<(&'a ChildKey, &'a Kept)> {
    let of = state.children.of(key);
    let mut all: Vec<_> = of
        .filter_map(|(key, child)| Some((key, child.kept.as_ref()?)))
        .collect();
    all.sort_by_key(|(key, kept)| (-kept.number, &key.name));
    all
}

/// The names of the plans that stay, so that people can see what pods had before.
pub(super) fn history(key: &Key, state: &State) -> Vec<String> {
    let newest = kept(key, state).into_iter().take(HISTORY);
    newest.map(|(key, _)| key.name.clone()).collect()
}

impl Pin {
    /// Reads the annotations of an object.
    pub(super) fn read(metadata: &ObjectMeta) -> Option<Self> {
        let annotations = metadata.annotations.as_ref()?;
        Some(Self {
            plan: annotations.get(PLAN)?.clone(),
            inputs: annotations.get(INPUTS)?.clone(),
        })
    }
}

impl Kept {
    /// Reads a ControllerRevision.
    pub(super) fn read(object: &DynamicObject) -> Self {
        let text = object.data["data"][FILE].as_str().unwrap_or_default();
        Self {
            number: object.data["revision"].as_i64().unwrap_or_default(),
            text: text.into(),
        }
    }

    /// The plan, if it is the one that its name stands for.
    fn plan(&self, key: &Key, name: &str) -> Option<PodPlan> {
        if name != names::plan(key, &digits(&self.text, DIGITS)) {
            return None;
        }
        serde_json::from_str(&self.text).ok()
    }
}

/// The pods that a resource of an id has. A workload whose annotations were taken away has the newest plan that was made from the same.
pub(super) fn current(
    state: &State,
    workload: &ChildKey,
    (key, uid): (&Key, &str),
    inputs: &str,
) -> Current {
    let found = state.children.get(workload);
    let Some(found) = found.filter(|it| it.owner.as_deref() == Some(uid)) else {
        return Current::Absent;
    };
    let own = |name: &ChildKey| {
        let owner = state.children.get(name).and_then(|it| it.owner.as_deref());
        owner == Some(uid)
    };
    let plans = kept(key, state).into_iter().filter(|(name, _)| own(name));
    let mut plans = plans.filter_map(|(name, kept)| {
        let is_meant = found.pin.as_ref().is_none_or(|pin| pin.plan == name.name);
        is_meant.then(|| kept.plan(key, &name.name))?
    });
    let plan = match &found.pin {
        Some(_) => plans.next(),
        None => plans.find(|plan| plan.inputs.hash == inputs),
    };
    match plan {
        Some(plan) => Current::Planned(Box::new(plan)),
        None => Current::Lost(found.pin.clone()),
    }
}

/// The part of an object that a manager applied, as it is now: the fields that the API server says are its.
pub(super) fn applied(object: &DynamicObject, manager: &str) -> Option<Value> {
    let mut entries = object.metadata.managed_fields.iter().flatten();
    let entry = entries.find(|entry| {
        entry.manager.as_deref() == Some(manager)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.is_none()
    })?;
    Some(owned(&object.data, &entry.fields_v1.as_ref()?.0))
}

/// The fields of a value that a set names; all of it where the set has no parts.
fn owned(value: &Value, fields: &Value) -> Value {
    let Some(fields) = fields.as_object().filter(|it| !it.is_empty()) else {
        return value.clone();
    };
    match value {
        Value::Object(parts) => {
            let parts = parts.iter().filter_map(|(name, value)| {
                let fields = fields.get(&format!("f:{name}"))?;
                Some((name.clone(), owned(value, fields)))
            });
            Value::Object(parts.collect())
        }
        Value::Array(items) => {
            let items = items.iter().filter_map(|item| {
                let mut named = fields.iter().filter(|(name, _)| names_item(name, item));
                Some(owned(item, named.next()?.1))
            });
            Value::Array(items.collect())
        }
        leaf => leaf.clone(),
    }
}

/// Whether a part of a set stands for an item of a list: by its keys or its value.
fn names_item(name: &str, item: &Value) -> bool {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    if let Some(keys) = name.strip_prefix("k:") {
        let keys = parsed(keys);
        let mut keys = keys.as_object().into_iter().flatten();
        return keys.all(|(key, value)| item[key] == *value);
    }
    name.strip_prefix("v:")
        .is_some_and(|it| parsed(it) == *item)
}

#[cfg(test)]
mod tests;
