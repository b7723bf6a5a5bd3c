//! Logic with invalid replies, or none: the client gets a clear error, nothing is stored, and everything else continues.

mod compression;
mod consumers;
mod declarations;
mod raw;
mod scripted;
mod statuses;

use angzarr_proto::v1;
use angzarr_tests::client::{command, cover, execute, pages, root};
use angzarr_tests::probe::{Probes, any};
use angzarr_tests::sidecar::{Place, Process};
use tonic::Code;

use crate::PROGRAM;
const ROUTING: &str = "{\"schemaVersion\":1,\"delivery\":{\"maxAttempts\":2,\"backoffInitial\":\"10ms\",\"backoffMax\":\"50ms\"},\"timeouts\":{\"command\":\"2s\",\"logic\":\"1s\"}}";

/// A sidecar with well-behaved domains and one whose logic is hostile.
struct System {
    place: Place,
    _process: Process,
    probes: Probes,
}

impl System {
    async fn start(hostile: &str) -> Self {
        let probes = Probes::start().await;
        let components = probes.components() + hostile;
        let place = Place::new(PROGRAM, &components);
        place.route(ROUTING);
        let process = place.start(None);
        angzarr_tests::sidecar::until(async || place.is_listening()).await;
        Self {
            place,
            _process: process,
            probes,
        }
    }

    async fn ask(&self, domain: &str, name: &str) -> Result<v1::CommandResponse, tonic::Status> {
        let asked = v1::CommandBook {
            cover: Some(cover(domain, root(1))),
            ..command(name, root(1), &format!("{domain}-{name}"))
        };
        execute(self.place.channel(), asked).await
    }

    async fn stored(&self, domain: &str) -> usize {
        let read = pages(self.place.channel(), domain, root(1)).await;
        read.unwrap().len()
    }

    /// A well-behaved domain still works.
    async fn expect_health(&self, after: &str) {
        let asked = command("Add", root(9), &format!("after-{after}"));
        let answered = execute(self.place.channel(), asked).await;
        assert!(answered.is_ok(), "after {after}: {answered:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_breaks_the_contract_is_reported_and_stores_nothing() {
    let logic = scripted::serve().await;
    let hostile = format!("- {{kind: aggregate, domain: hostile, logic: '127.0.0.1:{logic}'}}\n");
    let system = System::start(&hostile).await;
    system.ask("hostile", "Good").await.unwrap();
    let mut wrong = Vec::new();
    for (name, code, says) in scripted::BREACHES {
        let answer = system.ask("hostile", name).await;
        let is_told = answer.as_ref().is_err_and(|refused| {
            let said = refused.message();
            refused.code() == *code && said.contains(says) && said.len() < 2_000
        });
        if !is_told || system.stored("hostile").await != 1 {
            wrong.push(format!("{name}: {answer:?}"));
        }
        system.expect_health(name).await;
    }
    assert_eq!(wrong, [""; 0]);
}

#[tokio::test]
async fn every_status_of_the_logic_passes_unchanged() {
    let logic = scripted::serve().await;
    let hostile = format!("- {{kind: aggregate, domain: hostile, logic: '127.0.0.1:{logic}'}}\n");
    let system = System::start(&hostile).await;
    // UNIMPLEMENTED says that the logic lacks the rpc, which is no status for the caller.
    for code in (1..=16).filter(|code| *code != 12) {
        let name = format!("Status{code}");
        let refused = system.ask("hostile", &name).await.unwrap_err();
        assert_eq!(refused.code(), Code::from(code), "{refused}");
        assert_eq!(refused.message(), format!("the logic says {code}"));
        assert_eq!(refused.details(), [7, 8, 9]);
    }
    assert_eq!(system.stored("hostile").await, 0);
}

#[tokio::test]
async fn a_reply_may_have_only_a_snapshot_but_not_before_the_first_event() {
    let logic = scripted::serve().await;
    let hostile = format!("- {{kind: aggregate, domain: hostile, logic: '127.0.0.1:{logic}'}}\n");
    let system = System::start(&hostile).await;
    let refused = system.ask("hostile", "SnapshotOnly").await.unwrap_err();
    assert_eq!(refused.code(), Code::Internal, "{refused}");
    assert!(refused.message().contains("snapshot_state"), "{refused}");
    system.ask("hostile", "Good").await.unwrap();
    let again = v1::CommandBook {
        cover: Some(cover("hostile", root(1))),
        ..command("SnapshotOnly", root(1), "again")
    };
    execute(system.place.channel(), again).await.unwrap();
    assert_eq!(system.stored("hostile").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_reply_is_reported_and_stores_nothing() {
    let mut hostile = String::new();
    let mut cases = Vec::new();
    for (name, oddity, code) in raw::oddities() {
        let port = raw::serve(oddity).await;
        hostile += &format!("- {{kind: aggregate, domain: {name}, logic: '127.0.0.1:{port}'}}\n");
        cases.push((name, code));
    }
    let system = System::start(&hostile).await;
    let mut wrong = Vec::new();
    for (domain, code) in cases {
        let answer = system.ask(domain, "Any").await;
        let is_told = answer.as_ref().is_err_and(|refused| refused.code() == code);
        let is_told = is_told && (domain != "brotli" || format!("{answer:?}").contains("gzip"));
        if !is_told || system.stored(domain).await != 0 {
            wrong.push(format!("{domain}: {answer:?}"));
        }
        system.expect_health(domain).await;
    }
    assert_eq!(wrong, [""; 0]);
}

#[tokio::test]
async fn unusual_but_valid_events_are_returned_unchanged() {
    let logic = scripted::serve().await;
    let hostile = format!("- {{kind: aggregate, domain: hostile, logic: '127.0.0.1:{logic}'}}\n");
    let system = System::start(&hostile).await;
    system.ask("hostile", "OddTypes").await.unwrap();
    let read = pages(system.place.channel(), "hostile", root(1)).await;
    let events: Vec<_> = read.unwrap().into_iter().map(|page| page.event).collect();
    let expected = scripted::odd_types().into_iter().map(Some);
    assert_eq!(events, expected.collect::<Vec<_>>());
    assert_ne!(events, [Some(any("Good", Vec::new()))]);
}
