//! What GitOps tools read from the status, by their own libraries.

use std::io::Write;
use std::process::{Command, Stdio};

use angzarr_cluster::{gitops, repository, until};
use serde_json::{Value, json};

use super::lake::{Lake, STORE, aggregate, component};

/// What the tool of the GitOps libraries prints about an input.
fn tell(arguments: &[&str], input: &Value) -> Value {
    let mut running = Command::new(gitops())
        .args(arguments)
        .current_dir(repository().join("gitops/argocd"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = running.stdin.take().unwrap();
    stdin.write_all(input.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What kstatus and Argo CD say of an object.
fn judged(object: &Value) -> (String, String) {
    let verdicts = tell(&["health", "health.lua"], &json!([object]));
    let word = |key: &str| verdicts[0][key].as_str().unwrap().to_owned();
    (word("kstatus"), word("argo"))
}

impl Lake {
    /// Waits until both say the expected of a resource.
    async fn shows(&self, object: &str, kstatus: &str, argo: &str) {
        until(&format!("{object}: {kstatus} and {argo}"), async || {
            let object = self.get(object);
            let found = judged(&object);
            if found == (kstatus.to_owned(), argo.to_owned()) {
                return Ok(());
            }
            Err(format!("{found:?} of {}", object["status"]))
        })
        .await;
    }

    /// The actions that Argo CD offers for a resource.
    fn offered(&self, object: &str) -> String {
        let names = tell(&["actions", "actions.yaml"], &self.get(object));
        let names = names.as_array().unwrap();
        let mut names: Vec<_> = names.iter().map(|it| it.as_str().unwrap()).collect();
        names.sort_unstable();
        names.join(" ")
    }

    /// Runs an action as Argo CD does.
    fn act(&self, object: &str, action: &str) {
        let patch = tell(&["act", "actions.yaml", action], &self.get(object)).to_string();
        self.kubectl(&["patch", object, "--type=merge", "--patch", &patch]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_tools_follow_a_resource_to_its_health() {
    let lake = Lake::new("gitops").await;
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    lake.shows("agg/nest", "InProgress", "Progressing").await;
    let running = lake.operate();
    lake.condition("agg/nest", "Reconciling", "RollingOut")
        .await;
    lake.shows("agg/nest", "InProgress", "Progressing").await;
    lake.pods_become_ready("nest", 1).await;
    lake.shows("agg/nest", "Current", "Healthy").await;
    lake.shows("evs/heron", "Current", "Healthy").await;
    lake.kubectl(&["annotate", "agg/nest", "angzarr.io/paused=true"]);
    lake.shows("agg/nest", "Current", "Suspended").await;
    lake.kubectl(&["annotate", "agg/nest", "angzarr.io/paused-"]);
    lake.shows("agg/nest", "Current", "Healthy").await;
    running.stop().await;
    // Nobody has seen the new version.
    lake.apply(&component(
        "Aggregate",
        "nest",
        "  domain: nest\n  replicas: 0",
    ));
    lake.shows("agg/nest", "InProgress", "Progressing").await;
    let running = lake.operate();
    lake.pods_become_ready("nest", 0).await;
    lake.shows("agg/nest", "Current", "Suspended").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gitops_tools_tell_failure_from_waiting() {
    let lake = Lake::new("failure").await;
    let running = lake.operate();
    let bad = component("Aggregate", "many", "  domain: many\n  replicas: 3");
    let early = component("Projector", "map", "  sources: [{domain: reed}]");
    lake.apply(&(STORE.to_owned() + &bad + &early));
    lake.shows("agg/many", "Failed", "Degraded").await;
    lake.shows("prj/map", "InProgress", "Progressing").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_actions_of_argo_cd_do_what_they_say() {
    let lake = Lake::new("actions").await;
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    let running = lake.operate();
    lake.pods_become_ready("nest", 1).await;
    lake.shows("agg/nest", "Current", "Healthy").await;
    assert_eq!(lake.offered("evs/heron"), "pause reconcile");
    assert_eq!(lake.offered("agg/nest"), "pause reconcile suspend");
    lake.act("agg/nest", "pause");
    lake.shows("agg/nest", "Current", "Suspended").await;
    assert_eq!(lake.offered("agg/nest"), "reconcile suspend unpause");
    lake.act("agg/nest", "unpause");
    lake.act("agg/nest", "reconcile");
    lake.shows("agg/nest", "Current", "Healthy").await;
    let asked = lake.get("agg/nest")["metadata"]["annotations"]["angzarr.io/requested-at"].clone();
    assert!(asked.is_string(), "{asked}");
    lake.act("agg/nest", "suspend");
    lake.pods_become_ready("nest", 0).await;
    lake.shows("agg/nest", "Current", "Suspended").await;
    assert_eq!(lake.offered("agg/nest"), "pause reconcile resume");
    lake.act("agg/nest", "resume");
    lake.pods_become_ready("nest", 1).await;
    lake.shows("agg/nest", "Current", "Healthy").await;
    running.stop().await;
}
