//! Once everything is as declared nothing is written, and what others decide on is left to them.

use std::sync::Arc;
use std::time::Duration;

use angzarr_cluster::until;
use angzarr_operator::controller::Pace;
use serde_json::{Value, json};

use super::faults::quick;
use super::lake::{Lake, Running, component};
use super::wire::Wire;
use super::world::{KINDS, everything, looks_undisturbed, picture, settled, undisturbed};

/// Three of these make a test wait for as long as it must.
const RESYNC: Duration = Duration::from_secs(2);

fn often() -> Pace {
    Pace {
        resync: RESYNC,
        ..Pace::default()
    }
}

/// A settled world, and the wire of its operator.
async fn still(name: &str) -> (Lake, Arc<Wire>, Running) {
    let lake = Lake::new(name).await;
    let wire = Wire::new(lake.account.clone());
    let running = lake.operate_over(wire.client(), often());
    lake.apply(&everything());
    looks_undisturbed(&lake, name).await;
    settled(&lake).await;
    quiet(&wire).await;
    (lake, wire, running)
}

/// Waits until nothing was written for three resyncs.
async fn quiet(wire: &Wire) {
    until("three resyncs without a write", async || {
        let before = wire.writes().len();
        tokio::time::sleep(3 * RESYNC).await;
        match &wire.writes()[before..] {
            [] => Ok(()),
            writes => Err(format!("{writes:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_resyncs_of_a_still_world_write_nothing() {
    undisturbed().await;
    let (lake, wire, running) = still("still").await;
    let before = wire.writes().len();
    let calls = wire.calls().len();
    tokio::time::sleep(3 * RESYNC).await;
    assert_eq!(wire.writes().len(), before);
    // Neither is anything tried out or read.
    let asked: Vec<_> = wire.calls()[calls..]
        .iter()
        .filter(|it| !it.is_watch())
        .cloned()
        .collect();
    assert!(asked.is_empty(), "{asked:?}");
    // It still works.
    lake.kubectl(&["delete", "service/nest-agg"]);
    looks_undisturbed(&lake, "the service").await;
    running.stop().await;
}

fn replicas(lake: &Lake, name: &str) -> Value {
    lake.get(&format!("deployment/{name}"))["spec"]["replicas"].clone()
}

/// What an autoscaler does.
fn scale(lake: &Lake, name: &str, replicas: u32) {
    let patch = json!({ "spec": { "replicas": replicas } }).to_string();
    let deployment = format!("deployment/{name}");
    lake.kubectl(&[
        "patch",
        &deployment,
        "--subresource=scale",
        "--type=merge",
        "--patch",
        &patch,
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_an_autoscaler_is_not_fought_over() {
    undisturbed().await;
    let (lake, wire, running) = still("scaled").await;
    for number in [4, 3] {
        scale(&lake, "count-prj", number);
        quiet(&wire).await;
        assert_eq!(replicas(&lake, "count-prj"), number);
    }
    running.stop().await;
}

fn counting(fields: &str) -> String {
    let fields = format!("  sources: [{{domain: brood}}]\n{fields}");
    component("Projector", "count", &fields).replace("{name: heron}", "{name: crane}")
}

const AUTOSCALED: &str = "  autoscaling: {minReplicas: 2, maxReplicas: 4}";

/// Waits until a Deployment was written for the newest generation of its resource, and nothing is written any more.
async fn reaches(lake: &Lake, wire: &Wire, number: u32) {
    until("the generation", async || {
        let resource = lake.get("prj/count");
        let (status, metadata) = (&resource["status"], &resource["metadata"]);
        if status["observedGeneration"] == metadata["generation"] {
            return Ok(());
        }
        Err(status.to_string())
    })
    .await;
    quiet(wire).await;
    assert_eq!(replicas(lake, "count-prj"), number);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_pods_is_handed_over_to_an_autoscaler_and_back() {
    undisturbed().await;
    let (lake, wire, running) = still("handed").await;
    lake.apply(&counting("  replicas: 3"));
    reaches(&lake, &wire, 3).await;
    lake.apply(&counting(AUTOSCALED));
    reaches(&lake, &wire, 3).await;
    scale(&lake, "count-prj", 4);
    quiet(&wire).await;
    lake.apply(&counting("  replicas: 2"));
    reaches(&lake, &wire, 2).await;
    lake.apply(&counting(AUTOSCALED));
    reaches(&lake, &wire, 2).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_autoscaled_component_is_resumed_with_its_least_number_of_pods() {
    undisturbed().await;
    let (lake, wire, running) = still("resumed").await;
    lake.apply(&counting(&format!("{AUTOSCALED}\n  suspend: true")));
    reaches(&lake, &wire, 0).await;
    lake.condition("prj/count", "Suspended", "Suspended").await;
    lake.apply(&counting(AUTOSCALED));
    reaches(&lake, &wire, 2).await;
    running.stop().await;
}

/// What a person may do to each field of a child, as a merge patch. What somebody adds is theirs, and stays.
fn edit(name: &str, kind: &str) -> Value {
    match kind {
        "Deployment" => json!({ "spec": {
            "progressDeadlineSeconds": 90,
            "revisionHistoryLimit": 0,
            "strategy": { "type": "Recreate", "rollingUpdate": null },
            "template": { "spec": { "terminationGracePeriodSeconds": 1, "initContainers": null } },
        }}),
        "Service" => json!({ "spec": { "selector": { "angzarr.io/component": "other" } } }),
        "ConfigMap" if name.ends_with("-directory") => {
            json!({ "data": { "directory.json": "{}" } })
        }
        "ConfigMap" => json!({ "data": { "routing.json": "{}" } }),
        "ServiceAccount" => json!({ "automountServiceAccountToken": true }),
        "PersistentVolumeClaim" => {
            json!({ "metadata": { "labels": { "app.kubernetes.io/name": "other" } } })
        }
        "NetworkPolicy" => {
            json!({ "spec": { "ingress": [], "policyTypes": ["Ingress", "Egress"] } })
        }
        "PodDisruptionBudget" => json!({ "spec": { "maxUnavailable": 5 } }),
        "HorizontalPodAutoscaler" => json!({ "spec": { "minReplicas": 1, "maxReplicas": 99 } }),
        "Job" => json!({ "spec": { "ttlSecondsAfterFinished": 1 } }),
        "PodTemplate" => json!({ "template": { "spec": { "initContainers": null } } }),
        kind => panic!("no edit of {kind}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_child_that_a_person_edits_or_relabels_or_deletes_is_repaired() {
    undisturbed().await;
    let (lake, wire, running) = still("edited").await;
    for name in picture(&lake).keys() {
        let (kind, _) = name.split_once('/').unwrap();
        if name.contains("-HASH") {
            continue;
        }
        let patch = edit(name, kind);
        let patch = patch.to_string();
        // What is injected into a workload of somebody else is no whole pod, and a person who edits it is warned.
        lake.kubectl_warned(&["patch", name, "--type=merge", "--patch", &patch]);
        if kind == "Service" {
            let port = r#"[{"op": "replace", "path": "/spec/ports/0/targetPort", "value": 1}]"#;
            lake.kubectl(&["patch", name, "--type=json", "--patch", port]);
        }
        looks_undisturbed(&lake, &format!("{name} after an edit")).await;
        lake.kubectl_warned(&[
            "label",
            name,
            "app.kubernetes.io/managed-by=me",
            "--overwrite",
        ]);
        looks_undisturbed(&lake, &format!("{name} after a change of labels")).await;
    }
    let all = KINDS.replace("persistentvolumeclaims,", "");
    lake.kubectl(&["delete", &all, "--all", "--wait=false"]);
    looks_undisturbed(&lake, "the end after a deletion of all").await;
    quiet(&wire).await;
    running.stop().await;
}

/// The number of pods of a strange Deployment is a strange autoscaler's.
fn without_number(mut object: Value) -> Value {
    if object["kind"] == "Deployment" {
        object["spec"]["replicas"].take();
    }
    object
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_object_of_any_kind_is_left_alone_and_said() {
    let expected = undisturbed().await;
    let lake = Lake::new("strange").await;
    let mut strange = Vec::new();
    for (name, object) in &expected {
        if name.contains("-HASH") {
            continue;
        }
        let mut object = object.clone();
        // Of the same name, and with nothing of ours.
        let own = object["metadata"]["name"].clone();
        object["metadata"] = json!({ "name": own });
        if object["kind"] == "Deployment" {
            let labels = json!({ "app": "strange" });
            object["spec"]["selector"] = json!({ "matchLabels": labels });
            object["spec"]["template"]["metadata"] = json!({ "labels": labels });
        }
        if object["kind"] == "HorizontalPodAutoscaler" {
            // Else it scales the strange Deployment meanwhile.
            object["spec"]["scaleTargetRef"]["name"] = json!("nobody");
        }
        lake.apply(&object.to_string().replace("NAMESPACE", &lake.namespace));
        strange.push((name.clone(), without_number(lake.get(name))));
    }
    // No watch tells when a strange object goes, so the wait for the next try counts.
    let running = lake.operate_over(lake.account.clone(), quick());
    lake.apply(&everything());
    for resource in [
        "agg/nest",
        "agg/hatch",
        "prj/count",
        "prj/map",
        "saga/feed",
        "evs/heron",
        "evs/crane",
    ] {
        lake.condition(resource, "Stalled", "NameTaken").await;
    }
    for (name, before) in strange {
        let now = without_number(lake.get(&name));
        for part in ["spec", "data", "template"] {
            assert_eq!(now[part], before[part], "{name}");
        }
        for part in ["labels", "ownerReferences", "uid"] {
            assert_eq!(now["metadata"][part], before["metadata"][part], "{name}");
        }
    }
    lake.kubectl(&["delete", KINDS, "--all"]);
    looks_undisturbed(&lake, "the end after the strange objects went").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_claim_of_a_deleted_component_is_adopted_again() {
    undisturbed().await;
    let (lake, _, running) = still("claim").await;
    let before = lake.get("persistentvolumeclaim/nest-agg-data")["metadata"]["uid"].clone();
    lake.kubectl(&["delete", "agg/nest"]);
    until("the Deployment to go", async || {
        let arguments = ["--namespace", &lake.namespace, "get", "deployment/nest-agg"];
        let is_there = lake.plane.try_kubectl(&arguments, "").status.success();
        if is_there {
            Err("it is there".to_owned())
        } else {
            Ok(())
        }
    })
    .await;
    lake.apply(&everything());
    looks_undisturbed(&lake, "the component").await;
    let after = lake.get("persistentvolumeclaim/nest-agg-data")["metadata"]["uid"].clone();
    assert_eq!(before, after);
    running.stop().await;
}
