//! What is checked and said before anything runs.

use std::fs;

use crate::desk::{Desk, aggregate};

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
