//! The definitions as they are installed: derived from the types and adapted to API servers.
//!
//! # Design
//!
//! `Aggregate::crd()` and its like give the bare derivation; [`crd`] is the one to use. It removes
//! `nullable`, so that a field without a value counts as absent in rules, drops number formats
//! that API servers do not know, adds the columns of `kubectl get`, the rule for names at the root and lets every new object
//! begin with `status.observedGeneration: -1`, and marks what is not built.

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use schemars::Schema;
use serde_json::{Map, Value, json};

use crate::{
    Aggregate, EventStore, Kind, ProcessManager, Projector, Saga, columns::columns, rules, unbuilt,
};

static DEFINITIONS: LazyLock<[Definition; 5]> = LazyLock::new(|| Kind::ALL.map(Definition::new));

struct Definition {
    crd: CustomResourceDefinition,
    schema: Value,
}

impl Definition {
    fn new(kind: Kind) -> Self {
        let derived = match kind {
            Kind::EventStore => EventStore::crd(),
            Kind::Aggregate => Aggregate::crd(),
            Kind::Projector => Projector::crd(),
            Kind::Saga => Saga::crd(),
            Kind::ProcessManager => ProcessManager::crd(),
        };
        let mut whole = serde_json::to_value(derived).expect("definitions are plain data");
        let place = &mut whole["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let schema = finish(kind, place.take());
        *place = schema.clone();
        let annotations = json!({ "helm.sh/resource-policy": "keep" });
        whole["metadata"]["annotations"] = annotations;
        whole["spec"]["versions"][0]["additionalPrinterColumns"] = columns(kind);
        let crd = serde_json::from_value(whole).expect("finishing keeps the definition's shape");
        Self { crd, schema }
    }
}

fn finish(kind: Kind, schema: Value) -> Value {
    let mut schema = schema;
    tidy(&mut schema);
    schema["properties"]["apiVersion"] = json!({
        "type": "string",
        "description": "The group and version of the resource. Required. Example: `angzarr.io/v1alpha1`.",
    });
    schema["properties"]["kind"] = json!({
        "type": "string",
        "description": "The kind of the resource. Required. Example: `Aggregate`.",
    });
    // An API server refuses anything here except a type and the fields name and generateName; each field may have its own description and limits.
    schema["properties"]["metadata"] = json!({
        "type": "object",
        "properties": { "name": {
            "type": "string",
            "maxLength": 253,
            "description": "The name of the resource. Required. Example: `order`.",
        } },
    });
    schema["properties"]["spec"]["description"] = "The desired state. Required.".into();
    schema["properties"]["status"]["description"] =
        "What the operator reports; `angzarr local` and `angzarr render` report none.".into();
    schema["properties"]["status"]["default"] = json!({ "observedGeneration": -1 });
    let mut root = Schema::try_from(schema).expect("a schema is an object");
    rules::name(&mut root);
    let mut schema = root.to_value();
    unbuilt::mark(kind, &mut schema);
    schema
}

/// Removes what API servers warn about or what changes the meaning of rules.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if is_schema(object) {
                object.remove("nullable");
                object.remove("title");
                object.remove("example");
                drop_unknown_format(object);
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A map of properties can hold the words of a schema as names, but never a text under `type`.
fn is_schema(object: &Map<String, Value>) -> bool {
    object.get("type").is_some_and(Value::is_string)
        || object.contains_key("x-kubernetes-int-or-string")
}

fn drop_unknown_format(object: &mut Map<String, Value>) {
    const UNKNOWN: [&str; 7] = [
        "uint", "uint8", "uint16", "uint32", "uint64", "int8", "int16",
    ];
    let format = object.get("format").and_then(Value::as_str);
    if format.is_some_and(|format| UNKNOWN.contains(&format)) {
        object.remove("format");
    }
}

fn definition(kind: Kind) -> &'static Definition {
    &DEFINITIONS[kind as usize]
}

/// The definition of a kind, ready to install.
pub fn crd(kind: Kind) -> &'static CustomResourceDefinition {
    &definition(kind).crd
}

/// The OpenAPI schema of a kind, from the root of the resource.
pub fn schema(kind: Kind) -> &'static Value {
    &definition(kind).schema
}

/// The name of the file that holds a kind's definition.
pub fn file_name(kind: Kind) -> String {
    format!("{}.{}.yaml", kind.plural(), crate::GROUP)
}

/// The definition of a kind as YAML.
///
/// # Errors
///
/// Fails if the definition cannot be written as YAML, which would be a mistake in the types.
pub fn yaml(kind: Kind) -> Result<String, serde_saphyr::ser::Error> {
    let mut whole = serde_json::to_value(crd(kind)).expect("definitions are plain data");
    whole_numbers(&mut whole);
    let body = serde_saphyr::to_string(&whole)?;
    Ok(format!(
        "# Generated from the types of this crate by `make crds`. Change those, not this file.\n{body}"
    ))
}

/// Bounds are fractions in the type of schemas; people expect to read `1`, not `1.0`.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|float| float.fract() == 0.0);
            if let Some(whole) = whole.filter(|float| float.abs() < 1e15) {
                *value = Value::from(whole as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(object) => object.values_mut().for_each(whole_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
