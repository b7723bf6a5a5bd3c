//! The rules between fields, run by an evaluator of our own process.

use kube::core::cel::{CompiledSchema, Validator, compile_schema};
use serde_json::Value;

use super::Mistake;
use crate::{Kind, schema};

/// Checks the rules of a resource's schema, as a new resource or as a change of `old`.
///
/// Fields that are null are removed and defaults are put in first, as an API server does.
///
/// ```
/// use angzarr_crds::{Kind, validate_cel};
/// let store = serde_json::json!({
///     "metadata": { "name": "shop" },
///     "spec": { "storage": { "type": "postgres" }, "bus": { "type": "direct" } },
/// });
/// let found = validate_cel(Kind::EventStore, &store, None);
/// assert_eq!(found[0].path, "spec.storage");
/// assert!(found[0].message.contains("the block postgres must be set"));
/// ```
pub fn validate_cel(kind: Kind, new: &Value, old: Option<&Value>) -> Vec<Mistake> {
    thread_local! {
        static RULES: (Validator, [CompiledSchema; 5]) = (
            Validator::new(),
            Kind::ALL.map(|kind| compile_schema(schema(kind))),
        );
    }
    let new = without_nulls(new);
    let old = old.map(without_nulls);
    let verdict = RULES.with(|(validator, compiled)| {
        validator.validate_compiled(&compiled[kind as usize], &new, old.as_ref())
    });
    let Err(errors) = verdict else {
        return Vec::new();
    };
    errors
        .into_iter()
        .map(|error| Mistake::new(error.field_path, error.message))
        .collect()
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(object) => object
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
