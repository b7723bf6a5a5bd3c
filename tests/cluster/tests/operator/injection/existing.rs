//! What the operator makes of a workload that a component names.

use angzarr_cluster::until;
use serde_json::{Value, json};

use super::{existing, shore};
use crate::lake::{Lake, STORE};
use crate::reasons::SERVER;

/// A Deployment with the label on its pods, changed by a merge.
pub(crate) fn deployment(name: &str, label: &str, change: Value) -> String {
    let pod = super::pod(label, json!({ "metadata": { "labels": { "own": name } } }));
    let mut deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name },
        "spec": {
            "selector": { "matchLabels": { "own": name } },
            "template": {
                "metadata": { "labels": pod["metadata"]["labels"] },
                "spec": pod["spec"],
            },
        },
    });
    super::merge(&mut deployment, change);
    format!("---\n{deployment}\n")
}

/// The annotation that rolls a workload.
fn stamp(lake: &Lake, workload: &str) -> Option<String> {
    let template = &lake.get(workload)["spec"]["template"];
    let stamp = template["metadata"]["annotations"]["angzarr.io/injection"].as_str();
    stamp.map(str::to_owned)
}

/// How much the sidecar of a pod logs.
fn level(pod: &Value) -> Option<Value> {
    let mut env = pod["spec"]["initContainers"][0]["env"].as_array()?.iter();
    Some(env.find(|it| it["name"] == "ANGZARR_LOG")?["value"].clone())
}

async fn is_stamped(lake: &Lake, workload: &str, is_fine: impl Fn(&str) -> bool) -> String {
    until("the annotation", async || match stamp(lake, workload) {
        Some(stamp) if is_fine(&stamp) => Ok(stamp),
        other => Err(format!("{other:?}")),
    })
    .await
}

async fn is_unstamped(lake: &Lake, workload: &str) {
    until("the end of the annotation", async || {
        match stamp(lake, workload) {
            None => Ok(()),
            Some(stamp) => Err(stamp),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_labelled_deployment_comes_up_and_its_state_is_that_of_the_component() {
    let lake = shore("policy").await;
    let running = lake.operate();
    lake.apply(&(SERVER.to_owned() + &existing("nest", "")));
    lake.condition("agg/nest", "Reconciling", "WaitingForWorkload")
        .await;
    lake.condition("agg/nest", "Ready", "WaitingForDependency")
        .await;
    lake.apply(&deployment(
        "nest",
        "agg-nest",
        json!({ "spec": { "replicas": 2 } }),
    ));
    lake.pods_become_ready("nest", 2).await;
    lake.condition("agg/nest", "Ready", "Serving").await;
    lake.says("agg/nest", "WorkloadAvailable", "2 of 2 pods are available")
        .await;
    lake.condition("agg/nest", "WorkloadUpToDate", "UpToDate")
        .await;
    assert_eq!(lake.get("agg/nest")["status"]["pods"], "2/2");
    let selector = &lake.get("service/nest-agg")["spec"]["selector"];
    let selector: Vec<_> = selector.as_object().unwrap().iter().collect();
    let selector: Vec<_> = selector
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap()))
        .collect();
    let found = lake.kubectl(&[
        "get",
        "pods",
        "--selector",
        &selector.join(","),
        "--output=name",
    ]);
    assert_eq!(found.lines().count(), 2, "{found}");
    lake.kubectl(&["scale", "deployment/nest", "--replicas=0"]);
    lake.condition("agg/nest", "Suspended", "Suspended").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_annotation_of_the_workload_is_written_and_it_rolls_the_pods() {
    let lake = shore("policy").await;
    let running = lake.operate();
    let workload = deployment("nest", "agg-nest", json!({}));
    lake.apply(&(SERVER.to_owned() + &existing("nest", "") + &workload));
    lake.pods_become_ready("nest", 1).await;
    lake.condition("agg/nest", "Ready", "Serving").await;
    // The pods have what they need.
    assert_eq!(stamp(&lake, "deployment/nest"), None);
    lake.apply(&existing("nest", "  sidecar: {logLevel: Warn}"));
    let first = is_stamped(&lake, "deployment/nest", |stamp| {
        stamp.starts_with("agg-nest.")
    })
    .await;
    let seen = lake.kubectl(&[
        "get",
        "deployment/nest",
        "--output=json",
        "--show-managed-fields",
    ]);
    let seen: Value = serde_json::from_str(&seen).unwrap();
    let managers = seen["metadata"]["managedFields"].as_array().unwrap();
    let ours: Vec<_> = managers
        .iter()
        .filter(|it| it["manager"] == "angzarr-operator-injection")
        .collect();
    assert_eq!(ours.len(), 1);
    let fields = json!({ "f:spec": { "f:template": { "f:metadata": { "f:annotations": { "f:angzarr.io/injection": {} } } } } });
    assert_eq!(ours[0]["fieldsV1"], fields);
    assert!(
        managers
            .iter()
            .all(|it| it["manager"] != "angzarr-operator"),
        "{managers:?}"
    );

    // Applied again as it stands in git, it stays as it is.
    lake.apply(&workload);
    assert_eq!(stamp(&lake, "deployment/nest").as_ref(), Some(&first));
    lake.apply(&existing("nest", "  sidecar: {logLevel: Debug}"));
    is_stamped(&lake, "deployment/nest", |stamp| stamp != first).await;
    until("a pod with the new level", async || {
        let pods = lake.kubectl(&["get", "pods", "--output=json"]);
        let pods: Value = serde_json::from_str(&pods).unwrap();
        let levels: Vec<_> = pods["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(level)
            .collect();
        if levels.contains(&Some(json!("debug"))) {
            return Ok(());
        }
        Err(format!("{levels:?}"))
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_annotation_goes_with_the_component_whether_an_operator_sees_it_go_or_not() {
    let lake = shore("policy").await;
    let running = lake.operate();
    let two = existing("nest", "") + &existing("reed", "") + &existing("sole", "");
    let workloads = ["nest", "reed", "sole", "other"]
        .map(|name| deployment(name, &format!("agg-{name}"), json!({})));
    lake.apply(&(SERVER.to_owned() + &two + &workloads.concat()));
    for name in ["nest", "reed", "sole"] {
        lake.pods_become_ready(name, 1).await;
        lake.apply(&existing(name, "  sidecar: {logLevel: Debug}"));
        is_stamped(&lake, &format!("deployment/{name}"), |_| true).await;
    }
    lake.kubectl(&["delete", "agg/nest"]);
    is_unstamped(&lake, "deployment/nest").await;
    // It names another one now.
    lake.apply(
        &existing("sole", "").replace("workloadRef: {name: sole}", "workloadRef: {name: other}"),
    );
    is_unstamped(&lake, "deployment/sole").await;
    running.stop().await;
    lake.kubectl(&["delete", "agg/reed"]);
    assert!(stamp(&lake, "deployment/reed").is_some());
    let running = lake.operate();
    is_unstamped(&lake, "deployment/reed").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_without_their_sidecar_are_told_and_do_not_serve() {
    let lake = shore("none").await;
    let running = lake.operate();
    lake.apply(
        &(SERVER.to_owned()
            + &existing("nest", "")
            + &deployment(
                "nest",
                "agg-nest",
                json!({ "spec": { "strategy": { "type": "Recreate" } } }),
            )),
    );
    let missing = lake
        .condition("agg/nest", "WorkloadUpToDate", "SidecarMissing")
        .await;
    let message = missing["message"].as_str().unwrap();
    assert!(
        message.starts_with("pod nest-") && message.ends_with("has no sidecar; delete it"),
        "{message}"
    );
    lake.pods_with("own=nest", 1).await;
    lake.condition("agg/nest", "WorkloadAvailable", "PodsAvailable")
        .await;
    lake.condition("agg/nest", "Ready", "Progressing").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_that_would_open_an_sqlite_file_twice_is_told() {
    let lake = Lake::new("twice").await;
    let running = lake.operate();
    lake.apply(
        &(STORE.to_owned() + &existing("nest", "") + &deployment("nest", "agg-nest", json!({}))),
    );
    let told = async |part: &str| {
        until(part, async || {
            let found = lake.condition("agg/nest", "Stalled", "InvalidSpec").await;
            let message = found["message"].as_str().unwrap().to_owned();
            if message.contains(part) {
                Ok(())
            } else {
                Err(message)
            }
        })
        .await;
    };
    told("set its spec.strategy to {type: Recreate}").await;
    let recreate = json!({ "spec": { "strategy": { "type": "Recreate" }, "replicas": 2 } });
    lake.apply(&deployment("nest", "agg-nest", recreate));
    told("only one pod can open an SQLite file; set its spec.replicas to 1").await;
    lake.kubectl(&["scale", "deployment/nest", "--replicas=1"]);
    lake.condition("agg/nest", "Accepted", "Valid").await;
    running.stop().await;
}
