//! Pods of workloads that exist get their sidecar when they are admitted.
//!
//! The policies of a chart concern a whole cluster, so these tests have a control plane of their own, and the chart limits itself to their namespace.

mod existing;
mod pods;
mod policy;
mod webhook;

use angzarr_cluster::{ControlPlane, until};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::chart::{CHART, run};
use super::lake::{Lake, STORE};

pub(crate) use existing::deployment;

static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();

/// A namespace in which the chart injects in one way.
async fn shore(injection: &str) -> Lake {
    let start = || async {
        let plane = ControlPlane::start().await;
        plane.define_resources();
        plane
    };
    let lake = Lake::on(SHARED.get_or_init(start).await, injection).await;
    let values = [
        format!("instance={}", lake.namespace),
        "scope=namespaced".to_owned(),
        format!("injection={injection}"),
        "replicas=0".to_owned(),
    ];
    let mut arguments = vec!["install", "release", CHART];
    arguments.extend(values.iter().flat_map(|value| ["--set", value.as_str()]));
    run(Some(&lake), &arguments);
    if injection == "none" {
        return lake;
    }
    // It takes an API server a moment to know what it was given.
    until("the refusal of what nobody knows", async || {
        match tried(&lake, &pod("agg-nobody", json!({}))) {
            Ok(_) => Err("it is let in".to_owned()),
            Err(_) => Ok(()),
        }
    })
    .await;
    lake
}

/// An aggregate of a domain of the same name, with the pods of a Deployment of the same name.
pub(crate) fn existing(name: &str, fields: &str) -> String {
    format!(
        "---
apiVersion: angzarr.io/v1alpha1
kind: Aggregate
metadata: {{name: {name}}}
spec:
  eventStoreRef: {{name: heron}}
  domain: {name}
  workloadRef: {{name: {name}}}
{fields}
"
    )
}

/// Applies a store and an aggregate whose pods exist, and waits until pods of it are let in.
async fn lets_in(lake: &Lake, name: &str, fields: &str) {
    lake.apply(&(STORE.to_owned() + &existing(name, fields)));
    until_let_in(lake, name).await;
}

/// Waits until pods of an aggregate are let in.
async fn until_let_in(lake: &Lake, name: &str) {
    let probe = pod(&format!("agg-{name}"), json!({}));
    until("the injection", async || tried(lake, &probe).map(drop)).await;
}

/// A pod of one container named `logic` that keeps the restricted profile, changed by a merge.
fn pod(label: &str, change: Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "tern", "labels": { "angzarr.io/inject": label } },
        "spec": {
            "securityContext": { "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [container("logic")],
        },
    });
    merge(&mut pod, change);
    pod
}

fn container(name: &str) -> Value {
    json!({
        "name": name,
        "image": "tern:1",
        "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
    })
}

fn merge(target: &mut Value, change: Value) {
    match (target, change) {
        (Value::Object(target), Value::Object(change)) => {
            for (key, value) in change {
                if value.is_null() {
                    target.remove(&key);
                    continue;
                }
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, change) => *target = change,
    }
}

/// What an API server would make of a pod, or why it refuses it.
fn tried(lake: &Lake, pod: &Value) -> Result<Value, String> {
    let create = [
        "create",
        "--namespace",
        &lake.namespace,
        "--dry-run=server",
        "--output=json",
        "--filename=-",
    ];
    let ran = lake.plane.try_kubectl(&create, &pod.to_string());
    if !ran.status.success() {
        return Err(String::from_utf8_lossy(&ran.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&ran.stdout).unwrap())
}

/// Why a pod is refused.
fn refused(lake: &Lake, pod: &Value) -> String {
    tried(lake, pod).unwrap_err()
}
