//! How long pods wait for each other: a sidecar waits for its file longer than the pod before may take to stop, and its probe longer than that.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says why and ends"
)]

use angzarr_operator::manifest;
use angzarr_operator::plan::{Desired, Installation, plan};
use angzarr_operator::validate::validate;
use serde_json::Value;

/// A component with settings of its sidecar and of its pod.
fn rendered(store: &str, drain: u64, pod: &str) -> Desired {
    let folder = tempfile::tempdir().unwrap();
    let resources = format!(
        "apiVersion: angzarr.io/v1alpha1
kind: EventStore
metadata: {{name: lake, namespace: fen}}
spec: {{storage: {store}, bus: {{type: direct}}}}
---
apiVersion: angzarr.io/v1alpha1
kind: Aggregate
metadata: {{name: nest, namespace: fen}}
spec:
  eventStoreRef: {{name: lake}}
  domain: brood
  sidecar: {{drainSeconds: {drain}}}
  template: {{spec: {{{pod}containers: [{{name: egg, image: 'registry.example/egg:3'}}]}}}}
"
    );
    std::fs::write(folder.path().join("fen.yaml"), resources).unwrap();
    let found = manifest::read(folder.path()).map_err(manifest::all);
    let system = validate(&found.unwrap().resources);
    let system = system.map_err(manifest::all).unwrap();
    let installation = Installation {
        sidecar_image: "sidecar".to_owned(),
        has_pod_monitors: false,
    };
    let mut planned = plan(&system, &installation).components;
    planned.pop_first().unwrap().1
}

/// Seconds that the pod may take to stop, and that the startup probe allows.
fn grace_and_budget(desired: &Desired) -> (u64, u64) {
    let pod = &desired.workload["spec"]["template"]["spec"];
    let probe = &pod["initContainers"][0]["startupProbe"];
    let number = |value: &Value| value.as_u64().unwrap();
    let budget = number(&probe["periodSeconds"]) * number(&probe["failureThreshold"]);
    (number(&pod["terminationGracePeriodSeconds"]), budget)
}

fn wait(desired: &Desired) -> u64 {
    let boot = &desired.boot.data.as_ref().unwrap()["boot.json"];
    let boot = angzarr_config::Boot::parse(boot).unwrap();
    match boot.storage {
        angzarr_config::boot::Storage::File(file) => file.wait.as_secs(),
        angzarr_config::boot::Storage::Server(_) => 0,
    }
}

#[test]
fn a_sidecar_waits_longer_than_a_pod_stops_and_its_probe_lets_it() {
    let cases = [
        (25, ""),
        (0, ""),
        (3600, ""),
        (25, "terminationGracePeriodSeconds: 600, "),
        (25, "terminationGracePeriodSeconds: 1, "),
    ];
    for (drain, pod) in cases {
        let desired = rendered("{type: sqlite}", drain, pod);
        let ((grace, budget), wait) = (grace_and_budget(&desired), wait(&desired));
        assert!(grace >= drain + 10, "{drain} {pod}: {grace}");
        assert!(wait > grace, "{drain} {pod}: {wait} {grace}");
        // What a start may take after the wait.
        assert_eq!(budget, wait + 60, "{drain} {pod}");
    }
}

#[test]
fn a_wait_has_an_end_even_if_a_pod_may_stop_for_ever() {
    let pod = "terminationGracePeriodSeconds: 999999999999, ";
    let desired = rendered("{type: sqlite}", 25, pod);
    assert_eq!(wait(&desired), 24 * 60 * 60);
    assert_eq!(grace_and_budget(&desired).0, 999_999_999_999);
}

#[test]
fn the_defaults_of_operator_and_sidecar_are_the_same() {
    let desired = rendered("{type: sqlite}", 25, "");
    let alone = angzarr_config::boot::Sqlite::new("store.db");
    assert_eq!(wait(&desired), alone.wait.as_secs());
}

#[test]
fn a_server_is_not_waited_for() {
    let server = "{type: postgres, postgres: {connection: {secretRef: {name: db}}}}";
    let desired = rendered(server, 600, "");
    assert_eq!(grace_and_budget(&desired), (610, 60));
}
