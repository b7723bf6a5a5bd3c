//! A small world with one of each kind, and what the operator makes of it.

use std::collections::BTreeMap;

use angzarr_cluster::until;
use serde_json::Value;

use super::lake::{Lake, STORE, aggregate, component};

/// The kinds of children, as kubectl names them.
pub(crate) const KINDS: &str = "deployments,services,configmaps,serviceaccounts,persistentvolumeclaims,networkpolicies,poddisruptionbudgets,horizontalpodautoscalers,podtemplates,controllerrevisions,jobs";

/// A store on a server; nothing runs that would connect to it.
const SERVER: &str = "
apiVersion: angzarr.io/v1alpha1
kind: EventStore
metadata: {name: crane}
spec:
  storage:
    type: postgres
    postgres: {connection: {secretRef: {name: reeds}}, database: shore}
  bus: {type: direct}
";

/// One resource of each kind, with every kind of child.
pub(crate) fn everything() -> String {
    let on_server = |text: String| text.replace("{name: heron}", "{name: crane}");
    let existing = "---
apiVersion: angzarr.io/v1alpha1
kind: Projector
metadata: {name: map}
spec:
  eventStoreRef: {name: crane}
  sources: [{domain: brood}]
  workloadRef: {name: old-map}
";
    [
        STORE.to_owned(),
        "---".to_owned() + SERVER,
        aggregate("nest"),
        on_server(component(
            "Aggregate",
            "hatch",
            "  domain: brood\n  replicas: 2\n  network: {policy: Ingress}",
        )),
        on_server(component(
            "Projector",
            "count",
            "  sources: [{domain: brood}]\n  autoscaling: {minReplicas: 2, maxReplicas: 4}",
        )),
        on_server(component(
            "Saga",
            "feed",
            "  sources: [{domain: brood}]\n  targets: [{domain: brood}]",
        )),
        existing.to_owned(),
    ]
    .concat()
}

/// What there is, without what differs from one namespace or moment to the next.
pub(crate) type Picture = BTreeMap<String, Value>;

/// The children in a namespace.
pub(crate) fn picture(lake: &Lake) -> Picture {
    let label = "app.kubernetes.io/managed-by=angzarr";
    let text = lake.kubectl(&["get", KINDS, "--selector", label, "--output", "json"]);
    let all: Value = serde_json::from_str(&text).unwrap();
    let items = all["items"].as_array().unwrap();
    items.iter().map(|it| plain(lake, it)).collect()
}

fn plain(lake: &Lake, object: &Value) -> (String, Value) {
    let mut object = object.clone();
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.retain(|key, _| {
        ["name", "labels", "annotations", "ownerReferences"].contains(&key.as_str())
    });
    if let Some(annotations) = metadata.get_mut("annotations") {
        let annotations = annotations.as_object_mut().unwrap();
        annotations.retain(|key, _| !key.starts_with("deployment.kubernetes.io"));
        if let Some(injection) = annotations.get_mut("angzarr.io/injection") {
            // It ends with the hash of what names the namespace.
            *injection = injection
                .as_str()
                .unwrap()
                .rsplit_once('.')
                .unwrap()
                .0
                .into();
        }
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    for owner in metadata
        .get_mut("ownerReferences")
        .into_iter()
        .flat_map(|it| it.as_array_mut())
        .flatten()
    {
        owner["uid"] = "UID".into();
    }
    object.as_object_mut().unwrap().remove("status");
    for given in ["clusterIP", "clusterIPs", "volumeName"] {
        if object["spec"][given] != "None" && object["spec"].is_object() {
            object["spec"].as_object_mut().unwrap().remove(given);
        }
    }
    // The controller of Jobs tells the pods of a Job by its id.
    if object["kind"] == "Job" {
        object["spec"]["selector"].take();
        let labels = &mut object["spec"]["template"]["metadata"]["labels"];
        let labels = labels.as_object_mut().unwrap();
        labels.retain(|key, _| !key.ends_with("controller-uid") && !key.ends_with("job-name"));
        let own = object["metadata"]["labels"].as_object_mut().unwrap();
        own.retain(|key, _| !key.ends_with("controller-uid") && !key.ends_with("job-name"));
    }
    // Its number of pods is the autoscaler's.
    if object["kind"] == "Deployment" && object["metadata"]["name"] == "count-prj" {
        object["spec"]["replicas"].take();
    }
    let text = object.to_string().replace(&lake.namespace, "NAMESPACE");
    let object: Value = serde_json::from_str(&without_hashes(&text)).unwrap();
    let word = |it: &Value| it.as_str().unwrap().to_owned();
    let name = format!(
        "{}/{}",
        word(&object["kind"]),
        word(&object["metadata"]["name"])
    );
    (name, object)
}

/// Boot documents and plans of pods name the namespace, and are named by their hash.
fn without_hashes(text: &str) -> String {
    let mut whole = text.to_owned();
    for mark in ["-boot-", "-plan-"] {
        let mut parts = whole.split(mark);
        let mut plain = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            plain += mark;
            plain += "HASH";
            plain += part.trim_start_matches(|it: char| it.is_ascii_alphanumeric());
        }
        whole = plain;
    }
    whole
}

/// The picture of a world that nobody disturbed.
pub(crate) async fn undisturbed() -> Picture {
    static SEEN: tokio::sync::OnceCell<Picture> = tokio::sync::OnceCell::const_new();
    let look = || async {
        let lake = Lake::new("calm").await;
        let running = lake.operate();
        lake.apply(&everything());
        settled(&lake).await;
        let seen = picture(&lake);
        running.stop().await;
        seen
    };
    SEEN.get_or_init(look).await.clone()
}

/// Waits until every resource has its generation reconciled, and every component that has pods rolls them out.
pub(crate) async fn settled(lake: &Lake) {
    until("the world", async || {
        let text = lake.kubectl(&["get", "angzarr", "--output", "json"]);
        let all: Value = serde_json::from_str(&text).unwrap();
        let items = all["items"].as_array().unwrap();
        assert_eq!(items.len(), 7);
        let open = items.iter().find(|it| {
            let conditions = it["status"]["conditions"].as_array();
            let accepted = conditions
                .into_iter()
                .flatten()
                .any(|condition| condition["type"] == "Accepted" && condition["status"] == "True");
            !accepted || it["status"]["observedGeneration"] != it["metadata"]["generation"]
        });
        match open {
            None => Ok(()),
            Some(it) => Err(it.to_string()),
        }
    })
    .await;
}

/// Waits until a world looks as if nobody had disturbed it.
pub(crate) async fn looks_undisturbed(lake: &Lake, what: &str) {
    let expected = undisturbed().await;
    until(what, async || {
        let found = picture(lake);
        let names = expected.keys().chain(found.keys());
        let mut different = names.filter(|name| expected.get(*name) != found.get(*name));
        match different.next() {
            None => Ok(()),
            Some(name) => {
                let (expected, found) = (expected.get(name), found.get(name));
                Err(format!("{name}\nexpected {expected:?}\nfound    {found:?}"))
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_world_has_every_kind_of_child() {
    let seen = undisturbed().await;
    for kind in KINDS.split(',') {
        let is_there = seen.keys().any(|name| {
            let (found, _) = name.split_once('/').unwrap();
            format!("{}s", found.to_lowercase())
                == kind.replace("networkpolicies", "networkpolicys")
        });
        assert!(is_there, "{kind} of {:?}", seen.keys());
    }
}
