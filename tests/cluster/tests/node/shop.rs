//! The shop, from its resources to the reply to a command.

use std::process::Command;

use angzarr_cluster::{built, repository};

use crate::place::{ADA, Place, create_customer};

#[tokio::test]
async fn the_rendered_shop_becomes_ready_and_replies_to_a_command_through_a_service() {
    let place = Place::new("rendered").await;
    let rendered = Command::new(built("angzarr"))
        .args(["render", "--namespace", &place.namespace, "--folder"])
        .arg(repository().join("examples/shop"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&rendered.stderr);
    assert!(rendered.status.success(), "{said}");
    place.apply(&String::from_utf8(rendered.stdout).unwrap());
    let available = ["--for=condition=Available", "--timeout=120s"];
    place.kubectl(&[&["wait", "deployment", "--all"], &available[..]].concat());
    place.serves_a_command().await;
}

// With more threads, a client closes its connections while kubectl runs; a sidecar that ends waits for them.
#[tokio::test(flavor = "multi_thread")]
async fn the_deployed_shop_goes_on_after_crashes_and_ends_with_its_namespace_without_an_operator() {
    let place = Place::new("deployed").await;
    place.deploy();
    place.serves_a_command().await;

    place.kill("customer", "/angzarr-sidecar").await;
    place.kill("customer", "/shop-customer").await;
    let client = place.client("customer-agg").await;
    create_customer(&client, ADA).await;
    create_customer(&client, &[8; 16]).await;

    // Nobody is left who could undo anything.
    place.uninstall_operator();
    place.kubectl(&["delete", "namespace", &place.namespace, "--timeout=60s"]);
}
