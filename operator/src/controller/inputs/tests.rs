use angzarr_crds::Kind;
use serde_json::{Value, json};

use super::*;
use crate::manifest::read;
use crate::plan::pods::Pods;
use crate::plan::{Installation, plan};
use crate::validate::validate;

fn spec() -> Value {
    json!({
        "domain": "nest",
        "eventStoreRef": { "name": "heron" },
        "template": { "spec": { "containers": [{ "name": "logic", "image": "nest:1", "resources": {} }] } },
    })
}

fn read_aggregate(spec: &Value) -> Inputs {
    Inputs::read(Kind::Aggregate, spec)
}

/// The same with a value at a place.
fn with(place: &str, value: Value) -> Value {
    let mut spec = spec();
    let mut at = &mut spec;
    for name in place.trim_start_matches('/').split('/') {
        at = match name.parse::<usize>() {
            Ok(item) => &mut at[item],
            Err(_) => &mut at[name],
        };
    }
    *at = value;
    spec
}

#[test]
fn what_equals_a_default_is_as_if_it_were_left_out() {
    let before = read_aggregate(&spec());
    for (place, value) in [
        ("/logic", json!({})),
        ("/logic", json!({ "port": 50051, "protocol": "Auto" })),
        ("/metadata", json!({ "labels": {} })),
        ("/suspend", json!(false)),
        ("/sidecar", json!({ "drainSeconds": 25 })),
    ] {
        let schema = &angzarr_crds::schema(Kind::Aggregate)["properties"]["spec"];
        assert!(schema["properties"].get(&place[1..]).is_some(), "{place}");
        let now = read_aggregate(&with(place, value.clone()));
        let changed = now.changed(&before);
        assert_eq!(now, before, "{place} {value} {changed:?}");
    }
}

#[test]
fn a_change_is_named_by_its_field() {
    let before = read_aggregate(&spec());
    for (place, value, field) in [
        (
            "/template/spec/containers/0/image",
            json!("nest:2"),
            "spec.template.spec.containers[0].image",
        ),
        (
            "/template/spec/containers/0/resources",
            json!({ "limits": { "cpu": "1" } }),
            "spec.template.spec.containers[0].resources",
        ),
        ("/logic", json!({ "port": 8080 }), "spec.logic.port"),
        (
            "/metadata",
            json!({ "labels": { "reed.example/a.b": "c" } }),
            "spec.metadata.labels[\"reed.example/a.b\"]",
        ),
        ("/domain", json!("brood"), "spec.domain"),
    ] {
        let now = read_aggregate(&with(place, value));
        assert_ne!(now.hash, before.hash, "{place}");
        let changed = now.changed(&before);
        assert!(
            changed.iter().any(|it| it.starts_with(field)),
            "{place} {changed:?}"
        );
        assert_eq!(before.changed(&now), changed);
    }
}

#[test]
fn names_with_dots_are_not_taken_for_paths() {
    let read = |labels: Value| read_aggregate(&with("/metadata", json!({ "labels": labels })));
    assert_ne!(
        read(json!({ "a.b": "c" })),
        read(json!({ "a": "c", "b": "c" }))
    );
}

#[test]
fn a_specification_with_many_fields_is_told_apart_by_its_first_ones() {
    let env: Vec<_> = (0..1000)
        .map(|it| json!({ "name": format!("E{it}") }))
        .collect();
    let whole = |last: &str| {
        let mut env = env.clone();
        env.push(json!({ "name": last }));
        read_aggregate(&with("/template/spec/containers/0/env", json!(env)))
    };
    let (one, other) = (whole("one"), whole("other"));
    assert!(one.fields.len() < 10, "{:?}", one.fields);
    assert_eq!(other.changed(&one), ["spec.template"]);
}

#[test]
fn the_store_and_several_pods_count() {
    let own = read_aggregate(&spec());
    let store = |storage: Value| Inputs::read(Kind::EventStore, &json!({ "storage": storage }));
    let (file, server) = (
        store(json!({ "type": "sqlite" })),
        store(json!({ "type": "postgres" })),
    );
    let before = own.of_pods("heron", &file, false);
    let moved = own.of_pods("heron", &server, false);
    assert_ne!(moved.hash, before.hash);
    assert_eq!(
        moved.changed(&before),
        ["EventStore heron spec.storage.type"]
    );
    let spread = own.of_pods("heron", &file, true);
    assert_ne!(spread.hash, before.hash);
    assert_eq!(spread.changed(&before), ["spec.replicas"]);
}

/// The pods that resources lead to.
fn pods(component: &str) -> Pods {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let store = "apiVersion: angzarr.io/v1alpha1
kind: EventStore
metadata: {name: heron}
spec: {storage: {type: postgres, postgres: {connection: {secretRef: {name: lake}}}}, bus: {type: direct}}
---
apiVersion: angzarr.io/v1alpha1
kind: Aggregate
metadata: {name: reed}
spec: {eventStoreRef: {name: heron}, domain: reed, template: {spec: {containers: [{name: logic, image: 'reed:1'}]}}}
---
apiVersion: angzarr.io/v1alpha1
kind: Aggregate
metadata: {name: pond}
spec: {eventStoreRef: {name: heron}, domain: pond, template: {spec: {containers: [{name: logic, image: 'pond:1'}]}}}
---
";
    std::fs::write(
        folder.path().join("lake.yaml"),
        store.to_owned() + component,
    )
    .expect("it is written");
    let found = read(folder.path()).expect("it can be read");
    let system = validate(&found.resources).expect("it is valid");
    let installation = Installation {
        sidecar_image: "sidecar".to_owned(),
        has_pod_monitors: true,
    };
    let mut planned = plan(&system, &installation).components;
    planned.retain(|key, _| key.name == "nest");
    planned.pop_first().expect("it is planned").1.pods()
}

/// A component that is called nest, with a line for a field.
fn component(kind: &str, line: &str) -> String {
    let own = match kind {
        "Aggregate" => "  domain: nest",
        _ => "  sources: [{domain: reed}]",
    };
    format!(
        "apiVersion: angzarr.io/v1alpha1
kind: {kind}
metadata: {{name: nest}}
spec:
  eventStoreRef: {{name: heron}}
  template: {{spec: {{containers: [{{name: logic, image: 'nest:1'}}]}}}}
{own}
{line}
"
    )
}

/// A line before and after the change of each hot field.
#[rustfmt::skip]
const CHANGES: [(&str, &str, &str); 15] = [
    ("Aggregate", "", "autoscaling: {maxReplicas: 1}"),
    ("Aggregate", "", "availability: {pdb: Disabled}"),
    ("Aggregate", "", "contract: {events: [reed.Grown]}"),
    ("Projector", "", "delivery: {maxAttempts: 3, timeout: 3s, backoff: {initial: 1s, max: 2s}}"),
    ("Aggregate", "", "limits: {maxInFlight: 3, maxEventsPerCommand: 3, maxQueuedPerRoot: 3, clientTimeout: 3s}"),
    ("Aggregate", "", "monitoring: {podMonitor: Disabled, interval: 7s}"),
    ("Aggregate", "", "network: {policy: Ingress, service: {type: NodePort}}"),
    ("Aggregate", "replicas: 2", "replicas: 3"),
    ("Aggregate", "", "rollout: {strategy: Recreate, minReadySeconds: 3, progressDeadlineSeconds: 33, revisionHistoryLimit: 3}"),
    ("Aggregate", "", "sidecar: {updatePolicy: Immediate}"),
    ("Aggregate", "", "storage: {size: 3Gi, storageClassName: slow, accessMode: ReadWriteOncePod}"),
    ("Aggregate", "", "suspend: true"),
    ("Aggregate", "", "sync: {timeout: 3s}"),
    ("Saga", "targets: [{domain: reed}]", "targets: [{domain: reed}, {domain: pond}]"),
    ("Saga", "targets: [{domain: reed}]", "targets: [{domain: reed}]\n  timeouts: {command: 3s}"),
];

#[test]
fn no_field_that_is_hot_changes_pods() {
    for (field, (kind, before, after)) in HOT.into_iter().zip(CHANGES) {
        let name = field
            .split('.')
            .nth(1)
            .expect("it is inside the specification");
        assert!(after.contains(&format!("{name}:")), "{field}");
        let of = |line: &str| pods(&component(kind, &format!("  {line}")));
        assert_eq!(of(before), of(after), "{field}");
    }
}
