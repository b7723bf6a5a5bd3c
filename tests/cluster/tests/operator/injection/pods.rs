//! Pods of every shape, and what becomes of them.

use serde_json::{Value, json};

use super::{container, pod};

/// Pods that are let in.
pub(super) fn accepted(label: &str) -> Vec<(&'static str, Value)> {
    let with = |change: Value| pod(label, change);
    let logic = |change: Value| {
        let mut logic = container("logic");
        super::merge(&mut logic, change);
        with(json!({ "spec": { "containers": [logic] } }))
    };
    vec![
        ("bare", with(json!({}))),
        (
            "two containers with volumes",
            with(json!({ "spec": {
                "containers": [container("logic"), container("beside")],
                "initContainers": [container("first")],
                "volumes": [{ "name": "own", "emptyDir": {} }],
            }})),
        ),
        (
            "labels and annotations",
            with(json!({ "metadata": {
                "labels": { "app.kubernetes.io/name": "its-own", "reed": "9" },
                "annotations": { "angzarr.io/injected": "forged", "reed/a_b": "9" },
            }})),
        ),
        (
            "the variable",
            logic(json!({ "env": [{ "name": "PORT", "value": "7" }] })),
        ),
        (
            "other variables",
            logic(json!({ "env": [{ "name": "A", "value": "$(PORT)" }] })),
        ),
        (
            "its own hook before the end",
            logic(json!({ "lifecycle": { "preStop": { "sleep": { "seconds": 3 } } } })),
        ),
        (
            "its own hook after the start",
            logic(json!({ "lifecycle": { "postStart": { "sleep": { "seconds": 3 } } } })),
        ),
        (
            "its own group and a long end",
            with(json!({ "spec": {
                "terminationGracePeriodSeconds": 300,
                "securityContext": { "fsGroup": 7 },
            }})),
        ),
        (
            "a short end",
            with(json!({ "spec": { "terminationGracePeriodSeconds": 1 } })),
        ),
        (
            "another protocol on our port",
            logic(json!({ "ports": [{ "containerPort": 9000, "protocol": "UDP" }] })),
        ),
    ]
}

/// Pods that cannot have the sidecar, and what is said of them.
pub(super) fn impossible(label: &str) -> Vec<(Value, &'static str)> {
    let with = |change: Value| pod(label, json!({ "spec": change }));
    let mut port = container("beside");
    port["ports"] = json!([{ "containerPort": 9090 }]);
    vec![
        (
            with(json!({ "containers": [container("logic"), container("angzarr")] })),
            "a container is named angzarr, as the sidecar is; give it another name",
        ),
        (
            with(json!({ "initContainers": [container("angzarr")] })),
            "a container is named angzarr, as the sidecar is; give it another name",
        ),
        (
            with(json!({ "volumes": [{ "name": "angzarr-boot", "emptyDir": {} }] })),
            "the name of a volume begins with angzarr-, as those of the sidecar do; give it another name",
        ),
        (
            with(json!({ "containers": [container("logic"), port] })),
            "a container has a port of the sidecar, 9000 or 9090; choose another, and set spec.logic.port of the component if it is that of the logic",
        ),
        (
            pod(
                label,
                json!({ "metadata": { "labels": { "angzarr.io/component": "other" } } }),
            ),
            "the labels angzarr.io/kind and angzarr.io/component name another component; remove them, since they are set from angzarr.io/inject",
        ),
    ]
}
