//! What people ask for by annotations: a pause, or a look.

use angzarr_cluster::until;
use angzarr_operator::controller::{Reason, Type};

use super::lake::{Lake, STORE, aggregate, component};
use super::record::Record;
use super::wire::Wire;

const CLOSED: &str = "  domain: nest\n  network: {policy: Ingress}";

/// A component is paused, changed and resumed.
pub(crate) async fn paused(lake: &Lake, record: &Record) {
    lake.apply(&(STORE.to_owned() + &component("Aggregate", "nest", CLOSED)));
    lake.pods_become_ready("nest", 1).await;
    record
        .reason("agg/nest", Type::Ready, Reason::Serving)
        .await;
    lake.kubectl(&[
        "annotate",
        "agg/nest",
        "evs/heron",
        "angzarr.io/paused=true",
    ]);
    for object in ["agg/nest", "evs/heron"] {
        record.reason(object, Type::Paused, Reason::Paused).await;
    }
    let before = lake.get("deployment/nest-agg");
    lake.kubectl(&["delete", "service/nest-agg"]);
    lake.apply(&aggregate("nest").replace("nest:1", "nest:2"));
    let paused = "angzarr.io/paused: \"true\"";
    let born = aggregate("reed").replace(
        "{name: reed}",
        &format!("{{name: reed, annotations: {{{paused}}}}}"),
    );
    lake.apply(&born);
    record.reason("agg/reed", Type::Ready, Reason::Paused).await;
    // The status follows, and tells which version serves.
    let ready = record
        .condition("agg/nest", Type::Accepted, |it| {
            it["observedGeneration"] == 2
        })
        .await;
    assert_eq!(ready["status"], "True");
    let ready = record
        .reason("agg/nest", Type::Ready, Reason::Serving)
        .await;
    assert_eq!(ready["observedGeneration"], 1);
    // Nothing is changed, removed, repaired or made.
    assert_eq!(lake.get("deployment/nest-agg")["spec"], before["spec"]);
    lake.get("networkpolicy/nest-agg");
    for gone in ["service/nest-agg", "deployment/reed-agg"] {
        lake.is_gone(gone).await;
    }
    let directory = lake.get("configmap/heron-evs-directory")["data"].to_string();
    assert!(!directory.contains("reed"), "{directory}");
    // A deletion goes on.
    lake.kubectl(&["delete", "agg/reed"]);
    lake.is_gone("agg/reed").await;
    lake.kubectl(&["annotate", "agg/nest", "evs/heron", "angzarr.io/paused-"]);
    record.lacks("agg/nest", Type::Paused).await;
    lake.is_gone("networkpolicy/nest-agg").await;
    until("the end of the pause", async || {
        let image =
            lake.get("deployment/nest-agg")["spec"]["template"]["spec"]["containers"][0]["image"]
                .clone();
        let service = ["--namespace", &lake.namespace, "get", "service/nest-agg"];
        if image == "nest:2" && lake.plane.try_kubectl(&service, "").status.success() {
            return Ok(());
        }
        Err(image.to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_leads_to_a_look_at_every_object() {
    let lake = Lake::new("request").await;
    let wire = Wire::new(lake.account.clone());
    let running = lake.operate_as(lake.operator(), wire.client());
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    lake.pods_become_ready("nest", 1).await;
    lake.condition("agg/nest", "Ready", "Serving").await;
    for moment in ["1", "2"] {
        let before = wire.calls().len();
        let annotation = format!("angzarr.io/requested-at={moment}");
        lake.kubectl(&["annotate", "agg/nest", &annotation, "--overwrite"]);
        until(moment, async || {
            let calls = wire.calls();
            let seen = |method: &str, path: &str| {
                let mut calls = calls[before..].iter();
                calls.any(|it| it.method == method && it.path.ends_with(path))
            };
            let all = [
                "/serviceaccounts/nest-agg",
                "/configmaps/nest-agg-routing",
                "/services/nest-agg",
                "/services/nest-agg-peers",
                "/deployments/nest-agg",
                "/persistentvolumeclaims/nest-agg-data",
            ];
            let missing = all
                .iter()
                .find(|path| !seen("GET", path) || !seen("PATCH", path));
            match missing {
                None => Ok(()),
                Some(path) => Err(format!("{path} was not looked at")),
            }
        })
        .await;
    }
    running.stop().await;
}
