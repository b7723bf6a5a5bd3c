//! Other programs that take a port of the running shop while one of its processes is down.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says why and ends"
)]

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use shop_contract::customer::v1::CreateCustomer;
use shop_system::{Client, System, path_of_programs, wait};

async fn shop() -> System {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shop");
    let mut system = System::start(&folder, &path_of_programs().unwrap()).unwrap();
    system.until_open().await.unwrap();
    system
}

/// Takes a port as soon as its owner is gone.
async fn take(port: u16) -> TcpListener {
    let mut taken = None;
    wait(async || {
        taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok();
        taken.is_some()
    })
    .await
    .unwrap();
    taken.unwrap()
}

/// Creates a customer through another sidecar, which has to learn of the move.
async fn create_customer(system: &System, id: &str) {
    let command = CreateCustomer {
        name: "Ada".to_owned(),
        email: format!("{id}@example.org"),
    };
    let client = Client::new(system.channel("inventory").unwrap());
    let root = uuid::Uuid::new_v4();
    client
        .execute(("customer", root.as_bytes()), id, &command)
        .await
        .unwrap();
}

/// The process that has a port in its environment.
fn process_with(port: u16) -> Pid {
    let variable = format!("PORT={port}");
    for entry in fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        // Processes may exit meanwhile, and some are not readable.
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        if environment
            .split(|byte| *byte == 0)
            .any(|it| it == variable.as_bytes())
        {
            let id = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            return Pid::from_raw(id).unwrap();
        }
    }
    panic!("no process has {variable}")
}

#[tokio::test]
async fn a_sidecar_whose_port_is_in_use_moves_and_the_others_follow() {
    let mut system = shop().await;
    create_customer(&system, "before").await;
    let port = system.port("customer").unwrap();
    system.kill("customer").await.unwrap();
    let taken = take(port).await;
    wait(async || {
        system.find_again().await.unwrap();
        system.port("customer").unwrap() != port && system.is_open("customer").await
    })
    .await
    .unwrap_or_else(|error| panic!("{error}\n{}", system.log()));
    // A client that does not know of the move yet is refused at once; a silent listener would block it.
    drop(taken);
    create_customer(&system, "after").await;
    let log = system.log();
    assert!(
        log.contains("another program has taken its port; it moved to grpc 127.0.0.1:"),
        "{log}"
    );
    assert!(system.stop().await.unwrap().success());
}

#[tokio::test]
async fn logic_whose_port_is_in_use_moves_and_its_sidecar_follows() {
    let system = shop().await;
    let port = system.logic_port("customer-agg").unwrap();
    kill_process(process_with(port), Signal::KILL).unwrap();
    let taken = take(port).await;
    wait(async || {
        system.logic_port("customer-agg").unwrap() != port && system.is_open("customer").await
    })
    .await
    .unwrap_or_else(|error| panic!("{error}\n{}", system.log()));
    // A client that does not know of the move yet is refused at once; a silent listener would block it.
    drop(taken);
    create_customer(&system, "after").await;
    assert!(system.stop().await.unwrap().success());
}
