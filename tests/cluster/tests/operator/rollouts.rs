//! Not more than a number of components have their pods replaced at a time; the others wait in turn.

use std::num::NonZeroUsize;

use angzarr_cluster::until;
use serde_json::Value;

use super::lake::{Lake, Running, STORE, aggregate, component};

const FLEET: [&str; 4] = ["asp", "bream", "carp", "dace"];

impl Lake {
    /// Starts an operator that rolls out so many components at a time.
    pub(crate) fn operate_at_most(&self, most: usize) -> Running {
        let mut operator = self.operator();
        operator.max_concurrent_rollouts = NonZeroUsize::new(most).unwrap();
        self.operate_as(operator, self.account.clone())
    }
}

/// The aggregates with a version of their logic.
fn fleet(version: u32) -> String {
    let all = FLEET.map(|name| aggregate(name).replace(":1", &format!(":{version}")));
    all.concat()
}

/// A fleet that serves.
async fn served(lake: &Lake) {
    lake.apply(&(STORE.to_owned() + &fleet(1)));
    for name in FLEET {
        lake.pods_become_ready(name, 1).await;
    }
    for name in FLEET {
        let object = format!("agg/{name}");
        lake.condition(&object, "Ready", "Serving").await;
    }
}

/// Those of the fleet whose pods have a version of their logic.
fn having(lake: &Lake, version: u32) -> Vec<&'static str> {
    let has = |name: &&str| {
        let deployment = lake.get(&format!("deployment/{name}-agg"));
        let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
        *image == format!("{name}:{version}")
    };
    FLEET.into_iter().filter(has).collect()
}

/// Waits until those and no others have a version, and all others wait for their turn.
async fn have(lake: &Lake, version: u32, expected: &[&str]) {
    until(&format!("{expected:?}"), async || {
        let found = having(lake, version);
        if found == expected {
            return Ok(());
        }
        Err(format!("{found:?}"))
    })
    .await;
    for name in FLEET.iter().filter(|it| !expected.contains(it)) {
        let object = format!("agg/{name}");
        lake.condition(&object, "Reconciling", "RolloutQueued")
            .await;
    }
    assert_eq!(having(lake, version), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn rollouts_wait_for_their_turn_and_get_it_without_a_resync() {
    let lake = Lake::new("turns").await;
    let running = lake.operate_at_most(1);
    // First pods are no rollout: they all come at once.
    served(&lake).await;
    lake.apply(&aggregate("asp").replace(":1", ":2"));
    have_one_moving(&lake, "asp").await;
    lake.apply(&fleet(2));
    have(&lake, 2, &["asp"]).await;
    let ready = lake.condition("agg/dace", "Ready", "Serving").await;
    assert_eq!(
        (&ready["status"], &ready["observedGeneration"]),
        (&"True".into(), &1.into())
    );
    // Who waits gets what needs no new pods, and keeps what its pods of now need.
    let named = "    spec:\n      serviceAccountName: default";
    let changed = component("Aggregate", "dace", "  domain: dace\n  sync: {timeout: 7s}");
    lake.apply(&changed.replace(":1", ":2").replacen("    spec:", named, 1));
    until("the routing", async || {
        let routing = lake.get("configmap/dace-agg-routing")["data"]["routing.json"].to_string();
        if routing.contains("7s") {
            return Ok(());
        }
        Err(routing)
    })
    .await;
    for turn in 1..FLEET.len() {
        lake.get("serviceaccount/dace-agg");
        lake.pods_become_ready(FLEET[turn - 1], 1).await;
        have(&lake, 2, &FLEET[..=turn]).await;
    }
    lake.is_gone("serviceaccount/dace-agg").await;
    running.stop().await;
}

async fn have_one_moving(lake: &Lake, name: &str) {
    let object = format!("agg/{name}");
    lake.condition(&object, "Reconciling", "RollingOut").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_rollout_gives_its_place_away_and_an_operator_that_begins_anew_keeps_the_turns() {
    let lake = Lake::new("places").await;
    let running = lake.operate_at_most(2);
    served(&lake).await;
    let stuck = |name: &str| {
        let fields = format!("  domain: {name}\n  rollout: {{progressDeadlineSeconds: 2}}");
        component("Aggregate", name, &fields).replace(":1", ":2")
    };
    lake.apply(&(stuck("asp") + &aggregate("dace").replace(":1", ":2")));
    until("two rollouts", async || {
        let found = having(&lake, 2);
        if found == ["asp", "dace"] {
            return Ok(());
        }
        Err(format!("{found:?}"))
    })
    .await;
    lake.condition("agg/asp", "Stalled", "ProgressDeadlineExceeded")
        .await;
    // Its place is free, so the next one gets it.
    lake.apply(&aggregate("carp").replace(":1", ":2"));
    until("another rollout", async || {
        let found = having(&lake, 2);
        if found == ["asp", "carp", "dace"] {
            return Ok(());
        }
        Err(format!("{found:?}"))
    })
    .await;
    lake.apply(&aggregate("bream").replace(":1", ":2"));
    lake.condition("agg/bream", "Reconciling", "RolloutQueued")
        .await;
    // Another operator finds both rollouts.
    running.kill().await;
    let running = lake.operate_at_most(2);
    lake.apply(&aggregate("eel"));
    lake.condition("agg/eel", "Reconciling", "RollingOut").await;
    assert_eq!(having(&lake, 2), ["asp", "carp", "dace"]);
    lake.condition("agg/bream", "Reconciling", "RolloutQueued")
        .await;
    lake.pods_become_ready("carp", 1).await;
    until("the last rollout", async || {
        let found = having(&lake, 2);
        if found == FLEET {
            return Ok(());
        }
        Err(format!("{found:?}"))
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_want_a_rollout_any_more_leaves_the_queue() {
    let lake = Lake::new("leaves").await;
    let running = lake.operate_at_most(1);
    served(&lake).await;
    lake.apply(&aggregate("asp").replace(":1", ":2"));
    have_one_moving(&lake, "asp").await;
    for name in ["bream", "carp", "dace"] {
        lake.apply(&aggregate(name).replace(":1", ":2"));
        let object = format!("agg/{name}");
        lake.condition(&object, "Reconciling", "RolloutQueued")
            .await;
    }
    // One changes its mind, and one goes.
    lake.apply(&aggregate("bream"));
    until("the mind of bream", async || {
        let conditions = lake.get("agg/bream")["status"]["conditions"].clone();
        if conditions.to_string().contains("RolloutQueued") {
            return Err(conditions.to_string());
        }
        Ok(())
    })
    .await;
    lake.kubectl(&["delete", "agg/carp"]);
    lake.pods_become_ready("asp", 1).await;
    until("the turn of dace", async || {
        let deployment = lake.get("deployment/dace-agg");
        let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
        match image {
            Value::String(image) if image == "dace:2" => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_the_number_of_pods_and_restarts_by_people_neither_wait_nor_are_waited_for() {
    let lake = Lake::new("numbers").await;
    let running = lake.operate_at_most(1);
    served(&lake).await;
    lake.kubectl(&["rollout", "restart", "deployment/carp-agg"]);
    have_one_moving(&lake, "carp").await;
    lake.apply(&aggregate("asp").replace(":1", ":2"));
    have_one_moving(&lake, "asp").await;
    for (replicas, reason) in [(0, "Suspended"), (1, "RollingOut")] {
        let fields = format!("  domain: bream\n  replicas: {replicas}");
        lake.apply(&component("Aggregate", "bream", &fields));
        let kind = if replicas == 0 {
            "Suspended"
        } else {
            "Reconciling"
        };
        lake.condition("agg/bream", kind, reason).await;
    }
    running.stop().await;
}
