//! What pods are planned from: the part of a resource that reaches them, so that a plan is made anew only when somebody changed that.
//!
//! # Design
//! The resource is taken as the API server holds it and compared without what equals the defaults of its schema, so an operator that knows more fields, and
//! a definition that writes more defaults, see the same inputs as before. All fields count but those listed here as hot: a field that is forgotten in the
//! list leads to a plan too many, never to pods that miss a change.

use std::collections::BTreeMap;

use angzarr_crds::{Kind, schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::digits;

/// The fields of components that act without new pods: they stand in routing documents, in other objects or in the workload beside its pods.
const HOT: [&str; 15] = [
    "spec.autoscaling",
    "spec.availability.pdb",
    "spec.contract.events",
    "spec.delivery",
    "spec.limits",
    "spec.monitoring",
    "spec.network",
    "spec.replicas",
    "spec.rollout",
    "spec.sidecar.updatePolicy",
    "spec.storage",
    "spec.suspend",
    "spec.sync.timeout",
    "spec.targets",
    "spec.timeouts.command",
];
/// Those of an EventStore.
const HOT_OF_STORES: [&str; 2] = ["spec.allowedNamespaces", "spec.delivery"];

/// How many bytes the paths of fields may take; more are told apart by the first field of the specification only.
const LONGEST_PATHS: usize = 8192;
/// How many digits of a hash tell two inputs apart.
const DIGITS: usize = 16;
/// How many digits of a hash tell two values of a field apart.
const FIELD_DIGITS: usize = 8;

/// What pods are planned from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Inputs {
    /// Equal for equal inputs only.
    pub(super) hash: String,
    /// A hash of each field, by which a change is named.
    fields: BTreeMap<String, String>,
}

impl Inputs {
    /// Reads a specification of a resource.
    pub(super) fn read(kind: Kind, spec: &Value) -> Self {
        let hot: &[&str] = match kind {
            Kind::EventStore => &HOT_OF_STORES,
            Kind::Aggregate | Kind::Projector | Kind::Saga | Kind::ProcessManager => &HOT,
        };
        let schema = &schema(kind)["properties"]["spec"];
        let mut leaves = BTreeMap::new();
        if let Some(spec) = cold("spec", spec, schema, hot) {
            flatten("spec", &spec, &mut leaves);
        }
        Self::new(&leaves)
    }

    fn new(leaves: &BTreeMap<String, String>) -> Self {
        let whole: String = leaves
            .iter()
            .map(|(path, value)| format!("{path}={value}\n"))
            .collect();
        let is_long = leaves.keys().map(String::len).sum::<usize>() > LONGEST_PATHS;
        let mut fields: BTreeMap<String, String> = BTreeMap::new();
        for (path, value) in leaves {
            let name = if is_long { first_field(path) } else { path };
            let before = fields.get(name).map(String::as_str).unwrap_or_default();
            let together = digits(&format!("{before}{path}={value}"), FIELD_DIGITS);
            fields.insert(name.to_owned(), together);
        }
        Self {
            hash: digits(&whole, DIGITS),
            fields,
        }
    }

    /// The inputs of a component's pods: its own, those of its store, and whether there may be several of them, which spreads them.
    pub(super) fn of_pods(&self, store_name: &str, store: &Self, are_several: bool) -> Self {
        let text = format!("{} {} {are_several}", self.hash, store.hash);
        let mut fields = self.fields.clone();
        for (path, value) in &store.fields {
            fields.insert(format!("EventStore {store_name} {path}"), value.clone());
        }
        fields.insert("spec.replicas".to_owned(), are_several.to_string());
        Self {
            hash: digits(&text, DIGITS),
            fields,
        }
    }

    /// The fields that differ.
    pub(super) fn changed(&self, before: &Self) -> Vec<String> {
        let (now, before) = (&self.fields, &before.fields);
        let gone = before.keys().filter(|path| !now.contains_key(*path));
        let differing = now
            .iter()
            .filter(|(path, value)| before.get(*path) != Some(value));
        let mut changed: Vec<_> = differing.map(|(path, _)| path).chain(gone).collect();
        changed.sort();
        changed.into_iter().cloned().collect()
    }
}

/// A value without what is hot and what equals a default; `None` if nothing is left.
fn cold(path: &str, value: &Value, schema: &Value, hot: &[&str]) -> Option<Value> {
    if value.is_null() || hot.contains(&path) || schema.get("default") == Some(value) {
        return None;
    }
    let is_free = schema["x-kubernetes-preserve-unknown-fields"] == true;
    match value {
        Value::Object(fields) if !is_free => {
            let fields = fields.iter().filter_map(|(name, value)| {
                let schema = &schema["properties"][name];
                let value = cold(&format!("{path}.{name}"), value, schema, hot)?;
                Some((name.clone(), value))
            });
            let fields: serde_json::Map<_, _> = fields.collect();
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        Value::Array(items) if !is_free => {
            let inside = |item| cold(path, item, &schema["items"], &[]).unwrap_or(Value::Null);
            let items: Vec<_> = items.iter().map(inside).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        other => Some(other.clone()),
    }
}

/// The paths of all values that have no parts, with the values.
pub(super) fn flatten(path: &str, value: &Value, leaves: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                flatten(&format!("{path}{}", step(name)), value, leaves);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (place, value) in items.iter().enumerate() {
                flatten(&format!("{path}[{place}]"), value, leaves);
            }
        }
        leaf => {
            leaves.insert(path.to_owned(), leaf.to_string());
        }
    }
}

/// A name that could be read as several is quoted.
fn step(name: &str) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "-_".contains(it);
    if !name.is_empty() && name.chars().all(is_plain) {
        return format!(".{name}");
    }
    format!("[{}]", Value::from(name))
}

/// `spec.template` of `spec.template.spec.containers`.
fn first_field(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("spec.") else {
        return path;
    };
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    &path[.."spec.".len() + end]
}

#[cfg(test)]
mod tests;
