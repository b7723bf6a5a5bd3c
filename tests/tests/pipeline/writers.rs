//! Many concurrent writers of one root within a process, and writers with a consumer that cannot keep up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use angzarr_config::routing::Limits;
use angzarr_coordinator::budget::Budget;
use angzarr_coordinator::command::{Error, Executor, Ports, Settings};
use angzarr_coordinator::feed::Heads;
use angzarr_coordinator::histories::Histories;
use angzarr_coordinator::model::{
    Command, CommandId, CorrelationId, Decision, DecisionPage, Domain, Edition, Executed, History,
    MergeStrategy, Payload, Position, Root, Sequence, SnapshotVersion, StreamId,
};
use angzarr_coordinator::port::clock::SystemClock;
use angzarr_coordinator::port::log::{Log, PartitionRead};
use angzarr_coordinator::port::logic::{self, AggregateLogic};
use angzarr_coordinator::port::observer::NoObserver;
use angzarr_coordinator::write_queue::WriteQueue;
use angzarr_servers::postgres::Server;
use angzarr_sidecar::aggregates::decode_limits;
use angzarr_stores::sqlite::SqliteStore;
use angzarr_tests::client::{command, execute, root};
use angzarr_tests::probe::{Behaviour, Probes, Tally};
use angzarr_tests::sidecar::Place;
use angzarr_tests::soak::history::{
    Attempted, History as Seen, Outcome, Placed, unexplained_in_log, unexplained_in_streams,
};
use async_trait::async_trait;
use futures::future::join_all;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::PROGRAM;
const WRITERS: usize = 64;
const TURNS: usize = 12;

/// Adds one, from the whole history that it checks.
struct Adding;

#[async_trait]
impl AggregateLogic for Adding {
    async fn handle(
        &self,
        history: History,
        command: &Command,
        _: Duration,
    ) -> Result<Decision, logic::Error> {
        let mut tally = Tally::default();
        for event in &history.events {
            let taken = tally.take(&any(&event.payload));
            taken.map_err(logic::Error::Contract)?;
        }
        let event = tally.add(command.id.as_str().as_bytes());
        Ok(Decision {
            pages: vec![DecisionPage {
                sequence: None,
                created_at: None,
                payload: Some(Payload {
                    type_url: event.type_url,
                    value: event.value.into(),
                }),
            }],
            ..Decision::default()
        })
    }

    async fn probe(&self) -> Result<(), logic::Error> {
        Ok(())
    }
}

fn any(payload: &Payload) -> prost_types::Any {
    prost_types::Any {
        type_url: payload.type_url.clone(),
        value: payload.value.to_vec(),
    }
}

fn stream() -> StreamId {
    StreamId {
        domain: Domain::parse("tally").unwrap(),
        edition: Edition::Main,
        root: Root::from_bytes(&[1; 16]).unwrap(),
    }
}

fn add(id: &str) -> Command {
    Command {
        stream: stream(),
        id: CommandId::parse(id).unwrap(),
        correlation_id: CorrelationId::parse("w").unwrap(),
        expected: Sequence::FIRST,
        merge_strategy: MergeStrategy::AggregateHandles,
        pages: vec![Payload {
            type_url: "type.googleapis.com/probe.v1.Add".to_owned(),
            value: Vec::new().into(),
        }],
        origin: None,
        trace_parent: None,
    }
}

/// An executor with turns of its own, so that it races those beside it as another sidecar would.
fn executor(store: &Arc<SqliteStore>, writes: &WriteQueue) -> Executor {
    let settings = Settings {
        domain: stream().domain,
        snapshot_version: SnapshotVersion(0),
        limits: decode_limits(&Limits::default()),
    };
    let ports = Ports {
        log: store.clone(),
        writes: writes.clone(),
        logic: Arc::new(Adding),
        clock: Arc::new(SystemClock),
        observer: Arc::new(NoObserver),
        histories: Histories::new(Budget::new(64 << 20)),
    };
    Executor::new(settings, ports)
}

/// Executes a command until no other one is faster.
async fn insist(executor: &Executor, id: &str) -> Executed {
    loop {
        let deadline = Instant::now() + Duration::from_secs(60);
        match executor.execute(add(id), deadline).await {
            Err(Error::Contended { .. }) => {}
            executed => return executed.unwrap(),
        }
    }
}

async fn write(executor: Arc<Executor>, writer: usize) -> Seen {
    let mut seen = Seen::default();
    for turn in 0..TURNS {
        let id = format!("{writer}-{turn}");
        let began = std::time::Instant::now();
        let append = insist(&executor, &id).await.append;
        seen.commands.push(Attempted {
            root: 1,
            id,
            events: 1,
            began,
            ended: std::time::Instant::now(),
            outcome: Outcome::Acknowledged {
                sequences: vec![append.first_sequence.0],
                position: append.last_position.0,
            },
        });
    }
    seen
}

/// The place of each command in the log.
async fn placed(log: &dyn Log) -> BTreeMap<String, Placed> {
    let read = PartitionRead {
        domain: stream().domain,
        after: Position::ORIGIN,
        limit: usize::MAX,
    };
    let page = log.read_partition(read).await.unwrap();
    let placed = page.appends.into_iter().map(|append| {
        let placed = Placed {
            root: 1,
            first: append.first_sequence.0,
            events: append.events.len(),
            position: append.last_position.0,
        };
        (append.command_id.unwrap().to_string(), placed)
    });
    placed.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_writers_of_one_root_that_race_in_one_store_are_linearizable() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("store.db")).unwrap();
    let (writes, _task) =
        WriteQueue::start(store.clone(), Heads::default(), CancellationToken::new());
    let executors: Vec<_> = (0..4)
        .map(|_| Arc::new(executor(&store, &writes)))
        .collect();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let executor = Arc::clone(&executors[writer % executors.len()]);
        writers.spawn(write(executor, writer));
    }
    let mut seen = Seen::default();
    while let Some(one) = writers.join_next().await {
        seen.extend(one.unwrap());
    }
    let log = placed(&*store).await;
    assert_eq!(log.len(), WRITERS * TURNS);
    for command in &seen.commands {
        let Outcome::Acknowledged {
            sequences,
            position,
        } = &command.outcome
        else {
            panic!("all are acknowledged");
        };
        let there = &log[&command.id];
        assert_eq!((there.first, there.position), (sequences[0], *position));
    }
    let mut firsts: Vec<_> = log.values().map(|placed| placed.first as usize).collect();
    firsts.sort_unstable();
    assert_eq!(firsts, (0..WRITERS * TURNS).collect::<Vec<_>>());
    assert_eq!(unexplained_in_streams(&seen, &log), [""; 0]);
    assert_eq!(unexplained_in_log(&seen, &log), [""; 0]);
}

/// G11: the backlog of a consumer costs no memory, and commands continue.
async fn judge_slow_consumer(probes: &Probes, place: &Place) {
    const ROUND: usize = 600;
    let second = Duration::from_secs(1);
    probes.journal.behave(Behaviour::Delays(second));
    place.route("{\"schemaVersion\":1,\"delivery\":{\"concurrency\":1,\"credit\":64}}");
    let process = place.start_ready().await;
    let channel = place.channel();
    let load = async |round: usize| {
        let clients = (0..30).map(async |client: usize| {
            for turn in 0..ROUND / 30 {
                let mut asked = command("Add", root(u8::try_from(client).unwrap()), "");
                asked.command_id = format!("{round}-{client}-{turn}");
                asked.pages[0].command = Some(angzarr_tests::probe::any("Add", vec![1; 16 << 10]));
                execute(channel.clone(), asked).await.unwrap();
            }
        });
        join_all(clients).await;
    };
    load(0).await;
    let before = process.memory_bytes();
    for round in 1..=3 {
        load(round).await;
    }
    let lag = place.status().await["consumers"].to_string();
    let grown = process.memory_bytes().saturating_sub(before);
    // The undelivered events are more than twice that size.
    assert!(grown < 12 << 20, "{grown} bytes: {lag}");
    let taken: u32 = (0..30)
        .map(|number| probes.journal.count(&root(number)))
        .sum();
    assert!((taken as usize) < ROUND, "it cannot keep up: {taken}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_takes_one_event_a_second_costs_no_memory() {
    let probes = Probes::start().await;
    let place = Place::new(PROGRAM, &probes.components());
    judge_slow_consumer(&probes, &place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_takes_one_event_a_second_costs_no_memory_on_a_database() {
    let probes = Probes::start().await;
    let database = Server::shared().await.database().await;
    let place = Place::over(PROGRAM, &database.url(), &probes.components());
    judge_slow_consumer(&probes, &place).await;
}

/// G11: large undelivered events of a consumer stay with their owner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_hangs_with_large_events_costs_no_memory() {
    const EVENTS: usize = 100;
    let probes = Probes::start().await;
    let place = Place::new(PROGRAM, &probes.components());
    let process = place.start_ready().await;
    let channel = place.channel();
    let fill = async |name: &str| {
        for number in 0..EVENTS {
            let to = root(u8::try_from(number).unwrap());
            let mut asked = command("Add", to, &format!("{name}-{number}"));
            let large = vec![1; 900 << 10];
            asked.pages[0].command = Some(angzarr_tests::probe::any("Add", large));
            execute(channel.clone(), asked).await.unwrap();
        }
    };
    fill("taken").await;
    let before = process.memory_bytes();
    probes.journal.behave(Behaviour::Hangs);
    fill("left").await;
    let grown = process.memory_bytes().saturating_sub(before);
    // Much less than the backlog.
    assert!(grown < 45 << 20, "{grown} bytes");
}
