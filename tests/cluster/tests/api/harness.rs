//! The control plane of the tests themselves.

use angzarr_cluster::ControlPlane;

use crate::owner::Owner;

#[tokio::test]
async fn a_killed_owner_leaves_neither_processes_nor_files() {
    let mut owner = Owner::start(&["api"]);
    assert!(owner.processes().len() >= 3);
    owner.process.kill().unwrap();
    owner.process.wait().unwrap();
    owner.await_nothing_left().await;
}

#[tokio::test]
async fn an_owner_that_ends_leaves_neither_processes_nor_files() {
    let mut owner = Owner::start(&["api"]);
    drop(owner.process.stdin.take());
    assert!(owner.process.wait().unwrap().success());
    owner.await_nothing_left().await;
}

#[tokio::test]
async fn what_no_role_allows_is_forbidden() {
    let plane = ControlPlane::shared().await;
    let ask = |who: &str| {
        let asked = ["auth", "can-i", "create", "aggregates", "--as", who];
        String::from_utf8(plane.try_kubectl(&asked, "").stdout).unwrap()
    };
    assert_eq!(ask("system:serviceaccount:default:default"), "no\n");
}
