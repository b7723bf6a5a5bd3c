//! The events of resources.

use angzarr_cluster::until;
use serde_json::Value;

use super::lake::{Lake, STORE, aggregate, component};

/// The events of an aggregate: type, reason and note.
fn events(lake: &Lake) -> Vec<(String, String, String)> {
    let of = "--field-selector=regarding.name=nest,reportingController=angzarr-operator";
    let text = lake.kubectl(&["get", "events.v1.events.k8s.io", of, "--output", "json"]);
    let list: Value = serde_json::from_str(&text).unwrap();
    let word = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let events = list["items"].as_array().unwrap().iter();
    events
        .map(|it| (word(&it["type"]), word(&it["reason"]), word(&it["note"])))
        .collect()
}

pub(crate) async fn said(lake: &Lake, kind: &str, reason: &str, note: &str) {
    until(note, async || {
        let events = events(lake);
        let expected = (kind.to_owned(), reason.to_owned(), note.to_owned());
        if events.contains(&expected) {
            Ok(())
        } else {
            Err(format!("{events:?}"))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_of_transitions_and_of_what_a_rollout_changes() {
    let lake = Lake::new("events").await;
    let running = lake.operate();
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    said(&lake, "Normal", "RollingOut", "generation 1 is rolled out").await;
    lake.pods_become_ready("nest", 1).await;
    said(&lake, "Normal", "Serving", "1 pod serves").await;
    lake.apply(&aggregate("nest").replace("nest:1", "nest:2"));
    let note = "generation 2 is rolled out; changed: spec.template.spec.containers[0].image";
    said(&lake, "Normal", "RollingOut", note).await;
    let many = component("Aggregate", "nest", "  domain: nest\n  replicas: 3");
    lake.apply(&many);
    let wrong = "spec.replicas: must be 1 with SQLite, whose file only one process can open";
    said(&lake, "Warning", "InvalidSpec", wrong).await;
    assert_eq!(
        events(&lake)
            .iter()
            .filter(|it| it.1 == "InvalidSpec")
            .count(),
        1
    );
    running.stop().await;
}
