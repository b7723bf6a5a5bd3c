use serde_json::{Value, json};

use super::*;
use crate::testkit::{aggregate, misshapen};

fn found(kind: Kind, resource: &Value) -> Vec<String> {
    let violations = validate_structure(kind, resource);
    violations.iter().map(ToString::to_string).collect()
}

#[test]
fn a_sound_resource_has_no_violation() {
    let resource = aggregate(json!({
        "replicas": 2,
        "logic": { "port": 8080, "startupTimeout": "1m30s" },
        "storage": { "size": 1 },
        "metadata": { "labels": { "a.b/c": "d" } },
        "autoscaling": null,
    }));
    assert_eq!(found(Kind::Aggregate, &resource), Vec::<String>::new());
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn names_labels_and_annotations_are_what_an_api_server_accepts() {
    let long = "x".repeat(64);
    let cases = [
        (
            json!({ "metadata": { "labels": { "team": long } } }),
            "spec.metadata.labels.team: ",
        ),
        (
            json!({ "metadata": { "labels": { "a b": "c" } } }),
            "spec.metadata.labels[\"a b\"]: ",
        ),
        (
            json!({ "metadata": { "annotations": { "a/b/c": "c" } } }),
            "spec.metadata.annotations[\"a/b/c\"]: ",
        ),
        (
            json!({ "metadata": { "annotations": { "a": "c".repeat(300_000) } } }),
            "spec.metadata.annotations: have ",
        ),
        (
            json!({ "network": { "service": { "annotations": { "": "c" } } } }),
            "spec.network.service.annotations",
        ),
        (
            json!({ "template": { "metadata": { "labels": { "a": "ä" } }, "spec": {} } }),
            "spec.template.metadata.labels.a: ",
        ),
        (
            json!({ "template": { "metadata": { "annotations": { "ä": "" } }, "spec": {} } }),
            "spec.template.metadata.annotations[\"ä\"]: ",
        ),
        (
            json!({ "eventStoreRef": { "name": "La goon" } }),
            "spec.eventStoreRef.name: ",
        ),
        (
            json!({ "eventStoreRef": { "name": "a", "namespace": "a.b" } }),
            "spec.eventStoreRef.namespace: ",
        ),
        (
            json!({ "logic": { "container": "Logic" } }),
            "spec.logic.container: ",
        ),
        (
            json!({ "storage": { "storageClassName": "a_b" } }),
            "spec.storage.storageClassName: ",
        ),
        (
            json!({ "storage": { "accessMode": "ReadWriteMany" } }),
            "spec.storage.accessMode: ",
        ),
        (
            json!({ "sidecar": { "env": [{ "name": "A=B" }] } }),
            "spec.sidecar.env[0].name: ",
        ),
        (
            json!({ "sidecar": { "env": [{ "name": "" }] } }),
            "spec.sidecar.env[0].name: ",
        ),
        (
            json!({ "workloadRef": { "name": "a_b" } }),
            "spec.workloadRef.name: ",
        ),
    ];
    for (spec, wanted) in cases {
        let found = found(Kind::Aggregate, &aggregate(spec));
        assert!(
            found.len() == 1 && found[0].starts_with(wanted),
            "{wanted}: {found:?}"
        );
    }
    let mut own = aggregate(json!({}));
    own["metadata"]["labels"] = json!({ "a b": "c", "d": "e f" });
    own["metadata"]["annotations"] = json!({ "a b": "c", "d": "e f" });
    assert_eq!(found(Kind::Aggregate, &own).len(), 3);
    let store = json!({
        "apiVersion": "angzarr.io/v1alpha1", "kind": "EventStore", "metadata": { "name": "a" },
        "spec": { "bus": { "type": "direct" }, "storage": { "type": "postgres", "postgres": { "connection": {
            "secretRef": { "name": "A", "keys": { "uri": "a/b" } } }, "database": "reef" } } },
    });
    let found = found(Kind::EventStore, &store);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn each_mistake_names_its_place_and_what_to_do() {
    for (resource, wanted) in misshapen() {
        assert_eq!(found(Kind::Aggregate, &resource), [wanted]);
    }
}

#[test]
fn a_namespace_is_a_label_and_no_path() {
    for wrong in [
        json!(".."),
        json!("a/b"),
        json!("Lake"),
        json!(7),
        json!("x".repeat(64)),
    ] {
        let mut resource = aggregate(json!({}));
        resource["metadata"]["namespace"] = wrong;
        let told = found(Kind::Aggregate, &resource);
        assert!(told[0].starts_with("metadata.namespace: "), "{told:?}");
    }
}

#[test]
fn all_mistakes_are_found_at_once() {
    let resource = json!({
        "apiVersion": "angzarr.io/v1",
        "kind": "Projector",
        "metadata": { "naem": "tern", "labels": { "n": 1 } },
        "spec": {
            "eventStoreRef": {},
            "sources": [
                { "domain": "egg", "eventTypes": ["nest.Laid", "not a name"] },
                { "domain": "egg" },
            ],
            "startFrom": { "type": "Time", "time": "yesterday" },
        },
        "specs": {},
    });
    assert_eq!(
        found(Kind::Projector, &resource),
        [
            r#"apiVersion: must be angzarr.io/v1alpha1, found "angzarr.io/v1""#,
            "metadata.labels.n: must be a string, found 1 without quotes",
            "metadata.naem: is not a field; did you mean name?",
            "metadata.name: is required",
            "spec.eventStoreRef.name: is required, like shop",
            r#"spec.sources[0].eventTypes[1]: "not a name" does not match ^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"#,
            "spec.sources[1]: repeats egg, which is already in spec.sources[0]",
            r#"spec.startFrom.time: "yesterday" is not a time, like 2026-01-31T00:00:00Z"#,
            "specs: is not a field; did you mean spec?",
        ]
    );
}

#[test]
fn a_list_far_too_long_is_one_mistake() {
    let sources: Vec<Value> = (0..10_000)
        .map(|number| json!({ "domain": format!("d{number}") }))
        .collect();
    let resource = json!({
        "apiVersion": "angzarr.io/v1alpha1",
        "kind": "Saga",
        "metadata": { "name": "tern" },
        "spec": { "eventStoreRef": { "name": "lagoon" }, "sources": sources },
    });
    assert_eq!(
        found(Kind::Saga, &resource),
        ["spec.sources: has 10000 items; write at most 64"]
    );
}

#[test]
fn what_is_no_object_is_refused() {
    for resource in [json!(null), json!([]), json!("Saga")] {
        assert_eq!(
            validate_structure(Kind::Saga, &resource).len(),
            1,
            "{resource}"
        );
    }
}
