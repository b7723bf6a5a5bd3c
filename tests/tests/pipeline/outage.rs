//! G7 with logic in a separate process: long outages park nothing, and an event that kills its logic stops only its own root.

use std::time::Duration;

use angzarr_tests::client::{command, execute, execute_simple, pages, root};
use angzarr_tests::logic;
use angzarr_tests::probe::{Probes, aggregates, consumers, number};
use angzarr_tests::sidecar::{Place, Process, always, free_port, until};
use angzarr_tests::soak::guarantees::parked_roots;
use rustix::process::Signal;
use tonic::Code;

use crate::PROGRAM;
const LOGIC: &str = env!("CARGO_BIN_EXE_logic-under-test");
const ROOTS: u8 = 20;
const CONSUMERS: [&str; 3] = ["ledger", "journal", "mirror"];

/// A sidecar whose aggregates have their logic, and whose consumers have logic that starts and stops.
struct System {
    place: Place,
    _process: Process,
    _probes: Probes,
    logic: u16,
}

impl System {
    async fn start() -> Self {
        let probes = Probes::start().await;
        let logic = free_port();
        let components = aggregates(probes.port) + &consumers(logic);
        let place = Place::new(PROGRAM, &components);
        place.route(
            "{\"schemaVersion\":1,\"delivery\":{\"maxAttempts\":3,\"backoffInitial\":\"5ms\",\"backoffMax\":\"50ms\"}}",
        );
        let process = place.start(None);
        Self {
            place,
            _process: process,
            _probes: probes,
            logic,
        }
    }

    async fn add(&self, number: u8, id: &str) {
        let added = execute(self.place.channel(), command("Add", root(number), id)).await;
        added.unwrap();
    }

    async fn mirrored(&self, number: u8) -> usize {
        let read = pages(self.place.channel(), "mirror", root(number)).await;
        read.unwrap().len()
    }

    async fn parked(&self) -> [u64; 3] {
        let mut parked = [0; 3];
        for (count, consumer) in parked.iter_mut().zip(CONSUMERS) {
            *count = parked_roots(&self.place, consumer).await;
        }
        parked
    }

    /// Whether every source of every consumer waits.
    async fn is_paused(&self) -> bool {
        let status = self.place.status().await;
        let consumers = status["consumers"].as_array().unwrap();
        consumers
            .iter()
            .all(|consumer| consumer["sources"][0]["state"] == "paused")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_with_a_long_outage_of_their_logic_lose_and_park_nothing() {
    let system = System::start().await;
    until(async || system.place.is_listening()).await;
    for number in 0..ROOTS {
        for turn in 0..2 {
            system.add(number, &format!("{number}-{turn}")).await;
        }
    }
    until(async || system.is_paused().await).await;
    // Many times the longest pause, and far more tries than the allowed attempts.
    always(Duration::from_secs(3), async || {
        system.parked().await == [0, 0, 0]
    })
    .await;
    let _logic = logic::start(LOGIC, system.logic).await;
    for number in 0..ROOTS {
        until(async || system.mirrored(number).await == 2).await;
    }
    assert_eq!(system.parked().await, [0, 0, 0]);
    for to in 0..ROOTS {
        let asked = command("Add", root(to), "last");
        let answer = execute_simple(system.place.channel(), asked).await.unwrap();
        assert_eq!(answer.reaction_errors, []);
        let projected = answer.projections[0].projection.as_ref().unwrap();
        assert_eq!(number(projected), 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logic_that_is_killed_again_and_again_loses_nothing_of_a_saga() {
    let system = System::start().await;
    until(async || system.place.is_listening()).await;
    for round in 0..5 {
        let logic = logic::start(LOGIC, system.logic).await;
        for number in 0..ROOTS {
            system.add(number, &format!("{number}-{round}")).await;
        }
        let before = round;
        until(async || system.mirrored(0).await > before).await;
        logic.kill().await;
    }
    let _logic = logic::start(LOGIC, system.logic).await;
    for number in 0..ROOTS {
        until(async || system.mirrored(number).await == 5).await;
    }
    assert_eq!(parked_roots(&system.place, "mirror").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_kills_its_logic_stops_only_its_own_root() {
    const DEADLY: u8 = 7;
    let system = System::start().await;
    until(async || system.place.is_listening()).await;
    for number in 0..ROOTS {
        system.add(number, &format!("{number}")).await;
    }
    let others_go_on = async {
        until(async || system.parked().await == [1, 0, 0]).await;
        for number in 0..ROOTS {
            until(async || system.mirrored(number).await == 1).await;
        }
    };
    tokio::select! {
        () = others_go_on => {}
        () = logic::keep_running(LOGIC, system.logic, DEADLY) => {}
    }
    let (_, said) = system.place.ask(&["parked", "list"]).await;
    assert!(said.contains(&"07".repeat(4)), "{said}");
}

#[tokio::test]
async fn an_aggregate_whose_logic_dies_in_a_call_replies_and_continues_when_it_is_back() {
    let port = free_port();
    let place = Place::new(PROGRAM, &aggregates(port));
    let mut logic = logic::start(LOGIC, port).await;
    let _process = place.start_ready().await;
    let asked = command("Abort", root(1), "abort");
    let refused = execute(place.channel(), asked).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    logic.ended().await;
    let asked = command("Add", root(1), "away");
    let refused = execute(place.channel(), asked).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(refused.message().contains("logic"), "{refused}");
    let _logic = logic::start(LOGIC, port).await;
    until(async || {
        let asked = command("Add", root(1), "back");
        execute(place.channel(), asked).await.is_ok()
    })
    .await;
    let read = pages(place.channel(), "tally", root(1)).await.unwrap();
    assert_eq!(read.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logic_that_hangs_shows_in_readiness_status_metric_and_log_and_the_client_is_told() {
    let port = free_port();
    let place = Place::new(PROGRAM, &(aggregates(port) + &consumers(port)));
    place.route("{\"schemaVersion\":1,\"timeouts\":{\"command\":\"1s\",\"logic\":\"1s\"}}");
    let logic = logic::start(LOGIC, port).await;
    let _process = place.start_logged();
    until(async || place.is_listening()).await;
    place.ready().await;
    let reachable = async |value: u8| {
        let line =
            format!("angzarr_logic_reachable{{component=\"tally\",kind=\"aggregate\"}} {value}");
        place.ask_http("GET", "/metrics").await.contains(&line)
    };
    until(async || reachable(1).await).await;

    logic.signal(Signal::STOP);
    for _ in 0..3 {
        let asked = command("Add", root(1), "hung");
        let refused = execute(place.channel(), asked).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
        let says = "nothing was stored, and a repeat with the same command id is safe";
        assert!(refused.message().contains(says), "{refused}");
    }
    let told = || {
        let log = place.log().into_iter();
        let told = log.filter(|line| line["command_id"] == "hung");
        told.collect::<Vec<_>>()
    };
    until(async || !told().is_empty()).await;
    assert_eq!(told().len(), 1, "{:?}", place.log());
    assert_eq!(told()[0]["domain"], "tally");
    assert!(told()[0]["root"].is_string());
    for says in [
        "the logic of aggregate tally does not answer",
        "the logic of projector ledger does not answer",
    ] {
        until(async || place.ask_http("GET", "/readyz").await.contains(says)).await;
    }
    let status = place.status().await;
    assert_eq!(status["components"][0]["logic"], "unreachable");
    assert!(reachable(0).await);

    logic.signal(Signal::CONT);
    until(async || reachable(1).await).await;
    let asked = command("Add", root(1), "hung");
    execute(place.channel(), asked).await.unwrap();
    let read = pages(place.channel(), "tally", root(1)).await.unwrap();
    assert_eq!(read.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_whose_source_is_routed_to_nobody_says_so_although_its_connection_stands() {
    let probes = Probes::start().await;
    let owner = Place::new(PROGRAM, &aggregates(probes.port));
    let _owner = owner.start_ready().await;
    let reader = Place::new(PROGRAM, &consumers(probes.port));
    let _reader = reader.start(None);
    until(async || reader.is_listening()).await;
    let unready = "cannot read its sources: tally is paused: reach the source: ";
    until(async || reader.ask_http("GET", "/readyz").await.contains(unready)).await;
    reader.route_to(&owner);
    reader.ready().await;
    let sources = async || {
        let status = reader.status().await;
        let consumers = status["consumers"].as_array().unwrap().clone();
        let sources = consumers.into_iter().map(|it| it["sources"][0].clone());
        sources.collect::<Vec<_>>()
    };
    until(async || sources().await.iter().all(|it| it["state"] == "live")).await;

    let nobody = free_port();
    reader.route(&format!(
        "{{\"schemaVersion\":1,\"owners\":{{\"tally\":[\"http://127.0.0.1:{nobody}\"]}}}}"
    ));
    let is_told = |source: &serde_json::Value| {
        let reason = source["reason"].as_str().unwrap_or_default();
        source["state"] == "paused" && reason.contains("reach the source")
    };
    until(async || sources().await.iter().all(is_told)).await;

    reader.route_to(&owner);
    until(async || sources().await.iter().all(|it| it["state"] == "live")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_cannot_be_reached_shows_before_there_is_anything_to_send() {
    let probes = Probes::start().await;
    let owner = Place::new(PROGRAM, &aggregates(probes.port));
    let running = owner.start_ready().await;
    let saga = Place::new(PROGRAM, &consumers(probes.port));
    saga.route_to(&owner);
    let _saga = saga.start_ready().await;
    let target = async || saga.status().await["targets"][0].clone();
    let becomes = async |state: &str| until(async || target().await["state"] == state).await;
    becomes("reachable").await;
    assert_eq!(target().await["domain"], "tally");
    running.signal(Signal::STOP);
    becomes("unreachable").await;
    assert_eq!(target().await["reason"], "no answer in 2s");
    running.signal(Signal::CONT);
    becomes("reachable").await;
    running.kill().await;
    becomes("unreachable").await;
    let _running = owner.start_ready().await;
    becomes("reachable").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saga_whose_target_is_routed_to_nobody_says_so_and_sends_when_it_is_back() {
    let probes = Probes::start().await;
    let owner = Place::new(PROGRAM, &aggregates(probes.port));
    let _owner = owner.start_ready().await;
    let saga = Place::new(PROGRAM, &consumers(probes.port));
    let route = |mirror: u16| {
        let owners = [
            ("tally", owner.grpc),
            ("notes", owner.grpc),
            ("mirror", mirror),
        ];
        let owners = owners.map(|(domain, at)| format!("\"{domain}\":[\"http://127.0.0.1:{at}\"]"));
        let owners = owners.join(",");
        saga.route(&format!("{{\"schemaVersion\":1,\"owners\":{{{owners}}}}}"));
    };
    route(free_port());
    let _saga = saga.start_ready().await;
    let added = execute(owner.channel(), command("Add", root(1), "first")).await;
    added.unwrap();
    let waits = async || {
        let status = saga.status().await;
        let consumers = status["consumers"].as_array().unwrap().clone();
        let mirror = consumers.into_iter().find(|it| it["name"] == "mirror");
        mirror.unwrap()["outgoingWaits"].clone()
    };
    until(async || {
        let waits = waits().await;
        waits
            .as_str()
            .is_some_and(|it| it.starts_with("mirror (1 waiting): "))
    })
    .await;
    route(owner.grpc);
    until(async || waits().await.is_null()).await;
    let mirrored = pages(owner.channel(), "mirror", root(1)).await;
    assert_eq!(mirrored.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_much_a_saga_may_leave_unsent_follows_the_routing_while_it_runs() {
    let probes = Probes::start().await;
    let owner = Place::new(PROGRAM, &aggregates(probes.port));
    let _owner = owner.start_ready().await;
    let saga = Place::new(PROGRAM, &consumers(probes.port));
    let route = |waiting: u32| {
        let at = owner.grpc;
        saga.route(&format!(
            "{{\"schemaVersion\":1,\"owners\":{{\"tally\":[\"http://127.0.0.1:{at}\"]}},\"outgoing\":{{\"waiting\":{waiting}}}}}"
        ));
    };
    route(2);
    let _saga = saga.start_ready().await;
    let source = async || {
        let status = saga.status().await;
        let consumers = status["consumers"].as_array().unwrap().clone();
        let mirror = consumers.into_iter().find(|it| it["name"] == "mirror");
        mirror.unwrap()["sources"][0].clone()
    };
    // Each event causes a command and a fact, and no route leads to their domains.
    let added = execute(owner.channel(), command("Add", root(1), "first")).await;
    added.unwrap();
    until(async || source().await["state"] == "paused").await;
    let reason = source().await["reason"].to_string();
    assert!(reason.contains("are to be sent: mirror"), "{reason}");
    route(100);
    until(async || source().await["state"] == "live").await;
    route(1);
    until(async || source().await["state"] == "paused").await;
}
