//! Validates the shape of a resource by its schema: names, types, words and bounds.
//!
//! A field whose value is null counts as absent, as it does for an API server.

use std::{cell::RefCell, collections::HashMap};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use angzarr_config::nearest;

use super::Mistake;
use crate::{API_VERSION, Form, Kind, form, schema};

/// The fields of `metadata` that an API server knows; definitions do not list them.
const METADATA: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Checks the shape of a resource against its schema and returns every mistake with its place.
///
/// ```
/// use angzarr_crds::{Kind, validate_structure};
/// let saga = serde_json::json!({
///     "apiVersion": "angzarr.io/v1alpha1",
///     "kind": "Saga",
///     "metadata": { "name": "refunds" },
///     "spec": { "eventStoreRef": { "name": "shop" }, "sources": [{ "domian": "order" }] },
/// });
/// let found: Vec<String> = validate_structure(Kind::Saga, &saga)
///     .iter()
///     .map(ToString::to_string)
///     .collect();
/// assert_eq!(found, [
///     "spec.sources[0].domain: is required, like order",
///     "spec.sources[0].domian: is not a field; did you mean domain?",
/// ]);
/// ```
pub fn validate_structure(kind: Kind, resource: &Value) -> Vec<Mistake> {
    let mut walk = Walk::default();
    walk.value(schema(kind), resource, "");
    if let Some(object) = resource.as_object() {
        walk.word(object, "apiVersion", API_VERSION);
        walk.word(object, "kind", kind.as_str());
        walk.metadata(object.get("metadata"));
    }
    let mut found = walk.found;
    found.sort();
    found.dedup();
    found
}

/// A walk along schema and value at once.
#[derive(Default)]
struct Walk {
    found: Vec<Mistake>,
}

impl Walk {
    fn report(&mut self, path: &str, message: impl Into<String>) {
        self.found.push(Mistake::new(path, message));
    }

    fn word(&mut self, object: &Map<String, Value>, key: &str, wanted: &str) {
        match object.get(key) {
            None | Some(Value::Null) => self.report(key, format!("is required; write {wanted}")),
            Some(Value::String(text)) if text != wanted => {
                self.report(key, format!("must be {wanted}, found {text:?}"));
            }
            Some(_) => {}
        }
    }

    fn metadata(&mut self, metadata: Option<&Value>) {
        let Some(Value::Object(metadata)) = metadata else {
            self.report("metadata.name", "is required");
            return;
        };
        if metadata.get("name").is_none_or(Value::is_null) {
            self.report("metadata.name", "is required");
        }
        match metadata.get("namespace") {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if Form::DnsLabel.fault(text).is_none() => {}
            Some(Value::String(text)) => {
                let message = format!(
                    "{text:?} is not the name of a namespace; write at most 63 lower-case letters, digits and dashes, like shop"
                );
                self.report("metadata.namespace", message);
            }
            Some(other) => self.report("metadata.namespace", wrong_type("a string", other)),
        }
        for key in metadata
            .keys()
            .filter(|key| !METADATA.contains(&key.as_str()))
        {
            let message = unknown_field(key, METADATA.into_iter());
            self.report(&join("metadata", key), message);
        }
        for key in ["labels", "annotations"] {
            let entries = metadata.get(key).and_then(Value::as_object);
            for (name, value) in entries.into_iter().flatten() {
                let path = join(&join("metadata", key), name);
                match value {
                    Value::String(text) if key == "labels" => {
                        let fault = Form::LabelValue.fault(text);
                        self.report_all(&path, fault);
                    }
                    Value::String(_) => {}
                    other => self.report(&path, wrong_type("a string", other)),
                }
            }
            if let Some(entries) = entries {
                self.keys(entries, &join("metadata", key));
            }
        }
    }

    fn report_all(&mut self, path: &str, faults: impl IntoIterator<Item = String>) {
        for fault in faults {
            self.report(path, fault);
        }
    }

    /// Checks the keys of labels and annotations.
    fn keys(&mut self, entries: &Map<String, Value>, path: &str) {
        let form = if path.ends_with("labels") {
            Form::LabelKey
        } else {
            Form::AnnotationKey
        };
        for key in entries.keys() {
            self.report_all(&join(path, key), form.fault(key));
        }
        if form == Form::AnnotationKey {
            self.report_all(path, form::annotations_fault(entries.iter()));
        }
    }

    fn value(&mut self, schema: &Value, value: &Value, path: &str) {
        if schema["x-kubernetes-int-or-string"] == true {
            match value {
                Value::String(text) => self.text(schema, text, path),
                Value::Number(number) if number.is_u64() => {}
                other => self.report(
                    path,
                    wrong_type("a whole number or a string like 128Mi", other),
                ),
            }
            return;
        }
        match (schema["type"].as_str(), value) {
            (Some("object"), Value::Object(object)) => self.object(schema, object, path),
            (Some("array"), Value::Array(items)) => self.list(schema, items, path),
            (Some("string"), Value::String(text)) => self.text(schema, text, path),
            (Some("integer"), Value::Number(number)) if number.is_i64() || number.is_u64() => {
                self.number(schema, value, path);
            }
            (Some("number"), Value::Number(_)) => self.number(schema, value, path),
            (Some("boolean"), Value::Bool(_)) | (None, _) => {}
            (Some(wanted), other) => self.report(path, wrong_type(article(wanted), other)),
        }
    }

    fn object(&mut self, schema: &Value, object: &Map<String, Value>, path: &str) {
        let present = |key: &str| object.get(key).is_some_and(|value| !value.is_null());
        for key in texts(&schema["required"]).filter(|key| !present(key)) {
            let hint = example(&schema["properties"][key]);
            self.report(&join(path, key), format!("is required{hint}"));
        }
        if let Some(most) = schema["maxProperties"]
            .as_u64()
            .filter(|most| exceeds(object.len(), *most))
        {
            self.report(
                path,
                format!("has {} entries; write at most {most}", object.len()),
            );
        }
        let others = &schema["additionalProperties"];
        let is_metadata = [".labels", ".annotations"]
            .iter()
            .any(|end| path.ends_with(end));
        if is_metadata && others.is_object() {
            self.keys(object, path);
        }
        let open = path == "metadata" || schema["x-kubernetes-preserve-unknown-fields"] == true;
        for (key, value) in object.iter().filter(|(_, value)| !value.is_null()) {
            let place = join(path, key);
            match schema["properties"].get(key) {
                Some(known) => self.value(known, value, &place),
                None if others.is_object() => self.value(others, value, &place),
                None if open => {}
                None => {
                    let known = schema["properties"].as_object();
                    let known = known.into_iter().flatten().map(|(key, _)| key.as_str());
                    self.report(&place, unknown_field(key, known));
                }
            }
        }
    }

    fn list(&mut self, schema: &Value, items: &[Value], path: &str) {
        let most = schema["maxItems"].as_u64();
        if let Some(most) = most.filter(|most| exceeds(items.len(), *most)) {
            self.report(
                path,
                format!("has {} items; write at most {most}", items.len()),
            );
        }
        let least = schema["minItems"].as_u64();
        if let Some(least) = least.filter(|least| *least > items.len() as u64) {
            self.report(
                path,
                format!("has {} items; write at least {least}", items.len()),
            );
        }
        let looked_at = most.map_or(items.len(), |most| {
            usize::try_from(most).unwrap_or(usize::MAX)
        });
        let mut seen = HashMap::new();
        for (place, item) in items.iter().take(looked_at).enumerate() {
            let item_path = format!("{path}[{place}]");
            self.value(&schema["items"], item, &item_path);
            let Some(identity) = identity(schema, item) else {
                continue;
            };
            if let Some(first) = seen.insert(identity.clone(), place) {
                self.report(
                    &item_path,
                    format!("repeats {identity}, which is already in {path}[{first}]"),
                );
            }
        }
    }

    fn text(&mut self, schema: &Value, text: &str, path: &str) {
        let words: Vec<&str> = texts(&schema["enum"]).collect();
        if !words.is_empty() && !words.contains(&text) {
            self.report(path, unknown_word(text, &words));
            return;
        }
        let length = text.chars().count();
        if let Some(most) = schema["maxLength"]
            .as_u64()
            .filter(|most| exceeds(length, *most))
        {
            self.report(
                path,
                format!("has {length} characters; write at most {most}"),
            );
            return;
        }
        let hint = example(schema);
        if schema["minLength"]
            .as_u64()
            .is_some_and(|least| least > length as u64)
        {
            self.report(path, format!("must not be empty{hint}"));
        } else if schema["pattern"]
            .as_str()
            .is_some_and(|pattern| !matches(pattern, text))
        {
            let pattern = schema["pattern"].as_str().unwrap_or_default();
            self.report(path, format!("{text:?} does not match {pattern}{hint}"));
        } else if schema["format"] == "date-time" && Time::deserialize(Value::from(text)).is_err() {
            self.report(path, format!("{text:?} is not a time{hint}"));
        }
    }

    fn number(&mut self, schema: &Value, value: &Value, path: &str) {
        let Some(number) = value.as_f64() else {
            return;
        };
        let widest = (schema["format"] == "int32").then_some(f64::from(i32::MAX));
        if let Some(most) = schema["maximum"]
            .as_f64()
            .or(widest)
            .filter(|most| number > *most)
        {
            self.report(path, format!("is {value}; write at most {most}"));
        }
        if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
            self.report(path, format!("is {value}; write at least {least}"));
        }
    }
}

/// What makes an item of a list distinct, if the list asks for that.
fn identity(schema: &Value, item: &Value) -> Option<String> {
    match schema["x-kubernetes-list-type"].as_str()? {
        "set" => item.as_str().map(str::to_owned),
        "map" => {
            let keys = texts(&schema["x-kubernetes-list-map-keys"]);
            let parts: Option<Vec<&str>> = keys.map(|key| item[key].as_str()).collect();
            parts.map(|parts| parts.join("/"))
        }
        _ => None,
    }
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

fn exceeds(length: usize, most: u64) -> bool {
    length as u64 > most
}

/// Whether a text matches a pattern; schemas have few, so each is compiled once a thread.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    thread_local! {
        static COMPILED: RefCell<HashMap<String, Option<Regex>>> = RefCell::default();
    }
    COMPILED.with_borrow_mut(|compiled| {
        compiled
            .entry(pattern.to_owned())
            .or_insert_with(|| Regex::new(pattern).ok())
            .as_ref()
            .is_some_and(|regex| regex.is_match(text))
    })
}

fn join(path: &str, key: &str) -> String {
    let plain = key
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match (path, plain && !key.is_empty()) {
        ("", _) => key.to_owned(),
        (path, true) => format!("{path}.{key}"),
        (path, false) => format!("{path}[{key:?}]"),
    }
}

/// The example at the end of a field's description, as a hint.
fn example(schema: &Value) -> String {
    schema["description"]
        .as_str()
        .and_then(|text| text.rsplit_once("Example:"))
        .map(|(_, example)| example.trim().trim_end_matches('.').trim_matches('`'))
        .map_or_else(String::new, |example| format!(", like {example}"))
}

fn article(kind: &str) -> &str {
    match kind {
        "object" => "an object",
        "array" => "a list",
        "string" => "a string",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        other => other,
    }
}

fn wrong_type(wanted: &str, value: &Value) -> String {
    match value {
        Value::Null => format!("must be {wanted}, found nothing"),
        Value::Bool(_) | Value::Number(_) if wanted == "a string" => {
            format!("must be {wanted}, found {value} without quotes")
        }
        Value::Bool(_) | Value::Number(_) => format!("must be {wanted}, found {value}"),
        Value::String(text) => format!("must be {wanted}, found the string {text:?}"),
        Value::Array(_) => format!("must be {wanted}, found a list"),
        Value::Object(_) => format!("must be {wanted}, found an object"),
    }
}

fn unknown_field<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    match nearest(key, &known) {
        Some(near) => format!("is not a field; did you mean {near}?"),
        None if known.is_empty() => "is not a field; there are none here".to_owned(),
        None => format!("is not a field; the fields are {}", known.join(", ")),
    }
}

fn unknown_word(text: &str, words: &[&str]) -> String {
    let words_listed = words.join(", ");
    match nearest(text, words) {
        Some(near) => format!("{text:?} is not one of {words_listed}; did you mean {near}?"),
        None => format!("{text:?} is not one of {words_listed}"),
    }
}

#[cfg(test)]
mod tests;
