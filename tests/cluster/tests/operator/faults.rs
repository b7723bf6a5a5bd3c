//! The operator is stopped, refused, cut off and left without answers: in the end everything is as if nothing had happened.

use std::sync::Arc;
use std::time::Duration;

use angzarr_operator::controller::Pace;
use tokio::sync::mpsc;

use super::lake::Lake;
use super::wire::{Call, Fault, Wire};
use super::world::{everything, looks_undisturbed, settled, undisturbed};

/// How many operators are stopped beside each other.
const BESIDE: usize = 3;

/// Short times, so that a test sees what follows a failure.
pub(crate) fn quick() -> Pace {
    Pace {
        backoff_initial: Duration::from_millis(50),
        backoff_max: Duration::from_secs(1),
        call: Duration::from_secs(3),
        watch: Duration::from_secs(3),
        ..Pace::default()
    }
}

/// Runs an operator until it is about to write for the nth time, and kills it there; returns whether it came so far.
///
/// Only writes count: what an operator keeps in memory ends with it, so stopping it at a read is stopping it after the write before.
async fn killed_at(lake: &Lake, n: usize) -> bool {
    let wire = Wire::new(lake.account.clone());
    let (told, mut stopped) = mpsc::unbounded_channel();
    let mut writes = 0;
    wire.fail(move |call: &Call| {
        if !call.is_write() {
            return None;
        }
        writes += 1;
        if writes < n {
            return None;
        }
        let _ = told.send(());
        Some(Fault::Silent)
    });
    // One at a time, so that the order of calls is the same in each run.
    let pace = Pace {
        concurrency: 1,
        ..Pace::default()
    };
    let running = lake.operate_over(wire.client(), pace);
    let came_so_far = tokio::select! {
        told = stopped.recv() => told.is_some(),
        () = settled(lake) => stopped.try_recv().is_ok(),
    };
    running.kill().await;
    came_so_far
}

async fn ends_after_a_stop_at(n: usize) -> bool {
    let lake = Lake::new("stopped").await;
    lake.apply(&everything());
    let came_so_far = killed_at(&lake, n).await;
    let running = lake.operate_over(lake.account.clone(), quick());
    looks_undisturbed(&lake, &format!("the end after a stop at write {n}")).await;
    settled(&lake).await;
    running.stop().await;
    let gone = ["delete", "namespace", &lake.namespace, "--wait=false"];
    lake.plane.kubectl(&gone);
    came_so_far
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_is_stopped_at_any_of_its_writes_is_followed_by_one_that_ends_the_work() {
    undisturbed().await;
    let mut first = 1;
    loop {
        let runs = (first..first + BESIDE).map(ends_after_a_stop_at);
        let ended = futures::future::join_all(runs).await;
        if ended.contains(&false) {
            break;
        }
        first += BESIDE;
    }
    assert!(first > 20, "only {first} writes");
}

/// Lets a rule fail calls of an operator in a new world, and waits for the end; returns the calls.
async fn survives(
    name: &str,
    rule: impl FnMut(&Call) -> Option<Fault> + Send + 'static,
) -> Vec<Call> {
    undisturbed().await;
    let lake = Lake::new(name).await;
    let wire = Wire::new(lake.account.clone());
    wire.fail(rule);
    let running = lake.operate_over(wire.client(), quick());
    lake.apply(&everything());
    looks_undisturbed(&lake, name).await;
    settled(&lake).await;
    running.stop().await;
    wire.calls()
}

/// Fails every third call with one of these, in turn, up to a number of them.
fn some(faults: &[Fault], most: usize) -> impl FnMut(&Call) -> Option<Fault> + Send + 'static {
    let faults = faults.to_vec();
    let (mut seen, mut failed) = (0, 0);
    move |_| {
        seen += 1;
        if seen % 3 != 0 || failed == most {
            return None;
        }
        failed += 1;
        Some(faults[failed % faults.len()])
    }
}

/// No storm of calls: what an undisturbed run needs, and a few for each failure.
fn assert_calm(calls: &[Call]) {
    assert!(calls.len() < 900, "{} calls", calls.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_api_server_delay_the_work_and_no_more() {
    let faults = [409, 410, 429, 500, 503].map(Fault::Code);
    assert_calm(&survives("errors", some(&faults, 60)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_and_lost_answers_delay_the_work_and_no_more() {
    assert_calm(&survives("cut", some(&[Fault::Cut, Fault::Lost], 60)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_never_answered_hold_up_nothing_for_longer_than_their_deadline() {
    assert_calm(&survives("unanswered", some(&[Fault::Silent], 12)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_that_are_cut_again_and_again_show_everything_in_the_end() {
    let calls = survives("short", |call| call.is_watch().then_some(Fault::Short)).await;
    assert_calm(&calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_dies_in_silence_is_begun_anew() {
    // The first watch of each kind.
    let mut deaf = std::collections::BTreeSet::new();
    let calls = survives("deaf", move |call| {
        let is_first = call.is_watch() && deaf.insert(call.path.clone());
        is_first.then_some(Fault::Deaf)
    })
    .await;
    assert_calm(&calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_blind_operator_missed_is_repaired_once_it_sees_again() {
    undisturbed().await;
    let lake = Lake::new("blind").await;
    let wire: Arc<Wire> = Wire::new(lake.account.clone());
    let running = lake.operate_over(wire.client(), quick());
    lake.apply(&everything());
    looks_undisturbed(&lake, "the beginning").await;
    // Watches go on as they are until they end; those that follow show nothing.
    wire.fail(|call| call.is_watch().then_some(Fault::Code(500)));
    lake.kubectl(&["delete", "service/nest-agg", "deployment/feed-saga"]);
    wire.mend();
    looks_undisturbed(&lake, "the end").await;
    running.stop().await;
}
