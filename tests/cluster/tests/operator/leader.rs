//! Operators beside each other, of which one writes.

use std::time::Duration;

use angzarr_cluster::until;
use angzarr_operator::controller::Operator;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::lake::{Lake, Running, STORE, aggregate};
use super::tap::Tap;

const LEASE: &str = "angzarr-operator";

fn candidate(lake: &Lake) -> Operator {
    let mut operator = lake.operator();
    operator.election.leader_election = true;
    operator
}

fn start(lake: &Lake) -> (Running, Tap) {
    let (tap, client) = Tap::new(&lake.account);
    (lake.operate_as(candidate(lake), client), tap)
}

async fn holder(lake: &Lake) -> Option<String> {
    let leases: Api<Lease> = Api::namespaced(lake.client.clone(), &lake.namespace);
    let lease = leases.get_opt(LEASE).await.unwrap()?;
    lease.spec?.holder_identity
}

/// Waits until a lease is held by somebody else than before; returns by whom.
async fn next_holder(lake: &Lake, before: Option<&str>) -> String {
    until("a leader", async || {
        let holder = holder(lake).await;
        match holder {
            Some(holder) if Some(holder.as_str()) != before => Ok(holder),
            holder => Err(format!("{holder:?} holds the lease")),
        }
    })
    .await
}

/// Two operators, the first of which leads and has brought up an aggregate.
async fn pair(lake: &Lake) -> ((Running, Tap), (Running, Tap), String) {
    let first = start(lake);
    let holder = next_holder(lake, None).await;
    let second = start(lake);
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    rolls_out(lake, "nest").await;
    assert!(first.1.writes() > 0);
    assert_eq!(second.1.writes(), 0);
    (first, second, holder)
}

async fn rolls_out(lake: &Lake, name: &str) {
    let object = format!("agg/{name}");
    lake.condition(&object, "Reconciling", "RollingOut").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_operators_one_writes_and_the_other_follows_when_it_stops() {
    let lake = Lake::new("follow").await;
    let (first, second, holder) = pair(&lake).await;
    first.0.stop().await;
    next_holder(&lake, Some(&holder)).await;
    lake.apply(&aggregate("reed"));
    rolls_out(&lake, "reed").await;
    assert!(second.1.writes() > 0);
    second.0.stop().await;
    assert_eq!(self::holder(&lake).await, None, "the lease is given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_is_followed_when_its_lease_has_lapsed() {
    let lake = Lake::new("killed").await;
    let (first, second, holder) = pair(&lake).await;
    first.0.kill().await;
    let writes = first.1.writes();
    lake.apply(&aggregate("reed"));
    next_holder(&lake, Some(&holder)).await;
    rolls_out(&lake, "reed").await;
    assert_eq!(first.1.writes(), writes);
    second.0.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_hung_writes_nothing_when_it_comes_back() {
    let lake = Lake::new("hung").await;
    let (first, second, holder) = pair(&lake).await;
    first.1.hang(true);
    let writes = first.1.writes();
    lake.apply(&aggregate("reed"));
    next_holder(&lake, Some(&holder)).await;
    rolls_out(&lake, "reed").await;
    first.1.hang(false);
    let failure = first.0.failure().await;
    assert!(failure.contains("so this process stops"), "{failure}");
    assert_eq!(first.1.writes(), writes);
    second.0.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_lease_was_taken_stops_and_writes_nothing_more() {
    let lake = Lake::new("robbed").await;
    let (first, second, _) = pair(&lake).await;
    second.0.stop().await;
    let stolen = r#"{"spec":{"holderIdentity":"magpie"}}"#;
    // The holder may be renewing at the same moment; the API server orders both.
    lake.kubectl(&["patch", "lease", LEASE, "--type=merge", "--patch", stolen]);
    let failure = first.0.failure().await;
    assert_eq!(
        failure,
        "lead: magpie took the lease away, so this process stops"
    );
    let writes = first.1.writes();
    lake.apply(&aggregate("reed"));
    assert_eq!(lake.get("agg/reed")["status"]["conditions"], Value::Null);
    assert_eq!(first.1.writes(), writes);
}

/// Renews a lease as a process whose clock is so far off.
async fn renew(lake: &Lake, skew: SignedDuration) {
    let leases: Api<Lease> = Api::namespaced(lake.client.clone(), &lake.namespace);
    let renewed = Timestamp::now() + skew;
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": { "name": LEASE },
        "spec": {
            "holderIdentity": "magpie",
            "leaseDurationSeconds": 2,
            "renewTime": format!("{renewed:.6}"),
        },
    });
    let how = PatchParams::apply("magpie").force();
    leases
        .patch(LEASE, &how, &Patch::Apply(&lease))
        .await
        .unwrap();
}

async fn skewed(prefix: &str, skew: SignedDuration) {
    let lake = Lake::new(prefix).await;
    renew(&lake, skew).await;
    let (running, tap) = start(&lake);
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    let mut beat = tokio::time::interval(Duration::from_millis(250));
    // Three times as long as the lease.
    for _ in 0..24 {
        beat.tick().await;
        assert_eq!(holder(&lake).await.as_deref(), Some("magpie"));
        renew(&lake, skew).await;
    }
    assert_eq!(tap.writes(), 0);
    next_holder(&lake, Some("magpie")).await;
    rolls_out(&lake, "nest").await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_clock_is_hours_behind_keeps_its_lease_as_long_as_it_renews() {
    skewed("behind", SignedDuration::from_hours(-5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_clock_is_hours_ahead_is_followed_when_it_renews_no_more() {
    skewed("ahead", SignedDuration::from_hours(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times_that_do_not_fit_each_other_are_refused() {
    let lake = Lake::new("times").await;
    let mut operator = candidate(&lake);
    operator.election.lease_retry = Duration::from_secs(3);
    let running = lake.operate_as(operator, lake.account.clone());
    assert_eq!(
        running.failure().await,
        "--lease-retry must be more than zero and less than a third of --lease-duration, and is 3s"
    );
    let mut operator = candidate(&lake);
    operator.election.lease_duration = Duration::from_millis(1500);
    let running = lake.operate_as(operator, lake.account.clone());
    assert_eq!(
        running.failure().await,
        "--lease-duration must be whole seconds, from 1s to 1h, and is 1s 500ms"
    );
}
