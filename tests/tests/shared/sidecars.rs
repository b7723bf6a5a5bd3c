//! Several sidecars on one database: each serves everything, each consumer is active in only one of them.

use std::collections::BTreeSet;
use std::time::Instant;

use angzarr_servers::postgres::{Database, Server};
use angzarr_tests::client::{command, execute, execute_simple, pages, root, sequences};
use angzarr_tests::probe::{Behaviour, Probes, aggregates};
use angzarr_tests::proxy::{Mode, Proxy};
use angzarr_tests::sidecar::{Place, Process, until};
use angzarr_tests::soak::guarantees::parked_roots;
use angzarr_tests::soak::reader::Reader;
use rustix::process::Signal;
use tokio::task::JoinSet;
use tonic::Code;

use crate::PROGRAM;
/// A short lease, so that a takeover is fast.
const ROUTING: &str = "{\"schemaVersion\":1,\"timeouts\":{\"lease\":\"2s\"},\"delivery\":{\"backoffInitial\":\"10ms\",\"backoffMax\":\"100ms\"}}";

/// Identical sidecars on one database.
struct Fleet {
    database: Database,
    places: Vec<Place>,
    running: Vec<Process>,
}

impl Fleet {
    async fn start(size: usize, components: &str) -> Self {
        let database = Server::shared().await.database().await;
        let mut fleet = Self {
            database,
            places: Vec::new(),
            running: Vec::new(),
        };
        for _ in 0..size {
            let place = Place::over(PROGRAM, &fleet.database.url(), components);
            place.route(ROUTING);
            fleet.running.push(place.start_ready().await);
            fleet.places.push(place);
        }
        fleet
    }

    /// The sidecar in which a consumer is active, among the given ones.
    async fn holder(&self, consumer: &str, of: &[usize]) -> Option<usize> {
        for index in of {
            let status = self.places[*index].status().await;
            let consumers = status["consumers"].as_array().unwrap();
            let found = consumers.iter().find(|found| found["name"] == consumer);
            if found.unwrap()["holder"] == "here" {
                return Some(*index);
            }
        }
        None
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_with_any_text_parks_its_root_and_nothing_else() {
    let probes = Probes::start().await;
    let mut fleet = Fleet::start(1, &probes.components()).await;
    let place = &fleet.places[0];
    let long = "x".repeat(3_000);
    let texts = ["a\0b", "line\nand\r\u{1b}[31m", "\u{202e}\u{fffe}", &long];
    for (number, text) in (1..).zip(texts) {
        let refuses = Behaviour::RefusesWith(root(number), text.to_owned());
        probes.ledger.behave(refuses);
        execute(place.channel(), command("Add", root(number), "a"))
            .await
            .unwrap();
        until(async || parked_roots(place, "ledger").await == u64::from(number)).await;
    }
    probes.ledger.behave(Behaviour::Takes);
    let (status, said) = place.ask(&["parked", "list", "--consumer", "ledger"]).await;
    assert!(status.success() && said.contains("a\u{fffd}b"), "{said}");
    execute(place.channel(), command("Add", root(9), "a"))
        .await
        .unwrap();
    until(async || probes.ledger.count(&root(9)) == 1).await;
    assert!(fleet.running.remove(0).terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_replica_serves_commands_queries_and_subscriptions() {
    let probes = Probes::start().await;
    let fleet = Fleet::start(2, &aggregates(probes.port)).await;
    let [one, other] = &fleet.places[..] else {
        unreachable!("there are two")
    };
    let readers = [one, other].map(|place| Reader::new(place.channel(), "tally"));
    let reading = readers.clone().map(|reader| tokio::spawn(reader.run()));
    for turn in 0..10_u32 {
        let (writer, reader) = if turn % 2 == 0 {
            (one, other)
        } else {
            (other, one)
        };
        let book = command("Add", root(1), &format!("command-{turn}"));
        let answer = execute(writer.channel(), book.clone()).await.unwrap();
        assert_eq!(sequences(&answer), [turn]);
        let read = pages(reader.channel(), "tally", root(1)).await.unwrap();
        assert_eq!(read.len(), turn as usize + 1, "a write is read everywhere");
        let again = execute(reader.channel(), book).await.unwrap();
        assert_eq!(sequences(&again), [turn]);
        assert!(again.receipt.unwrap().replayed, "an id is known everywhere");
    }
    until(async || readers.iter().all(|reader| reader.is_at(10))).await;
    assert_eq!(readers[0].appends(), readers[1].appends());
    for task in reading {
        task.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_writers_of_one_root_through_three_sidecars_are_linearizable() {
    let probes = Probes::start().await;
    let fleet = Fleet::start(3, &aggregates(probes.port)).await;
    let mut writers = JoinSet::new();
    for writer in 0..64 {
        let channel = fleet.places[writer % 3].channel();
        writers.spawn(async move {
            let mut mine = Vec::new();
            for turn in 0..10 {
                let book = command("Add", root(1), &format!("{writer}-{turn}"));
                let began = Instant::now();
                let answer = loop {
                    match execute(channel.clone(), book.clone()).await {
                        // Other writers were faster too often; nothing was stored.
                        Err(status) if status.code() == Code::Aborted => {}
                        answer => break answer.unwrap(),
                    }
                };
                mine.push((sequences(&answer)[0], began, Instant::now()));
            }
            mine
        });
    }
    let mut all = Vec::new();
    while let Some(mine) = writers.join_next().await {
        all.extend(mine.unwrap());
    }
    all.sort_by_key(|(sequence, _, _)| *sequence);
    let given: BTreeSet<_> = all.iter().map(|(sequence, _, _)| *sequence).collect();
    assert_eq!(given, (0..640).collect(), "each sequence was given once");
    let mut latest_start = all[0].1;
    for (sequence, began, ended) in &all {
        assert!(
            *ended >= latest_start,
            "{sequence} is after a command that began later"
        );
        latest_start = latest_start.max(*began);
    }
    // The logic checks every history that it gets, so a wrong one would have been refused.
    let read = pages(fleet.places[0].channel(), "tally", root(1)).await;
    assert_eq!(read.unwrap().len(), 640);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_is_active_in_one_replica_and_the_others_forward_calls() {
    let probes = Probes::start().await;
    let mut fleet = Fleet::start(2, &probes.components()).await;
    let holder = fleet.holder("ledger", &[0, 1]).await.unwrap();
    let other = 1 - holder;
    assert_eq!(fleet.holder("ledger", &[other]).await, None, "one acts");
    for (turn, place) in [holder, other, holder, other].into_iter().enumerate() {
        let book = command("Add", root(1), &format!("command-{turn}"));
        let answer = execute_simple(fleet.places[place].channel(), book).await;
        let answer = answer.unwrap();
        assert_eq!(answer.reaction_errors, [], "the projector was reached");
        assert_eq!(answer.projections[0].sequence as usize, turn);
    }
    fleet.running.remove(holder).kill().await;
    until(async || fleet.holder("ledger", &[other]).await.is_some()).await;
    let book = command("Add", root(1), "after the takeover");
    execute(fleet.places[other].channel(), book).await.unwrap();
    until(async || probes.ledger.tally(&root(1)).count == 5).await;
    assert_eq!(probes.ledger.faults(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_was_paused_past_its_lease_cannot_write_afterwards() {
    let probes = Probes::start().await;
    let fleet = Fleet::start(2, &probes.components()).await;
    let until_holder = async |consumer: &str, index: usize| {
        until(async || fleet.holder(consumer, &[index]).await.is_some()).await;
    };
    let first = fleet.holder("mirror", &[0, 1]).await.unwrap();
    let second = 1 - first;
    for turn in 0..20 {
        let to = root(turn % 5);
        let book = command("Add", to, &format!("before-{turn}"));
        execute(fleet.places[second].channel(), book).await.unwrap();
    }
    // Its work on these appends stops with it.
    fleet.running[first].signal(Signal::STOP);
    until_holder("mirror", second).await;
    for turn in 0..20 {
        let to = root(turn % 5);
        let book = command("Add", to, &format!("after-{turn}"));
        execute(fleet.places[second].channel(), book).await.unwrap();
    }
    let mirrored = async || {
        let mut lengths = Vec::new();
        for number in 0..5 {
            let read = pages(fleet.places[second].channel(), "mirror", root(number)).await;
            lengths.push(read.unwrap().len());
        }
        lengths
    };
    until(async || mirrored().await == [8; 5]).await;
    until(async || is_done(&fleet.places[second], 40).await).await;
    let progress = progress(&fleet.database).await;
    fleet.running[first].signal(Signal::CONT);
    until(async || {
        let status = fleet.places[first].status().await;
        let consumers = status["consumers"].as_array().unwrap();
        consumers.iter().all(|found| found["holder"] == "elsewhere")
    })
    .await;
    assert_eq!(
        self::progress(&fleet.database).await,
        progress,
        "it wrote nothing"
    );
    assert_eq!(mirrored().await, [8; 5]);
    assert_eq!(probes.ledger.faults(), [""; 0]);
}

/// Whether every active consumer of a sidecar has handled all events up to a position and has nothing left to send.
async fn is_done(place: &Place, position: u64) -> bool {
    let status = place.status().await;
    let consumers = status["consumers"].as_array().unwrap();
    consumers.iter().all(|consumer| {
        let mut sources = consumer["sources"].as_array().unwrap().iter();
        consumer["outgoing"] == 0 && sources.all(|source| source["cursor"] == position)
    })
}

/// All rows of the progress of consumers, except the expiry of leases.
async fn progress(database: &Database) -> Vec<String> {
    let mut conn = database.connect().await;
    let rows = sqlx::query_scalar(
        "SELECT r::text FROM angzarr.roots r UNION ALL SELECT s::text FROM angzarr.sources s UNION ALL SELECT o::text FROM angzarr.outgoing o
         UNION ALL SELECT name || epoch FROM angzarr.leases ORDER BY 1",
    );
    rows.fetch_all(&mut conn).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sidecars_with_one_service_endpoint_do_not_steal_leases_and_one_names_the_setting() {
    let probes = Probes::start().await;
    let database = Server::shared().await.database().await;
    let mut fleet = Fleet {
        database,
        places: Vec::new(),
        running: Vec::new(),
    };
    for _ in 0..2 {
        let place = Place::over(PROGRAM, &fleet.database.url(), &probes.components());
        place.route(ROUTING);
        let endpoint = fleet.places.first().unwrap_or(&place).grpc;
        let endpoint = format!("http://127.0.0.1:{endpoint}").into();
        let running = place.start_with([("ANGZARR_SERVICE_ENDPOINT", endpoint)]);
        fleet.running.push(running);
        place.ready().await;
        fleet.places.push(place);
    }
    // The second takes them once, as a restarted process would.
    let unready = async || fleet.places[0].ask_http("GET", "/readyz").await;
    until(async || unready().await.contains("ANGZARR_SERVICE_ENDPOINT")).await;
    let epochs = async || {
        let mut other = fleet.database.connect().await;
        let read = "SELECT name || epoch FROM angzarr.leases ORDER BY 1";
        let epochs: Vec<String> = sqlx::query_scalar(read)
            .fetch_all(&mut other)
            .await
            .unwrap();
        epochs
    };
    let before = epochs().await;
    // Commands through both still reach the consumers, which act in one.
    for (place, to) in fleet.places.iter().zip(1..) {
        let asked = command("Add", root(to), &format!("twin-{to}"));
        execute(place.channel(), asked).await.unwrap();
        until(async || probes.journal.count(&root(to)) == 1).await;
    }
    assert!(unready().await.contains("ANGZARR_SERVICE_ENDPOINT"));
    assert_eq!(epochs().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_answer_is_told_and_the_sidecar_stays_ready() {
    let probes = Probes::start().await;
    let database = Server::shared().await.database().await;
    let mut url: url::Url = database.url().parse().unwrap();
    let proxy = Proxy::start(url.port().unwrap()).await;
    url.set_port(Some(proxy.port)).unwrap();
    let place = Place::over(PROGRAM, url.as_str(), &probes.components());
    place.route(ROUTING);
    let _process = place.start_ready().await;
    let store = async || place.status().await["store"].clone();
    let gauge = async || {
        let metrics = place.ask_http("GET", "/metrics").await;
        let mut lines = metrics.lines();
        let line = lines.find(|line| line.starts_with("angzarr_store_reachable"));
        line.unwrap().rsplit(' ').next().unwrap().to_owned()
    };
    until(async || store().await["state"] == "reachable").await;
    assert_eq!(gauge().await, "1");
    for mode in [Mode::Cuts, Mode::Swallows] {
        proxy.set(mode);
        until(async || store().await["state"] == "unreachable").await;
        assert!(store().await["reason"].is_string(), "{mode:?}");
        assert_eq!(gauge().await, "0");
        let ready = place.ask_http("GET", "/readyz").await;
        assert!(ready.starts_with("HTTP/1.0 200"), "{ready}");
        proxy.set(Mode::Passes);
        until(async || store().await["state"] == "reachable").await;
    }
}
