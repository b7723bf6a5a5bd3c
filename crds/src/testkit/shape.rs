//! Resources with a mistake in their shape.

use serde_json::{Value, json};

/// An Aggregate of sound shape with these fields of its spec instead of its own.
pub(crate) fn aggregate(spec: Value) -> Value {
    let mut resource = json!({
        "apiVersion": "angzarr.io/v1alpha1",
        "kind": "Aggregate",
        "metadata": { "name": "walrus", "labels": { "team": "sea" } },
        "spec": {
            "domain": "walrus",
            "eventStoreRef": { "name": "lagoon" },
            "template": { "spec": { "containers": [{ "name": "l", "anything": [1, null] }] } },
        },
    });
    for (key, value) in spec.as_object().unwrap() {
        resource["spec"][key] = value.clone();
    }
    resource
}

/// Aggregates with one mistake in their shape, and what [`validate_structure`](crate::validate_structure) says to it: the path of the field, a
/// colon, and the mistake.
#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub fn misshapen() -> Vec<(Value, &'static str)> {
    let long = "x".repeat(64);
    let cases = [
        (
            json!({ "domian": "x" }),
            "spec.domian: is not a field; did you mean domain?",
        ),
        (
            json!({ "domain": null }),
            "spec.domain: is required, like order",
        ),
        (
            json!({ "domain": "" }),
            "spec.domain: must not be empty, like order",
        ),
        (
            json!({ "domain": long }),
            "spec.domain: has 64 characters; write at most 63",
        ),
        (
            json!({ "domain": "Walrus" }),
            r#"spec.domain: "Walrus" does not match ^[a-z]([-a-z0-9]*[a-z0-9])?$, like order"#,
        ),
        (
            json!({ "replicas": "2" }),
            "spec.replicas: must be a whole number, found the string \"2\"",
        ),
        (
            json!({ "replicas": 1.5 }),
            "spec.replicas: must be a whole number, found 1.5",
        ),
        (
            json!({ "sidecar": { "resources": { "limits": { "cpu": 0.5 } } } }),
            "spec.sidecar.resources.limits.cpu: must be a whole number or a string like 128Mi, found 0.5",
        ),
        (
            json!({ "replicas": -1 }),
            "spec.replicas: is -1; write at least 0",
        ),
        (
            json!({ "replicas": 1001 }),
            "spec.replicas: is 1001; write at most 1000",
        ),
        (
            json!({ "suspend": "yes" }),
            "spec.suspend: must be true or false, found the string \"yes\"",
        ),
        (
            json!({ "logic": [] }),
            "spec.logic: must be an object, found a list",
        ),
        (
            json!({ "logic": { "startup_timeout": "5m" } }),
            "spec.logic.startup_timeout: is not a field; did you mean startupTimeout?",
        ),
        (
            json!({ "logic": { "startupTimeout": "5 minutes" } }),
            r#"spec.logic.startupTimeout: "5 minutes" does not match ^([0-9]{1,9}(ms|s|m|h))+$, like 5m"#,
        ),
        (
            json!({ "logic": { "startupTimeout": 30 } }),
            "spec.logic.startupTimeout: must be a string, found 30 without quotes",
        ),
        (
            json!({ "rollout": { "strategy": "recreate" } }),
            r#"spec.rollout.strategy: "recreate" is not one of RollingUpdate, Recreate; did you mean Recreate?"#,
        ),
        (
            json!({ "sync": { "allow": ["Simple", "Simple"] } }),
            "spec.sync.allow[1]: repeats Simple, which is already in spec.sync.allow[0]",
        ),
        (
            json!({ "sync": { "allow": [] } }),
            "spec.sync.allow: has 0 items; write at least 1",
        ),
        (
            json!({ "metadata": { "labels": { "a.b/c": true } } }),
            r#"spec.metadata.labels["a.b/c"]: must be a string, found true without quotes"#,
        ),
        (
            json!({ "storage": { "size": "1 GB" } }),
            r#"spec.storage.size: "1 GB" does not match ^[0-9]+(\.[0-9]+)?([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?$, like 10Gi"#,
        ),
    ];
    let whole = |(spec, wanted)| (aggregate(spec), wanted);
    cases.into_iter().map(whole).collect()
}
