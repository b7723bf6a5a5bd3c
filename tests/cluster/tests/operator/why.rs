//! `angzarr why` and `kubectl get`: what a person sees first.

use angzarr_cluster::built;
use angzarr_crds::Kind;
use angzarr_operator::{Key, why::explain};

use super::lake::{Lake, STORE, aggregate, component};
use super::reasons::pods_fail;

impl Lake {
    /// What `angzarr why` says of a resource.
    async fn why(&self, kind: Kind, name: &str) -> String {
        let key = Key {
            namespace: self.namespace.clone(),
            kind,
            name: name.to_owned(),
        };
        explain(&self.client, &key).await.unwrap()
    }

    /// The last line of it.
    async fn next(&self, kind: Kind, name: &str) -> String {
        let said = self.why(kind, name).await;
        said.lines().last().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_nobody_looks_at_leads_to_the_operator() {
    let lake = Lake::new("why").await;
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    let next = lake.next(Kind::Aggregate, "nest").await;
    assert_eq!(
        next,
        "Next: kubectl get pods --all-namespaces --selector=app.kubernetes.io/name=angzarr-operator"
    );
    let ran = std::process::Command::new(built("angzarr"))
        .args(["why", "agg/nest", "--namespace", &lake.namespace])
        .env("KUBECONFIG", lake.plane.kubeconfig())
        .output()
        .unwrap();
    let printed = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(printed, lake.why(Kind::Aggregate, "nest").await);
    let absent = lake.why(Kind::Saga, "feed").await;
    let namespace = &lake.namespace;
    assert_eq!(
        absent,
        format!(
            "Saga/feed in namespace {namespace} does not exist.\n\nNext: kubectl get sagas --namespace {namespace}\n"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walk_goes_over_references_to_the_cause() {
    let lake = Lake::new("why").await;
    let running = lake.operate();
    let namespace = &lake.namespace;
    let saga = "  sources: [{domain: nest}]\n  targets: [{domain: reed}]";
    let many = component("Aggregate", "nest", "  domain: nest\n  replicas: 3");
    lake.apply(&(many + &component("Saga", "feed", saga)));
    lake.condition("saga/feed", "Reconciling", "WaitingForEventStore")
        .await;
    let next = lake.next(Kind::Saga, "feed").await;
    assert_eq!(
        next,
        format!("Next: kubectl get eventstores --namespace {namespace}")
    );
    lake.apply(STORE);
    lake.condition("evs/heron", "Ready", "Serving").await;
    lake.condition("saga/feed", "Reconciling", "WaitingForDomain")
        .await;
    let said = lake.why(Kind::Saga, "feed").await;
    assert!(
        said.contains("No Aggregate owns the domain reed."),
        "{said}"
    );
    assert!(
        said.ends_with(&format!(
            "Next: kubectl get aggregates --namespace {namespace}\n"
        )),
        "{said}"
    );
    // The owner of the source cannot work.
    lake.apply(&aggregate("reed"));
    lake.condition("agg/nest", "Stalled", "InvalidSpec").await;
    lake.condition("saga/feed", "ReferencesResolved", "Resolved")
        .await;
    let said = lake.why(Kind::Aggregate, "nest").await;
    let stalled = "  Stalled=True InvalidSpec: spec.replicas: must be 1 with SQLite";
    assert!(
        said.contains(stalled) && said.contains("\n  What to do: Change the field"),
        "{said}"
    );
    assert!(
        said.ends_with(&format!(
            "Next: kubectl edit agg/nest --namespace {namespace}\n"
        )),
        "{said}"
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_in_trouble_is_the_cause_and_a_good_resource_has_none() {
    let lake = Lake::new("why").await;
    let running = lake.operate();
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    lake.condition("agg/nest", "Reconciling", "RollingOut")
        .await;
    pods_fail(&lake).await;
    let said = lake.why(Kind::Aggregate, "nest").await;
    let cause =
        "container logic: ImagePullBackOff: no such image\n\nNext: kubectl describe pod/nest-agg-";
    assert!(said.contains(cause), "{said}");
    assert_eq!(
        lake.why(Kind::EventStore, "heron").await.lines().next(),
        Some(format!("EventStore/heron in namespace {}:", lake.namespace).as_str())
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_get_shows_where_each_resource_stands() {
    let lake = Lake::new("columns").await;
    let running = lake.operate();
    let watch = component("Projector", "watch", "  sources: [{domain: nest}]");
    lake.apply(&(STORE.to_owned() + &aggregate("nest") + &watch));
    lake.pods_become_ready("nest", 1).await;
    lake.condition("agg/nest", "Ready", "Serving").await;
    lake.condition("prj/watch", "Ready", "Progressing").await;
    lake.condition("evs/heron", "Ready", "Serving").await;
    let shown = lake.kubectl(&["get", "angzarr"]);
    let words: Vec<String> = shown
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for line in [
        "NAME DOMAIN READY REASON PODS STORE AGE",
        "aggregate.angzarr.io/nest nest True Serving 1/1 heron",
        "NAME STORAGE BUS READY REASON USED BY AGE",
        "eventstore.angzarr.io/heron sqlite direct True Serving 2",
        "NAME SOURCES READY REASON PODS STORE LAG AGE",
        "projector.angzarr.io/watch nest False Progressing 0/1 heron",
    ] {
        assert!(
            words.iter().any(|it| it.starts_with(line)),
            "{line}\n{shown}"
        );
    }
    running.stop().await;
}
