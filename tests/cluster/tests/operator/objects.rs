//! The objects that the operator makes, repairs and removes.

use std::collections::BTreeSet;

use angzarr_cluster::until;
use serde_json::Value;

use super::lake::{Lake, STORE, aggregate, component};

const KINDS: &str = "deployments,services,configmaps,serviceaccounts,persistentvolumeclaims";

/// The objects of ours, by kind and name, with what they hold. Their controllers write their status.
fn ours(lake: &Lake) -> BTreeSet<(String, String)> {
    let label = "app.kubernetes.io/managed-by=angzarr";
    let text = lake.kubectl(&[
        "get",
        KINDS,
        "--selector",
        label,
        "--show-managed-fields",
        "--output",
        "json",
    ]);
    let all: Value = serde_json::from_str(&text).unwrap();
    let word = |it: &Value| it.as_str().unwrap().to_owned();
    let objects = all["items"].as_array().unwrap().iter();
    objects
        .map(|it| {
            let name = format!("{}/{}", word(&it["kind"]), word(&it["metadata"]["name"]));
            let mut held = it.clone();
            held.as_object_mut().unwrap().remove("status");
            held["metadata"]["resourceVersion"].take();
            (name, held.to_string())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_or_edited_child_is_repaired() {
    let lake = Lake::new("repair").await;
    let running = lake.operate();
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    lake.condition("agg/nest", "Reconciling", "RollingOut")
        .await;
    for child in [
        "service/nest-agg",
        "configmap/nest-agg-routing",
        "deployment/nest-agg",
    ] {
        let before = lake.get(child)["metadata"]["uid"].clone();
        lake.kubectl(&["delete", child, "--wait=true"]);
        until(child, async || {
            let arguments = [
                "--namespace",
                &lake.namespace,
                "get",
                child,
                "--output",
                "json",
            ];
            let found = lake.plane.try_kubectl(&arguments, "");
            let object: Value = serde_json::from_slice(&found.stdout).unwrap_or_default();
            if object["metadata"]["uid"].is_string() && object["metadata"]["uid"] != before {
                return Ok(());
            }
            Err("it is not there again".to_owned())
        })
        .await;
    }
    let edit = r#"{"data":{"routing.json":"{}"}}"#;
    lake.kubectl(&["patch", "configmap/nest-agg-routing", "--patch", edit]);
    until("the document", async || {
        let text = lake.get("configmap/nest-agg-routing")["data"]["routing.json"].to_string();
        if text.contains("timeouts") {
            return Ok(());
        }
        Err(text)
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_object_with_the_name_of_a_child_is_left_alone() {
    let lake = Lake::new("foreign").await;
    lake.kubectl(&[
        "create",
        "service",
        "externalname",
        "nest-agg",
        "--external-name",
        "reed.example",
    ]);
    let before = lake.get("service/nest-agg");
    let running = lake.operate();
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    let stalled = lake.condition("agg/nest", "Stalled", "NameTaken").await;
    assert_eq!(
        stalled["message"],
        "Service nest-agg exists and does not belong to it; remove or rename that object"
    );
    assert_eq!(lake.get("service/nest-agg"), before);
    lake.kubectl(&["delete", "service/nest-agg"]);
    lake.condition("agg/nest", "Reconciling", "RollingOut")
        .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_resource_needs_no_more_is_removed_and_the_claim_stays() {
    let lake = Lake::new("prune").await;
    let running = lake.operate();
    let closed = component(
        "Aggregate",
        "nest",
        "  domain: nest\n  network: {policy: Ingress}",
    );
    lake.apply(&(STORE.to_owned() + &closed));
    lake.condition("agg/nest", "Reconciling", "RollingOut")
        .await;
    lake.get("networkpolicy/nest-agg");
    lake.apply(&component(
        "Aggregate",
        "nest",
        "  domain: nest\n  network: {policy: None}",
    ));
    lake.is_gone("networkpolicy/nest-agg").await;
    lake.kubectl(&["delete", "agg/nest"]);
    lake.is_gone("deployment/nest-agg").await;
    lake.get("persistentvolumeclaim/nest-agg-data");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_operator_and_a_second_apply_write_nothing() {
    let lake = Lake::new("silent").await;
    let running = lake.operate();
    let text = STORE.to_owned() + &aggregate("nest");
    lake.apply(&text);
    lake.pods_become_ready("nest", 1).await;
    lake.condition("agg/nest", "Ready", "Serving").await;
    running.stop().await;
    let before = (ours(&lake), lake.get("agg/nest"), lake.get("evs/heron"));
    let running = lake.operate();
    lake.apply(&text);
    // Another resource passes the whole pipeline after those.
    lake.apply(&aggregate("reed"));
    lake.condition("agg/reed", "Reconciling", "RollingOut")
        .await;
    let after = ours(&lake);
    // The directory changes with each aggregate; of a claim the API server writes even what is equal to what it holds.
    let changing = [
        "ConfigMap/heron-evs-directory",
        "PersistentVolumeClaim/nest-agg-data",
    ];
    let unchanged = before
        .0
        .iter()
        .filter(|(name, _)| !changing.contains(&name.as_str()));
    for object in unchanged {
        assert!(
            after.contains(object),
            "{object:?} was written: {}",
            lake.get(&object.0)
        );
    }
    assert_eq!(lake.get("agg/nest"), before.1);
    running.stop().await;
}
