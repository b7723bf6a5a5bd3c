//! The conditions that tell a person where a resource stands.

use super::lake::{Lake, STORE, aggregate, component};

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_becomes_ready_with_its_pod() {
    let lake = Lake::new("ready").await;
    let running = lake.operate();
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    lake.condition("agg/nest", "Reconciling", "RollingOut")
        .await;
    let ready = lake.condition("agg/nest", "Ready", "Progressing").await;
    assert_eq!(ready["status"], "False");
    lake.pods_become_ready("nest", 1).await;
    let ready = lake.condition("agg/nest", "Ready", "Serving").await;
    assert_eq!(ready["status"], "True");
    let status = &lake.get("agg/nest")["status"];
    assert_eq!(ready["observedGeneration"], status["observedGeneration"]);
    assert_eq!(status["pods"], "1/1");
    assert_eq!(
        status["address"],
        format!("nest-agg.{}.svc:9000", lake.namespace)
    );
    lake.kubectl(&["wait", "agg/nest", "--for=condition=Ready", "--timeout=60s"]);
    lake.condition("evs/heron", "Ready", "Serving").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_resource_stops_no_other() {
    let lake = Lake::new("bad").await;
    let running = lake.operate();
    let bad = component("Aggregate", "many", "  domain: many\n  replicas: 3");
    let poor = component(
        "Saga",
        "feed",
        "  sources: [{domain: reed}]\n  targets: [{domain: nest}]",
    );
    lake.apply(&(STORE.to_owned() + &bad + &poor + &aggregate("nest")));
    let stalled = lake.condition("agg/many", "Stalled", "InvalidSpec").await;
    assert_eq!(
        stalled["message"],
        "spec.replicas: must be 1 with SQLite, whose file only one process can open"
    );
    let missing =
        "spec.sources[0].domain: reed is not a domain of EventStore heron; declare its Aggregate";
    lake.says("saga/feed", "ReferencesResolved", missing).await;
    lake.pods_become_ready("nest", 1).await;
    lake.condition("agg/nest", "Ready", "Serving").await;
    // What it waits for comes.
    lake.apply(&aggregate("reed"));
    lake.condition("saga/feed", "ReferencesResolved", "Resolved")
        .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_cannot_take_a_domain_away() {
    let lake = Lake::new("taken").await;
    let running = lake.operate();
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    lake.condition("agg/nest", "Accepted", "Valid").await;
    lake.apply(&component("Aggregate", "viper", "  domain: nest"));
    let stalled = lake
        .condition("agg/viper", "Stalled", "DomainConflict")
        .await;
    let expected = "spec.domain: nest belongs to Aggregate/nest already; a domain has one owner per EventStore";
    assert_eq!(stalled["message"], expected);
    lake.condition("agg/nest", "Accepted", "Valid").await;
    lake.kubectl(&["delete", "agg/nest"]);
    lake.condition("agg/viper", "Accepted", "Valid").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_waits_for_its_store() {
    let lake = Lake::new("store").await;
    let running = lake.operate();
    lake.apply(&aggregate("nest"));
    let waits = lake
        .condition("agg/nest", "Reconciling", "WaitingForEventStore")
        .await;
    let message = waits["message"].as_str().unwrap();
    assert!(
        message.contains("EventStore heron does not exist"),
        "{message}"
    );
    lake.condition("agg/nest", "Ready", "WaitingForDependency")
        .await;
    lake.apply(STORE);
    lake.condition("agg/nest", "Reconciling", "RollingOut")
        .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_component_has_no_ready_condition() {
    let lake = Lake::new("suspended").await;
    let running = lake.operate();
    let suspended = component("Aggregate", "nest", "  domain: nest\n  suspend: true");
    lake.apply(&(STORE.to_owned() + &suspended));
    lake.condition("agg/nest", "Suspended", "Suspended").await;
    let status = &lake.get("agg/nest")["status"];
    let types: Vec<_> = status["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["type"].as_str().unwrap())
        .collect();
    assert!(
        !types.contains(&"Ready") && !types.contains(&"Stalled"),
        "{types:?}"
    );
    running.stop().await;
}
