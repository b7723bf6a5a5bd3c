//! G9: a command in mode SIMPLE returns only when the synchronous projectors have handled it, or lists those that have not.

use std::time::{Duration, Instant};

use angzarr_proto::v1;
use angzarr_tests::client::{command, execute, execute_simple, pages, root, sequences};
use angzarr_tests::probe::{Behaviour, Probes, number};
use angzarr_tests::sidecar::{Place, Process, until};
use tonic::Code;

use crate::PROGRAM;

struct System {
    place: Place,
    _process: Process,
    probes: Probes,
}

impl System {
    async fn start() -> Self {
        Self::with_budget("1s").await
    }

    /// Starts it with a timeout of the synchronous stage.
    async fn with_budget(sync: &str) -> Self {
        let probes = Probes::start().await;
        let components = probes.components();
        Self::of(probes, &components, sync).await
    }

    async fn of(probes: Probes, components: &str, sync: &str) -> Self {
        let place = Place::new(PROGRAM, components);
        place.route(&format!(
            "{{\"schemaVersion\":1,\"delivery\":{{\"maxAttempts\":2,\"backoffInitial\":\"10ms\"}},\"timeouts\":{{\"sync\":\"{sync}\"}}}}"
        ));
        let process = place.start_ready().await;
        Self {
            place,
            _process: process,
            probes,
        }
    }

    async fn simple(&self, to: u8, id: &str) -> v1::CommandResponse {
        let asked = command("Add", root(to), id);
        let answer = execute_simple(self.place.channel(), asked).await;
        answer.unwrap()
    }
}

/// The result of the only synchronous projector in a response: the number in its projection, or its error.
fn projection_of(response: &v1::CommandResponse) -> Result<u64, v1::ReactionError> {
    let receipt = response.receipt.as_ref().unwrap();
    match (&response.projections[..], &response.reaction_errors[..]) {
        ([projection], []) => {
            assert_eq!(receipt.consumers_reached, ["ledger"]);
            let correlation = |cover: &Option<v1::Cover>| cover.clone().unwrap().correlation_id;
            let events = response.events.as_ref().unwrap();
            assert_eq!(correlation(&projection.cover), correlation(&events.cover));
            Ok(number(projection.projection.as_ref().unwrap()))
        }
        ([], [error]) => {
            assert_eq!(receipt.consumers_reached, [""; 0]);
            assert_eq!(error.component, "ledger");
            Err(error.clone())
        }
        other => panic!("either a projection or an error: {other:?}"),
    }
}

#[tokio::test]
async fn a_slow_projector_is_waited_for() {
    let system = System::start().await;
    let delay = Duration::from_millis(300);
    system.probes.ledger.behave(Behaviour::Delays(delay));
    let began = Instant::now();
    let answer = system.simple(1, "a").await;
    assert_eq!(projection_of(&answer), Ok(1));
    assert!(began.elapsed() >= delay);
    assert_eq!(system.probes.ledger.count(&root(1)), 1);
}

#[tokio::test]
async fn a_failing_projector_is_named_and_the_events_stay() {
    let system = System::start().await;
    system.probes.ledger.poison(Some(root(1)));
    for id in ["a", "a", "b", "c"] {
        let error = projection_of(&system.simple(1, id).await).unwrap_err();
        // What follows the append that failed is not delivered.
        assert_eq!(error.not_reached, id != "a", "{error:?}");
        assert!(
            error.message.contains("does not take this root"),
            "{error:?}"
        );
        if id == "a" {
            assert_eq!(error.code, Code::FailedPrecondition as i32);
        }
    }
    assert_eq!(projection_of(&system.simple(2, "d").await), Ok(1));
    let read = pages(system.place.channel(), "tally", root(1)).await;
    assert_eq!(read.unwrap().len(), 3);
}

#[tokio::test]
async fn a_projector_that_hangs_is_named_when_the_time_is_over() {
    let system = System::start().await;
    system.probes.ledger.behave(Behaviour::Hangs);
    let began = Instant::now();
    let answer = system.simple(1, "a").await;
    let error = projection_of(&answer).unwrap_err();
    assert!(error.not_reached, "{error:?}");
    assert_eq!(error.code, Code::DeadlineExceeded as i32);
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(1), "{took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(sequences(&answer), [0]);
}

#[tokio::test]
async fn an_append_that_the_subscription_delivered_is_not_waited_for() {
    let system = System::start().await;
    for to in 1..=5 {
        let id = format!("command-{to}");
        execute(system.place.channel(), command("Add", root(to), &id))
            .await
            .unwrap();
        until(async || system.probes.ledger.count(&root(to)) == 1).await;
        // The repeat runs the synchronous stage, for an append that was delivered long ago.
        let answer = system.simple(to, &id).await;
        assert!(answer.receipt.as_ref().unwrap().replayed);
        assert_eq!(projection_of(&answer), Ok(1));
    }
    assert_eq!(system.probes.ledger.faults(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_reply_has_a_projection_that_includes_its_command() {
    let system = System::with_budget("20s").await;
    let writers = (0..16).map(async |writer| {
        for turn in 0..10 {
            let answer = system.simple(writer % 2, &format!("{writer}-{turn}")).await;
            let last = *sequences(&answer).last().unwrap();
            let projected = projection_of(&answer).unwrap();
            assert!(projected > u64::from(last), "{projected} after {last}");
        }
    });
    futures::future::join_all(writers).await;
    for to in 0..2 {
        assert_eq!(system.probes.ledger.count(&root(to)), 80);
    }
    assert_eq!(system.probes.ledger.faults(), [""; 0]);
}

#[tokio::test]
async fn a_projection_that_does_not_fit_into_the_response_is_named_and_the_events_stay() {
    let probes = Probes::start().await;
    let components = probes.components().replace("mode: async", "mode: sync");
    let system = System::of(probes, &components, "20s").await;
    let inflated = Behaviour::Inflates(12 << 20);
    system.probes.ledger.behave(inflated.clone());
    system.probes.journal.behave(inflated);
    let answer = system.simple(1, "a").await;
    assert_eq!(sequences(&answer), [0]);
    let receipt = answer.receipt.unwrap();
    assert_eq!(receipt.consumers_reached, ["journal", "ledger"]);
    assert_eq!(answer.projections.len(), 1);
    let [error] = &answer.reaction_errors[..] else {
        panic!("one does not fit: {:?}", answer.reaction_errors)
    };
    assert_eq!(error.code, Code::ResourceExhausted as i32);
    assert!(!error.not_reached, "{error:?}");
    assert_eq!(error.component, "ledger", "{error:?}");
}
