//! What is checked and said before anything runs.

use std::fs;
use std::os::unix::fs::symlink;

use crate::desk::{Desk, LOCAL, aggregate, projector};

fn customers() -> Desk {
    Desk::new(&[aggregate("customer", "customer")])
}

#[tokio::test]
async fn a_data_folder_in_use_is_refused_with_its_holder_and_nothing_is_changed() {
    let desk = customers();
    let local = desk.start();
    local.until_ready().await;
    let files = [
        "ports.json",
        "addresses.json",
        "default/customer-agg/boot.json",
    ];
    let read = || files.map(|file| fs::read(desk.path(".angzarr").join(file)).unwrap());
    let before = read();

    let refusal = desk.refusal().await;
    let holder = format!("process {}", local.pid().as_raw_nonzero());
    for part in [".angzarr is in use by", &holder, "--data"] {
        assert!(refusal.contains(part), "{refusal}");
    }
    assert_eq!(read(), before);
    local.create_customer("customer", "customer", 1).await;
    local.stop().await;
    let again = desk.start();
    again.until_ready().await;
    again.stop().await;
}

#[tokio::test]
async fn every_mistake_of_local_yaml_is_reported_at_the_start_with_its_place_and_nothing_is_made() {
    let desk = customers();
    let cases = [
        ("", "local.yaml: images: is missing; map each image"),
        (
            "images: {}",
            "local.yaml: images.customer:1: is missing; say which command",
        ),
        (
            "images: {customer:1: {command: [./nowhere]}}",
            "local.yaml: images.customer:1.command[0]: ",
        ),
        (
            "images: {customer:1: {command: [./nowhere]}}",
            "./nowhere does not exist; build it",
        ),
        (
            "images: {customer:1: {command: [nowhere-at-all]}}",
            "images.customer:1.command[0]: nowhere-at-all is in no folder of PATH; build or install it",
        ),
        (
            "images: {customer:1: {command: [./local.yaml]}}",
            "./local.yaml is not an executable file",
        ),
        (
            "images: {customer:1: {command: [shop-customer], workingDir: away}}",
            "images.customer:1.workingDir: ",
        ),
        (
            "images: {customer:1: {command: [shop-customer], workingDir: away}}",
            "/away is not a folder; make it",
        ),
        (
            "images: {customer:1: {command: [shop-customer], env: {A: '${HOME}'}}}",
            "images.customer:1.env.A: ${HOME} is not known here; write ${PORT}",
        ),
    ];
    for (local, expected) in cases {
        desk.write("local.yaml", local);
        let refusal = desk.refusal().await;
        assert!(refusal.contains(expected), "{expected}\n{refusal}");
    }
    fs::remove_file(desk.path("local.yaml")).unwrap();
    let refusal = desk.refusal().await;
    assert!(refusal.contains("local.yaml: cannot be read"), "{refusal}");
    assert!(!desk.path(".angzarr").exists());
}

#[tokio::test]
async fn a_link_to_the_resources_has_its_local_yaml_and_data_beside_the_link() {
    let desk = customers();
    fs::create_dir(desk.path("releases")).unwrap();
    fs::rename(desk.path("sys"), desk.path("releases/42")).unwrap();
    symlink("releases/42", desk.path("sys")).unwrap();
    let local = desk.start();
    local.until_ready().await;
    local.stop().await;
    assert!(desk.path(".angzarr/ports.json").exists());
    let beside_target: Vec<_> = fs::read_dir(desk.path("releases")).unwrap().collect();
    assert_eq!(beside_target.len(), 1, "{beside_target:?}");
}

#[tokio::test]
async fn a_literal_placeholder_reaches_the_program() {
    let desk = customers();
    let script = "X=5; echo it is $${X} at ${PORT}; exec shop-customer";
    let command = format!("images: {{customer:1: {{command: [sh, -c, '{script}']}}}}");
    desk.write("local.yaml", &command);
    let local = desk.start();
    local.until_said("it is 5 at ").await;
    local.until_ready().await;
    local.stop().await;
}

#[tokio::test]
async fn addresses_are_said_at_once_and_what_is_not_ready_with_its_reason() {
    let desk = Desk::new(&[aggregate("customer", "customer"), projector("log")]);
    let waits = "while ! [ -e go ]; do sleep 0.1; done; exec shop-logging";
    let local = LOCAL.replace("[shop-logging]", &format!("[sh, -c, '{waits}']"));
    desk.write("local.yaml", &local);
    let local = desk.start();
    for title in ["agg/customer ", "prj/log "] {
        local.until_said(title).await;
    }
    let said = local.said();
    assert_eq!(said.matches("admin http://127.0.0.1:").count(), 2, "{said}");
    let reason = "is not ready: the logic of projector log does not answer: ";
    local.until_said(reason).await;
    assert!(!local.said().contains("all is ready"));
    desk.write("go", "");
    local.until_ready().await;
    assert_eq!(local.said().matches(reason).count(), 1, "{}", local.said());
    local.stop().await;
}
