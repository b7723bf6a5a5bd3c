//! A user's own Deployment and StatefulSet, which get their sidecars when their pods are created.

use serde_json::{Value, json};

use crate::place::{ADA, Place, create_customer};

/// A component of the shop with the pods of a workload.
fn component(name: &str, kind: &str) -> Value {
    json!({
        "apiVersion": "angzarr.io/v1alpha1",
        "kind": "Aggregate",
        "metadata": { "name": name },
        "spec": {
            "eventStoreRef": { "name": "shop" },
            "domain": name,
            "logic": { "container": "rules" },
            "workloadRef": { "kind": kind, "name": format!("own-{name}") },
        },
    })
}

/// A workload that knows nothing of Angzarr but the label.
fn workload(name: &str, kind: &str, change: &Value) -> Value {
    let labels = json!({ "app": name, "angzarr.io/inject": format!("agg-{name}") });
    let mut spec = json!({
        "selector": { "matchLabels": { "app": name } },
        "template": {
            "metadata": { "labels": labels },
            "spec": { "containers": [{
                "name": "rules",
                "image": format!("shop/{name}:1"),
                "securityContext": {
                    "runAsNonRoot": true,
                    "runAsUser": 65532,
                    "allowPrivilegeEscalation": false,
                    "capabilities": { "drop": ["ALL"] },
                    "seccompProfile": { "type": "RuntimeDefault" },
                },
            }] },
        },
    });
    let fields = change.as_object().unwrap().clone();
    spec.as_object_mut().unwrap().extend(fields);
    json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": format!("own-{name}") }, "spec": spec })
}

/// Brings both up with the chart's values, sends a command through the Service of one to the other, and rolls one by a change of its sidecar.
async fn comes_up(place: &Place, values: &[&str]) {
    place.install_operator_with(values);
    let store = json!({
        "apiVersion": "angzarr.io/v1alpha1",
        "kind": "EventStore",
        "metadata": { "name": "shop" },
        "spec": { "storage": { "type": "sqlite" }, "bus": { "type": "direct" } },
    });
    let recreate = json!({ "strategy": { "type": "Recreate" } });
    let all = [
        store,
        component("customer", "Deployment"),
        component("inventory", "StatefulSet"),
        workload("customer", "Deployment", &recreate),
        workload(
            "inventory",
            "StatefulSet",
            &json!({ "serviceName": "own-inventory" }),
        ),
    ];
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": all });
    place.apply(&list.to_string());
    place.are_ready(&["aggregates", "--all"]);
    let client = place.client("inventory-agg").await;
    create_customer(&client, ADA).await;
    let changed = json!({ "spec": { "sidecar": { "logLevel": "Debug" } } }).to_string();
    for (name, pods) in [("customer", "deployment"), ("inventory", "statefulset")] {
        let resource = format!("aggregate/{name}");
        place.kubectl(&["patch", &resource, "--type=merge", "--patch", &changed]);
        place.are_ready(&[&resource]);
        let level = r#"--output=jsonpath={.items[*].spec.initContainers[0].env[?(@.name=="ANGZARR_LOG")].value}"#;
        let of = format!("--selector=angzarr.io/component={name}");
        assert_eq!(
            place.kubectl(&["get", "pods", &of, level]),
            "debug",
            "{pods}"
        );
    }
    create_customer(&client, &[8; 16]).await;
    create_customer(&client, ADA).await;
}

// With more threads, a client closes its connections while kubectl runs; a sidecar that ends waits for them.
#[tokio::test(flavor = "multi_thread")]
async fn workloads_of_users_come_up_with_their_sidecars_by_policies_and_serve_commands() {
    let place = Place::new("policies").await;
    comes_up(&place, &["injection=policy"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workloads_of_users_come_up_with_their_sidecars_by_the_webhook_and_serve_commands() {
    let place = Place::new("webhook").await;
    comes_up(&place, &["injection=webhook"]).await;
}
