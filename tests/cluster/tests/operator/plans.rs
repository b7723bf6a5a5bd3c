//! Pods keep their plan until somebody changes what it was made from, whoever operates.

use angzarr_cluster::until;
use serde_json::{Value, json};

use super::lake::{Lake, Running, STORE, aggregate, component};

impl Lake {
    /// Starts an operator that gives pods another sidecar.
    pub(crate) fn operate_with(&self, sidecar: &str) -> Running {
        let mut operator = self.operator();
        operator.sidecar_image = sidecar.to_owned();
        self.operate_as(operator, self.account.clone())
    }
}

/// A namespace with an aggregate that serves, and no operator.
async fn served(name: &str) -> Lake {
    let lake = Lake::new(name).await;
    let running = lake.operate();
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    lake.pods_become_ready("nest", 1).await;
    lake.condition("agg/nest", "Ready", "Serving").await;
    running.stop().await;
    lake
}

fn template(lake: &Lake) -> Value {
    lake.get("deployment/nest-agg")["spec"]["template"].clone()
}

fn sidecar(template: &Value) -> &Value {
    &template["spec"]["initContainers"][0]["image"]
}

/// The plans of nest, the newest first.
fn plans(lake: &Lake) -> Vec<Value> {
    let of = "angzarr.io/component=nest";
    let text = lake.kubectl(&[
        "get",
        "controllerrevisions",
        "--selector",
        of,
        "--output",
        "json",
    ]);
    let list: Value = serde_json::from_str(&text).unwrap();
    let mut plans = list["items"].as_array().unwrap().clone();
    plans.sort_by_key(|it| -it["revision"].as_i64().unwrap());
    plans
}

/// Waits until an operator has brought a change of something else about, so that it has looked at everything.
async fn has_looked(lake: &Lake) {
    lake.kubectl(&["delete", "service/nest-agg-peers"]);
    until("the service", async || {
        let arguments = [
            "--namespace",
            &lake.namespace,
            "get",
            "service/nest-agg-peers",
        ];
        if lake.plane.try_kubectl(&arguments, "").status.success() {
            return Ok(());
        }
        Err("it is not there again".to_owned())
    })
    .await;
}

async fn waits_for_image(lake: &Lake, image: &str) {
    until(image, async || {
        let template = template(lake);
        if *sidecar(&template) == image {
            return Ok(());
        }
        Err(template.to_string())
    })
    .await;
}

/// Runs an operator that would give the pods another sidecar, and sees them keep their template.
async fn another_operator_keeps(lake: &Lake, before: &Value) {
    let running = lake.operate_with("sidecar:10");
    lake.condition("agg/nest", "WorkloadUpToDate", "SidecarUpdateAvailable")
        .await;
    has_looked(lake).await;
    assert_eq!(template(lake), *before);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_of_another_version_replaces_no_pods_and_says_what_it_would_change() {
    let lake = served("version").await;
    let before = template(&lake);
    let running = lake.operate_with("sidecar:10");
    let told = lake
        .condition("agg/nest", "WorkloadUpToDate", "SidecarUpdateAvailable")
        .await;
    assert_eq!(
        told["message"],
        "the pods have the sidecar sidecar:9, and this operator would give them sidecar:10; the next change of the pods takes it, and sidecar.updatePolicy: Immediate takes it at once"
    );
    // What acts without new pods still acts.
    let hot = "  domain: nest\n  sync: {timeout: 7s}";
    lake.apply(&component("Aggregate", "nest", hot));
    until("the routing", async || {
        let routing = lake.get("configmap/nest-agg-routing")["data"]["routing.json"].to_string();
        if routing.contains("7s") {
            return Ok(());
        }
        Err(routing)
    })
    .await;
    assert_eq!(template(&lake), before);
    assert_eq!(lake.get("deployment/nest-agg")["metadata"]["generation"], 1);
    lake.condition("agg/nest", "Ready", "Serving").await;
    // The next change takes it.
    lake.apply(&component("Aggregate", "nest", hot).replace("nest:1", "nest:2"));
    waits_for_image(&lake, "sidecar:10").await;
    lake.condition("agg/nest", "WorkloadUpToDate", "UpToDate")
        .await;
    assert_eq!(plans(&lake).len(), 2);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immediate_update_is_taken_at_once() {
    let lake = Lake::new("immediate").await;
    let running = lake.operate();
    let immediate = "  domain: nest\n  sidecar: {updatePolicy: Immediate}";
    lake.apply(&(STORE.to_owned() + &component("Aggregate", "nest", immediate)));
    lake.pods_become_ready("nest", 1).await;
    lake.condition("agg/nest", "Ready", "Serving").await;
    running.stop().await;
    let running = lake.operate_with("sidecar:10");
    waits_for_image(&lake, "sidecar:10").await;
    let note = "generation 1 is rolled out; changed: spec.template.spec.initContainers[0].image";
    super::events::said(&lake, "Normal", "RollingOut", note).await;
    running.stop().await;
    // It can also be asked for later.
    lake.apply(&aggregate("nest"));
    let running = lake.operate_with("sidecar:11");
    lake.condition("agg/nest", "WorkloadUpToDate", "SidecarUpdateAvailable")
        .await;
    lake.apply(&component("Aggregate", "nest", immediate));
    waits_for_image(&lake, "sidecar:11").await;
    lake.condition("agg/nest", "WorkloadUpToDate", "UpToDate")
        .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_lost_is_written_again_and_replaces_no_pods() {
    let lake = served("lost").await;
    let before = template(&lake);
    let lose = || lake.kubectl(&["delete", "controllerrevisions", "--all"]);
    lose();
    let running = lake.operate_with("sidecar:10");
    for loss in ["while nobody operates", "while an operator runs"] {
        lake.condition("agg/nest", "WorkloadUpToDate", "SidecarUpdateAvailable")
            .await;
        until(loss, async || match plans(&lake).as_slice() {
            [plan] => {
                let pin = lake.get("deployment/nest-agg")["metadata"]["annotations"].clone();
                assert_eq!(pin["angzarr.io/plan"], plan["metadata"]["name"]);
                Ok(())
            }
            plans => Err(format!("{} plans", plans.len())),
        })
        .await;
        assert_eq!(template(&lake), before, "{loss}");
        lose();
    }
    // What it found in the pods is a whole plan: an edit is repaired by it.
    let edit =
        json!({ "spec": { "template": { "spec": { "terminationGracePeriodSeconds": 1 } } } });
    lake.kubectl(&["patch", "deployment/nest-agg", "--patch", &edit.to_string()]);
    until("the repair", async || {
        let now = template(&lake);
        if now == before {
            return Ok(());
        }
        Err(now.to_string())
    })
    .await;
    running.stop().await;
}

/// A plan of nest with changes.
fn forged(lake: &Lake, change: impl Fn(&mut Value)) -> Value {
    let mut plan = plans(lake)[0].clone();
    let metadata = plan["metadata"].as_object_mut().unwrap();
    metadata.retain(|key, _| ["name", "labels", "ownerReferences"].contains(&key.as_str()));
    change(&mut plan);
    plan
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_edited_or_unreadable_or_of_somebody_else_is_not_believed() {
    let lake = served("forged").await;
    let before = template(&lake);
    let evil = |text: &Value| text.as_str().unwrap().replace("nest:1", "viper:1");
    let edited = forged(&lake, |it| {
        it["data"]["plan.json"] = evil(&it["data"]["plan.json"]).into()
    });
    let newer = forged(&lake, |it| {
        it["metadata"]["name"] = "nest-agg-plan-0123456789abcdef".into();
        it["data"]["plan.json"] = evil(&it["data"]["plan.json"]).into();
        it["revision"] = 99.into();
    });
    let unreadable = forged(&lake, |it| {
        it["metadata"]["name"] = "nest-agg-plan-unreadable".into();
        it["data"] = json!({ "plan.json": "{" });
        it["revision"] = 100.into();
    });
    let empty = forged(&lake, |it| {
        it["metadata"]["name"] = "nest-agg-plan-empty".into();
        it["data"] = json!({});
    });
    // Of the name of what is wanted, and of somebody else.
    let foreign = forged(&lake, |it| {
        it["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("ownerReferences");
    });
    for plan in [newer, unreadable, empty] {
        lake.apply(&plan.to_string());
    }
    let name = foreign["metadata"]["name"].as_str().unwrap().to_owned();
    lake.kubectl(&["delete", "controllerrevision", &name]);
    lake.apply(&edited.to_string());
    // The same operator would plan the same.
    let running = lake.operate();
    has_looked(&lake).await;
    assert_eq!(template(&lake), before);
    running.stop().await;
    // Another one does not find the plan.
    another_operator_keeps(&lake, &before).await;
    let pinned =
        lake.get("deployment/nest-agg")["metadata"]["annotations"]["angzarr.io/plan"].clone();
    let pinned = pinned.as_str().unwrap();
    lake.kubectl(&["delete", "controllerrevision", pinned]);
    let foreign = foreign.to_string().replace(&name, pinned);
    lake.apply(&foreign);
    let running = lake.operate();
    lake.condition("agg/nest", "Stalled", "NameTaken").await;
    assert_eq!(template(&lake), before);
    lake.kubectl(&["delete", "controllerrevision", pinned]);
    lake.condition("agg/nest", "Ready", "Serving").await;
    assert_eq!(template(&lake), before);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_that_lost_its_annotations_keeps_its_plan() {
    let lake = served("annotations").await;
    let before = template(&lake);
    for gone in ["angzarr.io/plan-", "angzarr.io/plan-inputs-"] {
        lake.kubectl(&["annotate", "deployment/nest-agg", gone]);
    }
    another_operator_keeps(&lake, &before).await;
    let annotations = lake.get("deployment/nest-agg")["metadata"]["annotations"].clone();
    assert!(annotations["angzarr.io/plan"].is_string(), "{annotations}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_by_a_person_is_respected_and_outlives_a_new_plan() {
    let lake = served("restart").await;
    let running = lake.operate_with("sidecar:10");
    lake.condition("agg/nest", "WorkloadUpToDate", "SidecarUpdateAvailable")
        .await;
    lake.kubectl(&["rollout", "restart", "deployment/nest-agg"]);
    let restarted = |lake: &Lake| {
        template(lake)["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"].clone()
    };
    let at = restarted(&lake);
    assert!(at.is_string(), "{at}");
    lake.pods_become_ready("nest", 1).await;
    lake.condition("agg/nest", "Ready", "Serving").await;
    has_looked(&lake).await;
    assert_eq!(restarted(&lake), at);
    // The pods are the same, only new.
    assert_eq!(*sidecar(&template(&lake)), "sidecar:9");
    lake.apply(&aggregate("nest").replace("nest:1", "nest:2"));
    waits_for_image(&lake, "sidecar:10").await;
    assert_eq!(restarted(&lake), at);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_too_large_to_be_kept_is_kept_to_nevertheless() {
    let lake = Lake::new("huge").await;
    let running = lake.operate();
    lake.apply(STORE);
    let quotes = "\"".repeat(500_000);
    let env = format!("        env: [{{name: QUOTES, value: '{quotes}'}}]\n  domain:");
    super::hostile::create(&lake, &aggregate("nest").replace("  domain:", &env));
    lake.pods_become_ready("nest", 1).await;
    lake.condition("agg/nest", "Ready", "Serving").await;
    running.stop().await;
    let before = template(&lake);
    assert!(plans(&lake).is_empty());
    another_operator_keeps(&lake, &before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_plans_are_kept_and_older_ones_removed() {
    let lake = served("history").await;
    let running = lake.operate();
    for version in 2..6 {
        lake.apply(&aggregate("nest").replace("nest:1", &format!("nest:{version}")));
        until("the template", async || {
            let image = template(&lake)["spec"]["containers"][0]["image"].clone();
            if image == format!("nest:{version}") {
                return Ok(());
            }
            Err(image.to_string())
        })
        .await;
    }
    until("the plans", async || {
        let numbers: Vec<_> = plans(&lake)
            .iter()
            .map(|it| it["revision"].clone())
            .collect();
        if numbers == [5, 4, 3] {
            return Ok(());
        }
        Err(format!("{numbers:?}"))
    })
    .await;
    // What comes again is the newest.
    lake.apply(&aggregate("nest").replace("nest:1", "nest:3"));
    until("the plans", async || {
        let plans = plans(&lake);
        let text = plans[0]["data"]["plan.json"].as_str().unwrap();
        if plans[0]["revision"] == 6 && text.contains("nest:3") {
            return Ok(());
        }
        Err(plans[0].to_string())
    })
    .await;
    running.stop().await;
}
