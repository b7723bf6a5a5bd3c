//! Data that stands beside what is declared now.

use std::fs;
use std::process::Command;

use shop_system::wait;

use crate::desk::{Desk, Local, aggregate, projector};

/// Creates a customer and stops.
async fn with_history() -> Desk {
    let desk = Desk::new(&[aggregate("customer", "customer"), projector("log")]);
    let local = desk.start();
    local.until_ready().await;
    local.create_customer("customer", "customer", 1).await;
    until_read(&local, 1).await;
    local.stop().await;
    desk
}

/// Waits until the projector has read up to a position.
async fn until_read(local: &Local, position: u64) {
    wait(async || {
        let status = local.status("log").await;
        status.is_some_and(|it| it.consumers[0].sources[0].cursor == Some(position))
    })
    .await
    .unwrap_or_else(|error| panic!("{error}\n{}", local.said()));
}

/// Runs the command that stands between backticks after a text.
fn run_command_after(said: &str, text: &str) {
    let (_, rest) = said.split_once(text).unwrap();
    let command = rest.split('`').nth(1).unwrap();
    let done = Command::new("sh").args(["-c", command]).status().unwrap();
    assert!(done.success(), "{command}");
}

#[tokio::test]
async fn a_renamed_aggregate_is_refused_with_the_command_that_keeps_its_events() {
    let desk = with_history().await;
    desk.declare(&[aggregate("client", "customer"), projector("log")]);
    let refusal = desk.refusal().await;
    for part in [
        "all.yaml: Aggregate/client: metadata.name: would start with an empty history",
        "the events of domain customer are kept for Aggregate/customer",
    ] {
        assert!(refusal.contains(part), "{refusal}");
    }
    assert!(!desk.path(".angzarr/default/client-agg").exists());
    run_command_after(&refusal, "to go on with them, run ");
    let local = desk.start();
    local.until_ready().await;
    assert_eq!(local.events("client", "customer", 1).await, 1);
    local.create_customer("client", "customer", 2).await;
    until_read(&local, 2).await;
    local.stop().await;
}

#[tokio::test]
async fn a_domain_cannot_change_here_either_not_even_while_it_runs() {
    let desk = with_history().await;
    let changed = [aggregate("customer", "guest")];
    desk.declare(&changed);
    let refusal = desk.refusal().await;
    for part in [
        "Aggregate/customer: spec: domain cannot change",
        "default/customer-agg: to start with an empty history",
    ] {
        assert!(refusal.contains(part), "{refusal}");
    }
    desk.declare(&[aggregate("customer", "customer"), projector("log")]);
    let local = desk.start();
    local.until_ready().await;
    desk.declare(&changed);
    local.until_said("domain cannot change").await;
    assert_eq!(local.events("log", "customer", 1).await, 1);
    local.stop().await;
}

#[tokio::test]
async fn data_of_what_is_not_declared_any_more_is_named() {
    let desk = with_history().await;
    desk.declare(&[aggregate("customer", "customer"), projector("journal")]);
    let local = desk.start();
    local.until_ready().await;
    let said = local.said();
    let expected = "default/log-prj holds the progress of Projector/log, which another name does not continue: nothing of that name is declared";
    assert!(said.contains(expected), "{said}");
    local.stop().await;
}

#[tokio::test]
async fn a_reader_of_another_history_says_which_and_the_command_to_start_over() {
    let desk = with_history().await;
    fs::remove_dir_all(desk.path(".angzarr/default/customer-agg")).unwrap();
    let local = desk.start();
    let unready = "is not ready: projector log cannot read its sources: customer is stopped: consume customer: the source has another history";
    local.until_said(unready).await;
    let status = local.status("log").await.unwrap();
    let source = &status.consumers[0].sources[0];
    let reason = source.reason.clone().unwrap();
    assert_eq!(source.state, "stopped");
    for part in [
        " was read, this is store ",
        "put back the data of the source",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
    local.stop().await;

    run_command_after(&reason, "stop it, run ");
    let local = desk.start();
    local.until_ready().await;
    local.create_customer("customer", "customer", 1).await;
    until_read(&local, 1).await;
    local.stop().await;
}
