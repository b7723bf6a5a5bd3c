//! A sidecar whose SQLite file another process still has open: it waits for it, and says so.

use std::process::ExitStatus;
use std::time::Duration;

use angzarr_tests::client::{command, execute, execute_simple, pages, root, sequences};
use angzarr_tests::probe::{Behaviour, Probes};
use angzarr_tests::sidecar::{Place, Process, until};

use crate::PROGRAM;

/// Longer than any test takes.
const LONG: &str = "600s";

/// A sidecar that runs, and the place of the one that follows it.
struct System {
    probes: Probes,
    place: Place,
    process: Process,
    next: Place,
}

impl System {
    async fn start(wait: &str) -> Self {
        let probes = Probes::start().await;
        let place = Place::new(PROGRAM, &probes.components());
        let next = place.successor(wait);
        let process = place.start_ready().await;
        Self {
            probes,
            place,
            process,
            next,
        }
    }

    /// What a sidecar that waits says of the other.
    fn sentence(&self) -> String {
        let store = self.place.folder().join("store.db");
        let (store, holder) = (store.display(), self.process.id());
        format!("the store {store}, which is in use by another process (process {holder} on ")
    }
}

/// Starts the sidecar, and returns once it waits.
async fn start_waiting(next: &Place) -> Process {
    let process = next.start_logged();
    until(async || std::net::TcpStream::connect(("127.0.0.1", next.admin)).is_ok()).await;
    until(async || {
        next.status().await["store"]["reason"]
            .to_string()
            .contains("in use")
    })
    .await;
    process
}

fn said(place: &Place) -> String {
    std::fs::read_to_string(place.folder().join("log")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_waits_for_a_drain_and_loses_nothing_of_it() {
    let System {
        probes,
        place,
        process,
        next,
    } = System::start(LONG).await;
    probes
        .ledger
        .behave(Behaviour::Delays(Duration::from_secs(3)));
    let (channel, late) = (place.channel(), command("Add", root(1), "late"));
    let late = tokio::spawn(execute_simple(channel, late));
    until(async || {
        let stored = pages(place.channel(), "tally", root(1)).await;
        stored.is_ok_and(|stored| stored.len() == 1)
    })
    .await;
    let ending = tokio::spawn(process.terminate());
    let _next = start_waiting(&next).await;
    assert!(late.await.unwrap().is_ok());
    assert!(ending.await.unwrap().success());

    probes.ledger.behave(Behaviour::Takes);
    next.ready().await;
    let more = execute(next.channel(), command("Add", root(1), "more")).await;
    assert_eq!(sequences(&more.unwrap()), [1]);
    let again = execute(next.channel(), command("Add", root(1), "late")).await;
    assert_eq!(sequences(&again.unwrap()), [0]);
    until(async || probes.ledger.count(&root(1)) == 2 && probes.journal.count(&root(1)) == 2).await;
    assert_eq!(probes.ledger.faults(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_sidecar_is_alive_says_for_whom_it_waits_and_follows_a_killed_one() {
    let system = System::start(LONG).await;
    let next = &system.next;
    let _next = start_waiting(next).await;
    let sentence = format!("waits for {}", system.sentence());
    let asked = [
        ("/livez", "200", ""),
        ("/metrics", "200", ""),
        ("/startz", "503", sentence.as_str()),
        ("/readyz", "503", &sentence),
        ("/statusz", "200", &sentence),
        ("/parked?consumer=ledger", "503", &sentence),
    ];
    for (path, code, expected) in asked {
        let answer = next.ask_http("GET", path).await;
        let (status, rest) = answer.split_once("\r\n").unwrap();
        assert!(status.contains(code), "{path}: {answer}");
        assert!(rest.contains(expected), "{path}: {answer}");
    }
    let status = next.status().await;
    assert_eq!(status["store"]["state"], "opening");
    assert_eq!(status["lifecycle"]["phase"], "starting");
    // Whoever would connect now would wait without a reply.
    assert!(!next.is_listening());
    let (listed, answer) = next.ask(&["parked", "list", "--consumer", "ledger"]).await;
    assert!(!listed.success() && answer.contains(&sentence), "{answer}");
    let (listed, answer) = next.ask(&["parked", "list"]).await;
    assert!(!listed.success() && answer.contains(&sentence), "{answer}");

    let log = next.log();
    let waits = log
        .iter()
        .filter(|line| line.to_string().contains("waits for the store"));
    assert_eq!(waits.count(), 1, "{log:?}");
    let holder = format!("process {} on ", system.process.id());
    assert!(said(next).contains(&holder), "{log:?}");

    execute(system.place.channel(), command("Add", root(1), "a"))
        .await
        .unwrap();
    system.process.kill().await;
    next.ready().await;
    assert_eq!(
        pages(next.channel(), "tally", root(1)).await.unwrap().len(),
        1
    );
    let answer = next.ask_http("GET", "/startz").await;
    assert!(answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn a_sidecar_that_waits_in_vain_ends_and_names_the_other() {
    let system = System::start("1s").await;
    let mut next = system.next.start_logged();
    assert_eq!(next.ended().await.code(), Some(1));
    let said = said(&system.next);
    let holder = format!("process {} on ", system.process.id());
    let expected = [
        "is in use by another process",
        &holder,
        "only one may open it",
        "storage.path",
    ];
    let last = said.lines().last().unwrap();
    for expected in expected {
        assert!(last.contains(expected), "{expected}: {said}");
    }
    let added = execute(system.place.channel(), command("Add", root(1), "a")).await;
    assert!(added.is_ok(), "the first continues");
}

#[tokio::test]
async fn a_signal_ends_a_wait_at_once() {
    let system = System::start(LONG).await;
    let next = start_waiting(&system.next).await;
    let ended: ExitStatus = next.terminate().await;
    assert!(ended.success(), "{ended}");
}

#[tokio::test]
async fn a_drain_ends_a_wait_and_the_file_is_left_alone() {
    let system = System::start(LONG).await;
    let next = start_waiting(&system.next).await;
    let (status, said) = system.next.ask(&["drain"]).await;
    assert!(status.success() && said.contains("drained"), "{said}");
    let System { place, process, .. } = &system;
    let added = execute(place.channel(), command("Add", root(1), "a")).await;
    assert!(added.is_ok(), "process {} continues", process.id());
    assert!(next.terminate().await.success());
}
