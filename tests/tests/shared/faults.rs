//! Breaks three sidecars and their shared database and network under load, and checks the guarantees against the whole history.
//!
//! `ANGZARR_FAULTS` sets the number of faults, `ANGZARR_SEED` repeats the random choices of an earlier run.

use std::cell::Cell;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use angzarr_servers::postgres::{Database, Server};
use angzarr_tests::client::{command, execute, pages, root};
use angzarr_tests::parameter;
use angzarr_tests::probe::Probes;
use angzarr_tests::proxy::{Mode, Proxy};
use angzarr_tests::sidecar::{Place, Process, until};
use angzarr_tests::soak::guarantees::{self, Evidence};
use angzarr_tests::soak::history::{History, Outcome};
use angzarr_tests::soak::load;
use angzarr_tests::soak::reader::Reader;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rustix::process::Signal;
use sqlx::Executor;
use tokio::time::sleep;

use crate::PROGRAM;
const ROOTS: u8 = 5;
/// The root that the journal refuses.
const POISONED: u8 = 0;
const SIDECARS: usize = 3;
const ROUTING: &str = "{\"schemaVersion\":1,\"timeouts\":{\"lease\":\"2s\"},\"delivery\":{\"maxAttempts\":2,\"backoffInitial\":\"10ms\",\"backoffMax\":\"100ms\"}}";
/// Longer than a lease.
const PAST_LEASE: Duration = Duration::from_secs(3);
/// Longer than a statement may take.
const PAST_STATEMENT: Duration = Duration::from_secs(6);

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// A sidecar is killed at a fail point, and then the others.
    SidecarDiesAt(&'static str),
    /// A sidecar is killed at a random time.
    SidecarDies,
    /// A sidecar is paused for longer than its leases, and then continues.
    SidecarStops,
    /// The processes of the server are killed.
    ServerDies,
    /// The server is shut down in immediate mode, and recovers.
    ServerStopsAtOnce,
    /// The server is shut down and started.
    ServerRestarts,
    /// The server ends all connections.
    ConnectionsEnd,
    /// The network is slow.
    NetworkDelays,
    /// The network breaks.
    NetworkCuts,
    /// Requests arrive, but replies do not.
    AnswersAreLost,
    /// Connections stay open and nothing arrives.
    NetworkSwallows,
    /// Appends wait between the assignment of positions and the commit.
    CommitsLinger,
}

const FAULTS: [Fault; 22] = [
    Fault::SidecarDiesAt("after_load"),
    Fault::SidecarDiesAt("after_logic"),
    Fault::SidecarDiesAt("before_commit"),
    Fault::SidecarDiesAt("after_commit"),
    Fault::SidecarDiesAt("before_delivery"),
    Fault::SidecarDiesAt("after_delivery"),
    Fault::SidecarDiesAt("before_progress"),
    Fault::SidecarDiesAt("after_progress"),
    Fault::SidecarDiesAt("before_outgoing"),
    Fault::SidecarDiesAt("after_outgoing"),
    Fault::SidecarDies,
    Fault::SidecarDies,
    Fault::SidecarStops,
    Fault::ServerDies,
    Fault::ServerStopsAtOnce,
    Fault::ServerRestarts,
    Fault::ConnectionsEnd,
    Fault::NetworkDelays,
    Fault::NetworkCuts,
    Fault::AnswersAreLost,
    Fault::NetworkSwallows,
    Fault::CommitsLinger,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantees_hold_over_every_fault() {
    let count = parameter("ANGZARR_FAULTS", 8);
    let seed = parameter("ANGZARR_SEED", rand::rng().random_range(0..1_000_000));
    println!("ANGZARR_SEED={seed} ANGZARR_FAULTS={count}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut stage = Stage::open(Server::alone(&[]).await, "").await;
    let live = Reader::new(stage.places[0].channel(), "tally");
    let reading = tokio::spawn(live.clone().run());
    let mut left = Vec::new();
    for number in 0..count {
        if left.is_empty() {
            left = FAULTS.to_vec();
            left.shuffle(&mut random);
        }
        let fault = left.pop().unwrap();
        println!("{number}: {fault:?}");
        stage.suffer(fault, number, &mut random).await;
    }
    stage.judge(&live).await;
    assert!(!reading.is_finished(), "the reader still reads");
    reading.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_commands_until_there_is_room_and_loses_nothing() {
    let seed = parameter("ANGZARR_SEED", rand::rng().random_range(0..1_000_000));
    println!("ANGZARR_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let server = Server::with_small_disk(64).await;
    let mut stage = Stage::open(server, " TABLESPACE small").await;
    let live = Reader::new(stage.places[0].channel(), "tally");
    let reading = tokio::spawn(live.clone().run());
    let (crowd, is_over) = stage.load("full", &mut random);
    let read = async || {
        let read = pages(stage.places[1].channel(), "tally", root(1)).await;
        read.unwrap().len()
    };
    until(async || read().await > 0).await;
    let filler = stage.database.server.small_disk().join("filler");
    fill(&filler);
    until(async || stage.refuses().await).await;
    assert!(read().await > 0, "stored events can still be read");
    std::fs::remove_file(&filler).unwrap();
    sleep(Duration::from_millis(500)).await;
    is_over.store(true, Ordering::Relaxed);
    load::gather(crowd, &mut stage.history).await;
    let commands = &stage.history.commands;
    let acknowledged = |outcome: &Outcome| matches!(outcome, Outcome::Acknowledged { .. });
    assert!(
        commands
            .iter()
            .any(|command| acknowledged(&command.outcome))
    );
    stage.judge(&live).await;
    reading.abort();
}

/// Fills a disk to its last byte.
fn fill(file: &std::path::Path) {
    use std::io::Write;
    let mut filler = std::fs::File::create(file).unwrap();
    for size in [1 << 20, 1 << 10, 1] {
        while filler.write_all(&vec![0; size]).is_ok() {}
    }
}

/// Three sidecars on one database, behind a proxy.
struct Stage {
    probes: Probes,
    database: Database,
    proxy: Proxy,
    places: Vec<Place>,
    running: Vec<Option<Process>>,
    history: History,
    /// The sidecar of the next client.
    next: Cell<usize>,
}

impl Stage {
    async fn open(server: Server, clauses: &str) -> Self {
        let probes = Probes::start().await;
        probes.journal.poison(Some(root(POISONED)));
        let proxy = Proxy::start(server.port()).await;
        let database = Arc::new(server).database_in(clauses).await;
        let mut url: url::Url = database.url().parse().unwrap();
        url.set_port(Some(proxy.port)).unwrap();
        let mut stage = Self {
            probes,
            database,
            proxy,
            places: Vec::new(),
            running: Vec::new(),
            history: History::default(),
            next: Cell::new(0),
        };
        for _ in 0..SIDECARS {
            let place = Place::over(PROGRAM, url.as_str(), &stage.probes.components());
            place.route(ROUTING);
            stage.running.push(Some(place.start_ready().await));
            stage.places.push(place);
        }
        stage
    }

    fn load(
        &self,
        name: &str,
        random: &mut StdRng,
    ) -> (tokio::task::JoinSet<History>, Arc<AtomicBool>) {
        let is_over = Arc::new(AtomicBool::new(false));
        let channel = || {
            let next = self.next.get();
            self.next.set(next + 1);
            self.places[next % SIDECARS].channel()
        };
        let crowd = load::start(channel, name, ROOTS, random, &is_over);
        (crowd, is_over)
    }

    async fn suffer(&mut self, fault: Fault, number: u64, random: &mut StdRng) {
        if let Fault::SidecarDiesAt(name) = fault {
            self.arm(name, random).await;
        }
        let (crowd, is_over) = self.load(&format!("fault-{number}"), random);
        sleep(Duration::from_millis(random.random_range(100..500))).await;
        self.strike(fault, random).await;
        sleep(Duration::from_millis(random.random_range(100..500))).await;
        is_over.store(true, Ordering::Relaxed);
        load::gather(crowd, &mut self.history).await;
    }

    /// Kills all sidecars and starts each with a fail point, so that the active one reaches it.
    async fn arm(&mut self, name: &str, random: &mut StdRng) {
        self.kill_all().await;
        for (place, running) in self.places.iter().zip(&mut self.running) {
            let fail_point = format!("{name}:{}", random.random_range(1..=20));
            *running = Some(place.start(Some(fail_point)));
        }
    }

    async fn kill_all(&mut self) {
        for running in &mut self.running {
            running.take().unwrap().kill().await;
        }
    }

    /// Waits until one dies at its fail point, then kills the others, which may also die at any time, and starts all.
    async fn one_dies(&mut self) {
        let mut deaths: Vec<_> = self
            .running
            .iter_mut()
            .map(|running| Box::pin(running.as_mut().unwrap().ended()))
            .collect();
        let (ended, _, _) = futures::future::select_all(deaths.drain(..)).await;
        assert_eq!(ended.signal(), Some(9), "it was not killed: {ended}");
        drop(deaths);
        self.kill_all().await;
        for (place, running) in self.places.iter().zip(&mut self.running) {
            *running = Some(place.start(None));
        }
    }

    async fn strike(&mut self, fault: Fault, random: &mut StdRng) {
        let server = Arc::clone(&self.database.server);
        let while_down = Duration::from_millis(random.random_range(0..2_000));
        let victim = random.random_range(0..SIDECARS);
        match fault {
            Fault::SidecarDiesAt(_) => self.one_dies().await,
            Fault::SidecarDies => {
                self.running[victim].take().unwrap().kill().await;
                sleep(while_down).await;
                self.running[victim] = Some(self.places[victim].start(None));
            }
            Fault::SidecarStops => {
                let stopped = self.running[victim].as_ref().unwrap();
                stopped.signal(Signal::STOP);
                sleep(PAST_LEASE).await;
                stopped.signal(Signal::CONT);
            }
            Fault::ServerDies => restart(&server, Server::kill, while_down).await,
            Fault::ServerStopsAtOnce => {
                restart(&server, Server::stop_immediately, while_down).await;
            }
            Fault::ServerRestarts => restart(&server, Server::stop, while_down).await,
            Fault::ConnectionsEnd => self.end_connections(random).await,
            Fault::NetworkDelays => {
                self.network(Mode::Delays(while_down / 20), while_down)
                    .await
            }
            Fault::NetworkCuts => self.network(Mode::Cuts, while_down).await,
            Fault::AnswersAreLost => self.network(Mode::CutsAnswers, while_down).await,
            Fault::NetworkSwallows => self.network(Mode::Swallows, PAST_STATEMENT).await,
            Fault::CommitsLinger => self.linger(while_down).await,
        }
    }

    async fn network(&self, mode: Mode, within: Duration) {
        self.proxy.set(mode);
        sleep(within).await;
        if mode == Mode::Swallows {
            // Swallowed bytes are lost with their connections.
            self.proxy.set(Mode::Cuts);
        }
        self.proxy.set(Mode::Passes);
    }

    async fn end_connections(&self, random: &mut StdRng) {
        let mut conn = self.database.connect().await;
        for _ in 0..random.random_range(1..5) {
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
            conn.execute(end).await.unwrap();
            sleep(Duration::from_millis(random.random_range(0..100))).await;
        }
    }

    /// Makes some appends sleep at the end of their transaction, after the assignment of positions and before the commit.
    async fn linger(&self, within: Duration) {
        let mut conn = self.database.connect().await;
        let slow = "CREATE FUNCTION angzarr.nap() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_sleep(random() * 0.3); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER nap AFTER INSERT ON angzarr.appends DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW WHEN (NEW.last_position % 5 = 0) EXECUTE FUNCTION angzarr.nap()";
        conn.execute(slow).await.unwrap();
        sleep(within + Duration::from_secs(1)).await;
        conn.execute("DROP FUNCTION angzarr.nap() CASCADE")
            .await
            .unwrap();
    }

    /// Whether a command is refused because the disk is full.
    async fn refuses(&self) -> bool {
        let id = format!("probe-{}", rand::random::<u64>());
        let book = command("Nothing", root(ROOTS), &id);
        let answer = execute(self.places[2].channel(), book).await;
        answer.is_err_and(|status| status.code() == tonic::Code::ResourceExhausted)
    }

    /// Stops all sidecars and checks the guarantees with a new one.
    async fn judge(&mut self, live: &Reader) {
        let [acknowledged, refused, unknown] = self.history.outcomes();
        println!("{acknowledged} acknowledged, {refused} refused, {unknown} unknown");
        for (place, running) in self.places.iter().zip(&mut self.running) {
            place.ready().await;
            running.take().unwrap().terminate().await;
        }
        let _last = self.places[0].start_ready().await;
        let evidence = Evidence::gather(&self.places[0], &self.history, live, ROOTS).await;
        guarantees::g1_acknowledged_is_durable(&evidence).await;
        guarantees::g2_each_event_follows_from_all_before(&evidence);
        guarantees::g3_an_id_takes_effect_at_most_once(&evidence).await;
        guarantees::g4_positions_are_dense_and_nobody_skips_one(&evidence);
        let journal = &self.probes.journal;
        guarantees::g7_a_poisoned_root_stops_itself_only(&evidence, journal, POISONED).await;
        guarantees::g5_every_event_reaches_every_consumer(&evidence, &self.probes).await;
        guarantees::g6_a_saga_takes_effect_once_per_trigger(&evidence).await;
        guarantees::g10_a_snapshot_changes_no_result(&evidence).await;
    }
}

async fn restart(server: &Server, end: fn(&Server), while_down: Duration) {
    end(server);
    sleep(while_down).await;
    server.start();
    server.ready().await;
}
