//! The program that is given to people has no fail points.
//!
//! It looks at the release build, which `ANGZARR_RELEASE` names; `make release-check`, a part of `make test`, builds it and runs this.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says why and ends"
)]

use angzarr_tests::client::{command, execute_simple, root};
use angzarr_tests::probe::Probes;
use angzarr_tests::sidecar::{FAIL_POINTS, Place};

fn program() -> String {
    std::env::var("ANGZARR_RELEASE").expect("ANGZARR_RELEASE names the release build")
}

#[test]
#[ignore = "needs the release build: make release-check"]
fn the_names_of_fail_points_are_not_in_it() {
    let bytes = std::fs::read(program()).unwrap();
    let has = |text: &str| {
        let mut windows = bytes.windows(text.len());
        windows.any(|window| window == text.as_bytes())
    };
    assert!(has("ANGZARR_CONFIG"), "this is the sidecar");
    assert!(!has("ANGZARR_FAIL_POINT"));
    for name in FAIL_POINTS {
        assert!(!has(name), "{name}");
    }
}

#[tokio::test]
#[ignore = "needs the release build: make release-check"]
async fn it_dies_of_no_fail_point() {
    for name in FAIL_POINTS {
        let probes = Probes::start().await;
        let place = Place::new(&program(), &probes.components());
        let process = place.start(Some(format!("{name}:1")));
        place.ready().await;
        let answer = execute_simple(place.channel(), command("Add", root(1), name)).await;
        assert!(answer.is_ok(), "{name}: {answer:?}");
        assert!(process.terminate().await.success(), "{name}");
    }
}
