//! What changes while `angzarr local` runs is taken over, and as little as possible starts again.

use std::fs;

use shop_system::wait;

use crate::desk::{Desk, LOCAL, Local, aggregate, projector};

const QUIET: &str = "nothing has to start again";

fn customers() -> Desk {
    Desk::new(&[aggregate("customer", "customer")])
}

async fn process(local: &Local, name: &str) -> u32 {
    local.status(name).await.unwrap().process
}

/// Waits until clients are let in to another sidecar process of a component.
async fn until_replaced(local: &Local, name: &str, before: u32) {
    wait(async || {
        let status = local.status(name).await;
        status.is_some_and(|status| status.process != before && status.lifecycle.open)
    })
    .await
    .unwrap_or_else(|error| panic!("{error}\n{}", local.said()));
}

#[tokio::test]
async fn components_come_and_go_while_the_others_keep_running() {
    let desk = customers();
    let local = desk.start();
    local.until_ready().await;
    let customer = process(&local, "customer").await;
    let routing = local.status("customer").await.unwrap().routing;

    let both = [aggregate("customer", "customer"), projector("log")];
    desk.declare(&[both.concat(), aggregate("guest", "guest")]);
    until_replaced(&local, "log", 0).await;
    until_replaced(&local, "guest", 0).await;
    // A sidecar that keeps running reads its routing again.
    wait(async || local.status("customer").await.unwrap().routing != routing)
        .await
        .unwrap();
    local.create_customer("customer", "guest", 1).await;
    local.create_customer("guest", "customer", 2).await;
    wait(async || {
        let status = local.status("log").await.unwrap();
        status.consumers[0].sources[0].cursor == Some(1)
    })
    .await
    .unwrap();

    desk.declare(&both);
    local.until_said("agg/guest ").await;
    let is_gone = async || local.address("guest", "grpc").is_none();
    wait(is_gone).await.unwrap();
    desk.declare(&[both.concat(), aggregate("guest", "guest")]);
    until_replaced(&local, "guest", 0).await;
    assert_eq!(local.events("guest", "guest", 1).await, 1);
    assert_eq!(process(&local, "customer").await, customer);
    local.stop().await;
}

#[tokio::test]
async fn a_mistake_is_reported_and_everything_runs_as_before() {
    let desk = customers();
    let local = desk.start();
    local.until_ready().await;
    let customer = process(&local, "customer").await;
    let good = fs::read_to_string(desk.path("sys/all.yaml")).unwrap();

    desk.write("sys/all.yaml", &good.replace("domain:", "domian:"));
    local.until_said("did you mean domain?").await;
    desk.write("sys/all.yaml", &good);
    local.until_said(QUIET).await;
    desk.write(
        "local.yaml",
        &LOCAL.replace("[shop-customer]", "[./nowhere]"),
    );
    local.until_said("./nowhere does not exist").await;
    local.create_customer("customer", "customer", 1).await;
    assert_eq!(process(&local, "customer").await, customer);
    assert!(!local.said().contains("starts again"), "{}", local.said());
    local.stop().await;
}

#[tokio::test]
async fn a_changed_resource_restarts_its_sidecar_alone() {
    let desk = Desk::new(&[aggregate("customer", "customer"), projector("log")]);
    let local = desk.start();
    local.until_ready().await;
    let (customer, log) = (
        process(&local, "customer").await,
        process(&local, "log").await,
    );
    let synchronous = projector("log").replace("sources:", "mode: Sync\n  sources:");
    desk.declare(&[aggregate("customer", "customer"), synchronous]);
    until_replaced(&local, "log", log).await;
    assert_eq!(process(&local, "customer").await, customer);
    let said = local.said();
    assert!(
        said.contains("its resource has changed; starts again"),
        "{said}"
    );
    assert_eq!(said.matches("starts again").count(), 1, "{said}");
    local.stop().await;
}

#[tokio::test]
async fn a_changed_command_or_program_restarts_the_logic_alone() {
    let desk = customers();
    desk.write_program("logic", "#!/bin/sh\necho first $A\nexec shop-customer\n");
    let command = |value: &str| {
        format!("images: {{customer:1: {{command: [./logic], env: {{A: {value}}}}}}}")
    };
    desk.write("local.yaml", &command("egg"));
    let local = desk.start();
    local.until_said("first egg").await;
    local.until_ready().await;
    let customer = process(&local, "customer").await;

    desk.write("local.yaml", &command("heron"));
    local.until_said("first heron").await;
    desk.write_program("logic", "#!/bin/sh\necho second $A\nexec shop-customer\n");
    local
        .until_said("its program has changed; starts again")
        .await;
    local.until_said("second heron").await;
    local.create_customer("customer", "customer", 1).await;
    assert_eq!(process(&local, "customer").await, customer);
    local.stop().await;
}

#[tokio::test]
async fn a_changed_script_of_an_interpreter_restarts_it() {
    let desk = customers();
    desk.write("logic.sh", "echo first; exec shop-customer\n");
    let local = LOCAL.replace("[shop-customer]", "[sh, logic.sh]");
    desk.write("local.yaml", &local);
    let local = desk.start();
    local.until_said("first").await;
    desk.write("logic.sh", "echo second; exec shop-customer\n");
    local.until_said("second").await;
    local.until_ready().await;
    local.stop().await;
}
