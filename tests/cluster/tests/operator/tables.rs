//! The Job that prepares the tables of a store, and the id of the store. No node runs: a test says what the pod of the Job left.

use angzarr_admin::prepared::{Failure, Prepared};
use angzarr_cluster::until;
use angzarr_operator::controller::{Reason, Type};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::lake::Lake;
use super::reasons::SERVER;
use super::record::Record;

const ID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const OTHER: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
/// The only store.
const STORE: &str = "evs/heron";

/// The store with another policy.
fn with_policy(policy: &str) -> String {
    format!("{SERVER}  schema: {{policy: {policy}}}\n")
}

/// The Jobs of the store.
fn jobs(lake: &Lake) -> Vec<Value> {
    let text = lake.kubectl(&["get", "jobs", "--output", "json"]);
    let all: Value = serde_json::from_str(&text).unwrap();
    all["items"].as_array().unwrap().clone()
}

fn command(job: &Value) -> String {
    job["spec"]["template"]["spec"]["containers"][0]["command"].to_string()
}

/// Waits for the one Job whose command has a word.
async fn job(lake: &Lake, word: &str) -> Value {
    until(&format!("a Job to {word}"), async || {
        let found = jobs(lake);
        let found: Vec<_> = found
            .iter()
            .filter(|it| command(it).contains(word))
            .collect();
        match found[..] {
            [job] => Ok(job.clone()),
            _ => Err(format!("{} Jobs", found.len())),
        }
    })
    .await
}

/// Waits for the pod of a Job.
async fn pod_of(lake: &Lake, job: &Value) -> String {
    let pods: Api<Pod> = Api::namespaced(lake.client.clone(), &lake.namespace);
    let name = job["metadata"]["name"].as_str().unwrap();
    let of = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={name}"));
    until("the pod of the Job", async || {
        let found = pods.list(&of).await.unwrap().items.into_iter().next();
        found
            .map(|it| it.name_any())
            .ok_or("there is none".to_owned())
    })
    .await
}

/// Says that the container of a Job has ended, and what it left.
async fn ends(lake: &Lake, job: &Value, left: &Prepared) {
    let pods: Api<Pod> = Api::namespaced(lake.client.clone(), &lake.namespace);
    let pod = pod_of(lake, job).await;
    let is_ready = matches!(left, Prepared::Ready { .. });
    let ended = json!({ "terminated": {
        "exitCode": i32::from(!is_ready),
        "reason": "Ended",
        "message": serde_json::to_string(left).unwrap(),
        "startedAt": "2026-01-31T00:00:00Z",
        "finishedAt": "2026-01-31T00:00:01Z",
    }});
    let waits = json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 10s" } });
    let (state, last) = match is_ready {
        true => (ended, json!({})),
        false => (waits, ended),
    };
    let status = json!({ "status": {
        "phase": if is_ready { "Succeeded" } else { "Running" },
        "containerStatuses": [{
            "name": "angzarr-store", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": state, "lastState": last,
        }],
    }});
    let how = PatchParams::default();
    let patched = pods.patch_status(&pod, &how, &Patch::Merge(&status)).await;
    patched.unwrap();
}

fn ready(id: &str) -> Prepared {
    Prepared::Ready {
        store_id: id.to_owned(),
        format: 3,
    }
}

/// What sidecars read of the id.
fn directory_id(lake: &Lake) -> Value {
    let directory = lake.get("configmap/heron-evs-directory");
    let text = directory["data"]["directory.json"].as_str().unwrap();
    serde_json::from_str::<Value>(text).unwrap()["storeId"].clone()
}

/// Each failure, and the end.
pub(super) async fn story(lake: &Lake, record: &Record) {
    lake.apply(&with_policy("Verify"));
    let verifying = job(lake, "verify").await;
    record
        .reason(STORE, Type::Reconciling, Reason::SchemaPending)
        .await;
    let failures = [
        (
            Failure::Unreachable,
            Type::SchemaReady,
            Reason::SchemaPending,
        ),
        (
            Failure::Unreachable,
            Type::StorageReachable,
            Reason::StorageUnreachable,
        ),
        (Failure::Outdated, Type::Stalled, Reason::SchemaOutdated),
        (
            Failure::Outdated,
            Type::StorageReachable,
            Reason::StorageAnswers,
        ),
        (Failure::Refused, Type::Stalled, Reason::SchemaFailed),
        (
            Failure::OtherStore,
            Type::Stalled,
            Reason::StoreIdentityChanged,
        ),
    ];
    for (number, (failure, kind, reason)) in failures.into_iter().enumerate() {
        let sentence = format!("the reeds are {number} feet high");
        ends(
            lake,
            &verifying,
            &Prepared::failed(failure, sentence.clone()),
        )
        .await;
        let said = record
            .condition(STORE, kind, |it| {
                it["reason"] == reason.as_str()
                    && (reason == Reason::StorageAnswers || it["message"] == sentence)
            })
            .await;
        assert_ne!(said["message"], "", "{reason:?}");
        let status = record.object(STORE).unwrap().data["status"].clone();
        assert_eq!(status["prepared"], Value::Null);
    }
    ends(lake, &verifying, &ready(ID)).await;
    record
        .reason(STORE, Type::SchemaReady, Reason::Verified)
        .await;
    record.lacks(STORE, Type::Stalled).await;
    lake.apply(&with_policy("Auto"));
    ends(lake, &job(lake, "migrate").await, &ready(ID)).await;
    record
        .reason(STORE, Type::SchemaReady, Reason::Migrated)
        .await;
}

/// Waits until the store's newest generation was looked at.
async fn is_seen(lake: &Lake) {
    until("the generation", async || {
        let store = lake.get(STORE);
        let (status, metadata) = (&store["status"], &store["metadata"]);
        match status["observedGeneration"] == metadata["generation"] {
            true => Ok(()),
            false => Err(status.to_string()),
        }
    })
    .await;
}

/// Says that the tables are prepared for what is asked for now.
async fn prepared(lake: &Lake, word: &str) -> Value {
    let job = job(lake, word).await;
    ends(lake, &job, &ready(ID)).await;
    lake.condition(STORE, "Ready", "Serving").await;
    job
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_completed_is_not_run_again_without_need() {
    let lake = Lake::new("tables").await;
    let running = lake.operate();
    lake.apply(SERVER);
    let unready = lake.condition(STORE, "Ready", "SchemaPending").await;
    assert_eq!(unready["status"], "False");
    let job = prepared(&lake, "migrate").await;
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["volumes"][0]["secret"]["secretName"], "lake");
    let status = lake.get(STORE)["status"].clone();
    assert_eq!(status["storeId"], ID);
    until("the id in the directory", async || {
        match directory_id(&lake) {
            Value::String(id) if id == ID => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    let name = format!("job/{}", job["metadata"]["name"].as_str().unwrap());
    lake.kubectl(&["delete", &name]);
    lake.apply(&format!("{SERVER}  delivery: {{maxAttempts: 7}}\n"));
    is_seen(&lake).await;
    assert_eq!(jobs(&lake), Vec::<Value>::new());
    // Another policy needs another look, and only at this store.
    lake.apply(&with_policy("Verify"));
    let verifying = self::job(&lake, "verify").await;
    let directory = &verifying["spec"]["template"]["spec"]["volumes"][1]["configMap"]["name"];
    assert_eq!(directory, "heron-evs-directory");
    // What was usable stays so.
    let ready = lake.condition(STORE, "Ready", "Serving").await;
    assert_eq!(ready["status"], "True");
    lake.condition(STORE, "SchemaReady", "SchemaPending").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_looks_at_tables_that_somebody_else_looks_after() {
    let lake = Lake::new("external").await;
    let running = lake.operate();
    lake.apply(&with_policy("External"));
    lake.condition(STORE, "Ready", "Serving").await;
    let conditions = lake.get(STORE)["status"]["conditions"].to_string();
    assert!(!conditions.contains("SchemaReady"), "{conditions}");
    assert_eq!(jobs(&lake), Vec::<Value>::new());
    // A Job that is not wanted any more goes.
    lake.apply(SERVER);
    let job = job(&lake, "migrate").await;
    lake.apply(&with_policy("External"));
    lake.is_gone(&format!(
        "job/{}",
        job["metadata"]["name"].as_str().unwrap()
    ))
    .await;
    running.stop().await;
}

/// Takes the whole status away, as a restore by most tools does.
fn lose_status(lake: &Lake) {
    let patch = json!([{ "op": "remove", "path": "/status" }]).to_string();
    let how = ["--subresource=status", "--type=json", "--patch", &patch];
    lake.kubectl(&[&["patch", STORE][..], &how].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_id_of_a_store_outlives_its_status_and_the_operator() {
    let lake = Lake::new("restored").await;
    let running = lake.operate();
    lake.apply(SERVER);
    let job = prepared(&lake, "migrate").await;
    until("the id in the directory", async || {
        match directory_id(&lake) {
            Value::String(id) if id == ID => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    running.stop().await;
    let name = format!("job/{}", job["metadata"]["name"].as_str().unwrap());
    lake.kubectl(&["delete", &name]);
    lose_status(&lake);
    let running = lake.operate();
    let again = self::job(&lake, "migrate").await;
    assert_eq!(directory_id(&lake), ID);
    ends(&lake, &again, &ready(ID)).await;
    lake.condition(STORE, "SchemaReady", "Migrated").await;
    assert_eq!(lake.get(STORE)["status"]["storeId"], ID);
    assert_eq!(directory_id(&lake), ID);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_store_is_accepted_by_an_annotation_only() {
    let lake = Lake::new("accepted").await;
    let running = lake.operate();
    lake.apply(SERVER);
    prepared(&lake, "migrate").await;
    lake.apply(&with_policy("Verify"));
    let verifying = job(&lake, "verify").await;
    // A pod that says it prepared another one is not believed.
    ends(&lake, &verifying, &ready(OTHER)).await;
    lake.condition(STORE, "SchemaReady", "Verified").await;
    assert_eq!(lake.get(STORE)["status"]["storeId"], ID);
    let accepted = format!("angzarr.io/store-id={OTHER}");
    lake.kubectl(&["annotate", STORE, &accepted]);
    until("the accepted id", async || {
        let (status, directory) = (lake.get(STORE)["status"].clone(), directory_id(&lake));
        match status["storeId"] == OTHER && directory == OTHER {
            true => Ok(()),
            false => Err(format!("{status} {directory}")),
        }
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_no_job_runs_is_not_believed() {
    let lake = Lake::new("forged").await;
    let running = lake.operate();
    lake.apply(SERVER);
    let job = job(&lake, "migrate").await;
    let mut forged = lake.get(&format!("pod/{}", pod_of(&lake, &job).await));
    let labels = job["metadata"]["labels"].clone();
    forged["metadata"] = json!({ "name": "forged", "labels": labels });
    forged.as_object_mut().unwrap().remove("status");
    lake.apply(&forged.to_string());
    let left = serde_json::to_string(&ready(OTHER)).unwrap();
    let ended = json!({ "terminated": { "exitCode": 0, "message": left } });
    let status = json!({ "status": {
        "phase": "Succeeded",
        "containerStatuses": [{
            "name": "angzarr-store", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": ended,
        }],
    }});
    let patch = ["--subresource=status", "--type=merge", "--patch"];
    lake.kubectl(&[&["patch", "pod/forged"][..], &patch, &[&status.to_string()]].concat());
    prepared(&lake, "migrate").await;
    assert_eq!(lake.get(STORE)["status"]["storeId"], ID);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_goes_while_a_job_has_not_ended() {
    let lake = Lake::new("going").await;
    let running = lake.operate();
    lake.apply(SERVER);
    let job = job(&lake, "migrate").await;
    pod_of(&lake, &job).await;
    lake.plane
        .kubectl(&["delete", "namespace", &lake.namespace, "--timeout=60s"]);
    running.stop().await;
}
