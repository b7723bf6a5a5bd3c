//! Kills a sidecar between the steps of what people do with parked work.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;

use angzarr_tests::client::{command, execute, root};
use angzarr_tests::crowd::{Crowd, member};
use angzarr_tests::probe::{Behaviour, Probes};
use angzarr_tests::sidecar::{Place, until};

use crate::PROGRAM;

const PARKED: &str = "tally/01010101-0101-0101-0101-010101010101";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_skip_that_was_killed_in_the_middle_is_repeated_without_another_loss() {
    let probes = Probes::start().await;
    probes.ledger.poison(Some(root(1)));
    let place = Place::new(PROGRAM, &probes.components());
    place.route("{\"schemaVersion\":1,\"delivery\":{\"maxAttempts\":2,\"backoffInitial\":\"10ms\",\"backoffMax\":\"20ms\"}}");
    let process = place.start_ready().await;
    for id in ["poison", "one", "two", "three"] {
        let added = execute(place.channel(), command("Add", root(1), id)).await;
        added.unwrap();
    }
    until(async || {
        let listed = place.ask(&["parked", "list"]).await.1;
        listed.contains("tally/") && is_done(&place.status().await)
    })
    .await;
    assert!(process.terminate().await.success());
    probes.ledger.poison(None);

    let words = [
        "parked",
        "skip",
        PARKED,
        "--sequence",
        "0",
        "--consumer",
        "ledger",
    ];
    let mut doomed = place.start(Some("after_progress:1".to_owned()));
    place.ready().await;
    let (status, said) = place.ask(&words).await;
    assert!(!status.success(), "{said}");
    assert_eq!(doomed.ended().await.signal(), Some(9));
    assert_eq!(probes.ledger.faults(), [""; 0]);

    let _process = place.start_ready().await;
    let (status, said) = place.ask(&words).await;
    assert!(status.success(), "{said}");
    // The ledger misses the first event only, and says so at each that follows.
    let delivered = [1, 2, 3]
        .map(|sequence| format!("sequence {sequence} of {:?} came, 0 is missing", root(1)));
    assert_eq!(probes.ledger.faults(), delivered);
}

/// Whether no consumer has anything left to store.
fn is_done(status: &serde_json::Value) -> bool {
    let consumers = status["consumers"].as_array().unwrap();
    let mut sources = consumers
        .iter()
        .flat_map(|consumer| consumer["sources"].as_array().unwrap());
    sources.all(|source| source["cursor"] == 4)
        && consumers.iter().all(|consumer| consumer["outgoing"] == 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skipping_all_roots_in_spite_of_kills_leaves_out_one_append_of_each() {
    const ROOTS: u16 = 150;
    let Crowd {
        probes,
        place,
        process,
        ..
    } = Crowd::park(PROGRAM, ROOTS, 3).await;
    let journal = &probes.journal;
    journal.behave(Behaviour::Takes);
    assert!(process.terminate().await.success());
    let words = ["parked", "skip", "--all", "--yes", "--concurrency", "1"];
    // A root takes a few steps, so that successive places are between different ones of them.
    for place_of_kill in [1, 40, 41, 42, 43] {
        let mut doomed = place.start(Some(format!("after_progress:{place_of_kill}")));
        place.ready().await;
        let (status, said) = place.ask(&words).await;
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("repeat the command"), "{said}");
        assert_eq!(doomed.ended().await.signal(), Some(9));
    }
    let _process = place.start_ready().await;
    let (status, said) = place.ask(&words).await;
    assert!(status.success(), "{said}");
    let (_, said) = place.ask(&["parked", "list"]).await;
    assert_eq!(said, "Nothing is parked.\n");
    // Each root misses its first event, says so at each that follows, and gets each of those.
    let faults: BTreeSet<_> = journal.faults().into_iter().collect();
    let expected = (0..ROOTS).flat_map(|number| {
        let fault = move |sequence| {
            let root = member(number);
            format!("sequence {sequence} of {root:?} came, 0 is missing")
        };
        [1, 2].map(fault)
    });
    assert_eq!(faults, expected.collect());
}
