//! The definitions as a cluster gets them: complete, documented, bounded and up to date.

use std::{fs, path::Path};

use angzarr_config::routing;
use angzarr_crds::{
    Aggregate, Component, EventStore, Kind, StartType, crd, file_name, manual, schema, yaml,
};
use serde_json::{Value, json};

/// A client-side apply keeps the whole definition in an annotation, which has 256 KiB.
const LARGEST: usize = 200 * 1024;

/// Calls `visit` with every schema below `schema` and its path.
fn walk<'a>(schema: &'a Value, path: &str, visit: &mut impl FnMut(&str, &'a Value)) {
    visit(path, schema);
    let properties = schema["properties"].as_object();
    for (name, property) in properties.into_iter().flatten() {
        walk(property, &format!("{path}.{name}"), visit);
    }
    for (key, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[key].is_object() {
            walk(&schema[key], &format!("{path}{suffix}"), visit);
        }
    }
}

fn rules(schema: &Value) -> impl Iterator<Item = &Value> {
    let rules = schema["x-kubernetes-validations"].as_array();
    rules.into_iter().flatten()
}

#[test]
fn the_files_are_what_the_types_say() {
    for kind in Kind::ALL {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file_name(kind));
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == yaml(kind).unwrap(),
            "{} is out of date, run `make crds`",
            file_name(kind)
        );
    }
}

#[test]
fn the_manual_is_what_the_types_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/resources.md");
    let stored = fs::read_to_string(path).unwrap_or_default();
    assert!(
        stored == manual(),
        "docs/resources.md is out of date, run `make crds`"
    );
}

#[test]
fn a_file_read_again_is_the_definition() {
    for kind in Kind::ALL {
        let read: Value = serde_saphyr::from_str(&yaml(kind).unwrap()).unwrap();
        let read: k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition =
            serde_json::from_value(read).unwrap();
        assert_eq!(&read, crd(kind));
    }
}

#[test]
fn a_client_can_apply_each_definition() {
    for kind in Kind::ALL {
        let size = yaml(kind).unwrap().len();
        assert!(size < LARGEST, "{kind} has {size} bytes");
    }
}

#[test]
fn names_and_scope_are_as_promised() {
    for kind in Kind::ALL {
        let definition = crd(kind);
        let names = &definition.spec.names;
        assert_eq!(definition.spec.group, "angzarr.io");
        assert_eq!(definition.spec.scope, "Namespaced");
        assert_eq!(definition.spec.versions[0].name, "v1alpha1");
        assert_eq!(names.kind, kind.as_str());
        assert_eq!(names.plural, kind.plural());
        assert_eq!(names.short_names, Some(vec![kind.short().to_owned()]));
        assert_eq!(names.categories, Some(vec!["angzarr".to_owned()]));
        assert_eq!(Kind::parse(kind.as_str()), Some(kind));
    }
}

#[test]
fn every_field_has_its_manual() {
    for kind in Kind::ALL {
        let mut silent = Vec::new();
        let mut short = Vec::new();
        walk(schema(kind), "", &mut |path, schema| {
            if path.ends_with("[]") || path.ends_with("{}") {
                return;
            }
            let text = schema["description"].as_str().unwrap_or_default();
            // Kubernetes describes the metadata of every object itself.
            if text.is_empty() && path != ".metadata" {
                silent.push(path.to_owned());
            }
            if ours(path) && !(text.contains("Example: ") && says_default(text)) {
                short.push(path.to_owned());
            }
        });
        assert_eq!(silent, Vec::<String>::new(), "{kind}: without description");
        assert_eq!(
            short,
            Vec::<String>::new(),
            "{kind}: without default or example"
        );
    }
}

/// Fields whose words are ours, not those of Kubernetes.
fn ours(path: &str) -> bool {
    let borrowed = path.contains(".env[]") || path.contains(".conditions[]");
    let selector = path.contains(".allowedNamespaces.selector.");
    path.matches('.').count() > 1 && !borrowed && !selector
}

fn says_default(text: &str) -> bool {
    let text = text.replace('\n', " ");
    ["Default: ", "Required", "No default", "required with it"]
        .iter()
        .any(|words| text.contains(words))
}

#[test]
fn every_rule_has_a_sentence_and_reaches_bounded_values_only() {
    for kind in Kind::ALL {
        let mut seen = 0;
        walk(schema(kind), "", &mut |path, schema| {
            for rule in rules(schema) {
                seen += 1;
                let message = rule["message"].as_str().unwrap_or_default();
                assert!(message.len() > 20, "{kind}{path}: {rule}");
                assert!(!message.contains('\n'), "{kind}{path}: {rule}");
                let text = rule["rule"].as_str().unwrap();
                reached(text, schema, &mut |field, reached| {
                    assert!(is_bounded(reached), "{kind}{path}: {field} has no bound");
                });
            }
        });
        assert!(seen > 4, "{kind} has only {seen} rules");
    }
}

/// Calls `visit` with each field that a rule names after `self`.
fn reached<'a>(rule: &str, schema: &'a Value, visit: &mut impl FnMut(&str, &'a Value)) {
    for path in rule.split("self.").skip(1) {
        let mut at = schema;
        let words = path.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
        for word in words.take(1).flat_map(|path| path.split('.')) {
            let word = word.trim_matches('_');
            if ["size", "matches", "all"].contains(&word) {
                break;
            }
            at = &at["properties"][word];
            assert!(at.is_object(), "{rule} names {word}, which is not there");
        }
        visit(path, at);
    }
}

fn is_bounded(schema: &Value) -> bool {
    match schema["type"].as_str() {
        Some("string") => schema["maxLength"].is_u64() || schema["enum"].is_array(),
        Some("array") => schema["maxItems"].is_u64(),
        Some("object") if schema["additionalProperties"].is_object() => {
            schema["maxProperties"].is_u64()
        }
        _ => true,
    }
}

#[test]
fn our_lists_and_texts_are_bounded() {
    for kind in Kind::ALL {
        walk(
            &schema(kind)["properties"]["spec"],
            "spec",
            &mut |path, schema| {
                let foreign =
                    path.contains(".env[]") || path.contains(".selector.") || path.ends_with("{}");
                assert!(foreign || is_bounded(schema), "{kind} {path} has no bound");
            },
        );
    }
}

#[test]
fn rules_between_fields_are_counted() {
    let count = |kind: Kind| rules(&schema(kind)["properties"]["spec"]).count();
    let counts = Kind::ALL.map(count);
    assert_eq!(counts, [6, 5, 5, 5, 6]);
    for kind in Kind::ALL {
        assert_eq!(rules(schema(kind)).count(), 1, "{kind}: the name");
    }
}

#[test]
fn status_begins_with_generation_minus_one() {
    for kind in Kind::ALL {
        let status = &schema(kind)["properties"]["status"];
        assert_eq!(status["default"], json!({ "observedGeneration": -1 }));
        assert_eq!(status["properties"]["observedGeneration"]["default"], -1);
        let conditions = &status["properties"]["conditions"];
        assert_eq!(conditions["x-kubernetes-list-type"], "map");
        assert_eq!(conditions["x-kubernetes-list-map-keys"], json!(["type"]));
        let subresources = crd(kind).spec.versions[0].subresources.as_ref().unwrap();
        assert!(subresources.status.is_some());
    }
}

#[test]
fn components_can_be_scaled() {
    for kind in Kind::ALL {
        let subresources = crd(kind).spec.versions[0].subresources.as_ref().unwrap();
        let scale = subresources.scale.as_ref().map(|scale| {
            let selector = scale.label_selector_path.as_deref();
            (
                scale.spec_replicas_path.as_str(),
                scale.status_replicas_path.as_str(),
                selector,
            )
        });
        let wanted = (
            ".spec.replicas",
            ".status.replicas",
            Some(".status.selector"),
        );
        assert_eq!(
            scale,
            (kind != Kind::EventStore).then_some(wanted),
            "{kind}"
        );
    }
}

#[test]
fn columns_show_what_matters_and_exist() {
    for (kind, wanted) in [
        (Kind::EventStore, "Storage Bus Ready Reason Used By Age"),
        (Kind::Aggregate, "Domain Ready Reason Pods Store Age"),
        (Kind::Projector, "Sources Ready Reason Pods Store Lag Age"),
        (Kind::Saga, "Sources Ready Reason Pods Store Lag Age"),
        (
            Kind::ProcessManager,
            "Domain Sources Ready Reason Pods Store Lag Age",
        ),
    ] {
        let columns = crd(kind).spec.versions[0]
            .additional_printer_columns
            .clone();
        let columns = columns.unwrap();
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names.join(" "), wanted);
        for column in columns.iter().filter(|column| column.name != "Age") {
            let place = column.json_path.split('[').next().unwrap();
            let pointer = place.replace('.', "/properties/");
            let found = schema(kind).pointer(&pointer);
            assert!(found.is_some(), "{kind} has no {}", column.json_path);
        }
    }
}

#[test]
fn no_word_means_something_else_in_yaml() {
    let traps = [
        "on", "off", "yes", "no", "true", "false", "null", "y", "n", "~",
    ];
    for kind in Kind::ALL {
        walk(schema(kind), "", &mut |path, schema| {
            for word in schema["enum"].as_array().into_iter().flatten() {
                let word = word.as_str().unwrap().to_lowercase();
                assert!(!traps.contains(&word.as_str()), "{kind}{path}: {word}");
            }
        });
    }
}

#[test]
fn schemas_are_structural() {
    for kind in Kind::ALL {
        walk(schema(kind), "", &mut |path, schema| {
            for word in [
                "anyOf",
                "oneOf",
                "allOf",
                "not",
                "$ref",
                "nullable",
                "definitions",
            ] {
                assert!(schema.get(word).is_none(), "{kind}{path} has {word}");
            }
            let shaped = schema["type"].is_string() || schema["x-kubernetes-int-or-string"] == true;
            assert!(shaped, "{kind}{path} has no type");
        });
    }
}

/// The checks of an API server on what a definition says about the parts that all objects have: `metadata` may hold a type and the fields name and
/// generateName, nothing else, and the identity of the object is text without limits.
fn restricted_parts(root: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let keys = |schema: &Value| -> Vec<String> {
        let object = schema.as_object();
        object
            .into_iter()
            .flat_map(|it| it.keys().cloned())
            .collect()
    };
    let metadata = &root["properties"]["metadata"];
    for key in keys(metadata) {
        if !["type", "properties"].contains(&key.as_str()) {
            found.push(format!("metadata has {key}"));
        }
    }
    for key in keys(&metadata["properties"]) {
        if !["name", "generateName"].contains(&key.as_str()) {
            found.push(format!("metadata specifies {key}"));
        }
    }
    for (part, wanted) in [
        ("metadata", "object"),
        ("apiVersion", "string"),
        ("kind", "string"),
    ] {
        if root["properties"][part]["type"] != wanted {
            found.push(format!("{part} is not of type {wanted}"));
        }
    }
    found
}

#[test]
fn an_api_server_accepts_what_is_said_about_metadata() {
    for kind in Kind::ALL {
        // The file, since that is what is applied.
        let read: Value = serde_saphyr::from_str(&yaml(kind).unwrap()).unwrap();
        for version in read["spec"]["versions"].as_array().unwrap() {
            let root = &version["schema"]["openAPIV3Schema"];
            assert_eq!(restricted_parts(root), Vec::<String>::new(), "{kind}");
        }
        // A resource within a resource would be restricted in the same way.
        walk(schema(kind), "", &mut |path, schema| {
            let embedded = schema.get("x-kubernetes-embedded-resource");
            assert!(embedded.is_none(), "{kind}{path}");
        });
    }
    let described = json!({ "properties": {
        "apiVersion": { "type": "string" },
        "kind": { "type": "string" },
        "metadata": {
            "type": "object",
            "description": "Refused.",
            "properties": { "name": {}, "labels": {} },
        },
    } });
    let refused = ["metadata has description", "metadata specifies labels"];
    assert_eq!(restricted_parts(&described), refused);
}

#[test]
fn a_short_resource_is_read_with_every_default() {
    let aggregate: Aggregate = serde_json::from_value(json!({
        "apiVersion": "angzarr.io/v1alpha1",
        "kind": "Aggregate",
        "metadata": { "name": "walrus", "namespace": "sea" },
        "spec": {
            "domain": "seal",
            "eventStoreRef": { "name": "lagoon" },
            "template": { "spec": { "containers": [{ "name": "l", "newField": 7 }] } },
        },
    }))
    .unwrap();
    let component = aggregate.component();
    assert_eq!(aggregate.domain(), Some("seal"));
    assert_eq!(component.logic.port, 50051);
    let (limits, timeouts) = (routing::Limits::default(), routing::Timeouts::default());
    let drain = u64::from(component.sidecar.drain_seconds);
    assert_eq!(drain, timeouts.drain.as_secs());
    let declared = &aggregate.spec.limits;
    assert_eq!(declared.max_in_flight as usize, limits.in_flight);
    assert_eq!(
        declared.max_queued_per_root as usize,
        limits.in_flight_per_root
    );
    assert_eq!(declared.max_command_bytes as usize, limits.page_bytes);
    assert_eq!(declared.max_in_flight_bytes, limits.in_flight_bytes as u64);
    assert_eq!(declared.max_query_bytes, limits.query_bytes as u64);
    assert_eq!(declared.client_timeout.get(), timeouts.client);
    assert_eq!(aggregate.spec.sync.timeout.get(), timeouts.sync);
    assert_eq!(declared.command_timeout.get(), timeouts.command);
    assert_eq!(aggregate.spec.limits.max_events_per_command, 1_000);
    assert_eq!(aggregate.default_start(), StartType::Now);
    let template = component.template.as_ref().unwrap();
    assert_eq!(template.spec["containers"][0]["newField"], 7);
}

#[test]
fn a_written_resource_is_read_the_same_and_says_only_what_was_said() {
    let store: EventStore = serde_json::from_value(json!({
        "apiVersion": "angzarr.io/v1alpha1",
        "kind": "EventStore",
        "metadata": { "name": "lagoon" },
        "spec": { "storage": { "type": "sqlite" }, "bus": { "type": "direct" } },
    }))
    .unwrap();
    let written = serde_json::to_value(&store).unwrap();
    assert_eq!(
        written["spec"],
        json!({
            "storage": { "type": "sqlite" },
            "bus": { "type": "direct" },
        })
    );
    assert_eq!(
        serde_json::from_value::<EventStore>(written).unwrap(),
        store
    );
}

#[test]
fn defaults_in_the_schema_are_the_defaults_of_the_types() {
    for kind in Kind::ALL {
        let spec = &schema(kind)["properties"]["spec"];
        walk(spec, "spec", &mut |path, schema| {
            let Some(default) = schema.get("default") else {
                return;
            };
            let text = schema["description"].as_str().unwrap().replace('\n', " ");
            let plain = match default {
                Value::String(word) => word.clone(),
                Value::Number(_) | Value::Bool(_) => default.to_string(),
                _ => return,
            };
            let said = text.split("Default: ").nth(1).unwrap_or_default();
            let said = said.split("Example: ").next().unwrap();
            assert!(
                said.contains(&plain),
                "{kind} {path}: the schema says {plain}, the description {said}"
            );
        });
    }
}
