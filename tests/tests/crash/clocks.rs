//! G12: order and deduplication do not depend on clocks. The wall clocks of sidecars jump by an hour under load, independently.
//!
//! `ANGZARR_SEED` repeats the random choices of an earlier run.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use angzarr_proto::v1;
use angzarr_servers::postgres::Server;
use angzarr_tests::client::{pages, root};
use angzarr_tests::clock::WallClock;
use angzarr_tests::parameter;
use angzarr_tests::probe::Probes;
use angzarr_tests::sidecar::{Place, Process};
use angzarr_tests::soak::guarantees::{self, Evidence};
use angzarr_tests::soak::history::History;
use angzarr_tests::soak::load;
use angzarr_tests::soak::reader::Reader;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::sleep;

use crate::PROGRAM;
const ROOTS: u8 = 4;
const JUMPS: usize = 8;
const HOUR: i64 = 3_600;
const ROUTING: &str = "{\"schemaVersion\":1,\"timeouts\":{\"lease\":\"2s\"},\"delivery\":{\"backoffInitial\":\"10ms\",\"backoffMax\":\"100ms\"}}";

/// A sidecar with its own clock.
struct Timed {
    place: Place,
    clock: WallClock,
    process: Process,
}

impl Timed {
    async fn start(place: Place) -> Self {
        place.route(ROUTING);
        let clock = WallClock::new();
        let process = place.start_with(clock.variables());
        place.ready().await;
        Self {
            place,
            clock,
            process,
        }
    }
}

/// Puts load on sidecars of one store while their clocks jump, then checks the guarantees.
async fn judge_over_jumps(probes: &Probes, sidecars: Vec<Timed>) {
    let seed = parameter("ANGZARR_SEED", rand::rng().random_range(0..1_000_000));
    println!("ANGZARR_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let live = Reader::new(sidecars[0].place.channel(), "tally");
    let reading = tokio::spawn(live.clone().run());
    let mut history = History::default();
    let is_over = Arc::new(AtomicBool::new(false));
    let next = Cell::new(0);
    let channel = || {
        next.set(next.get() + 1);
        sidecars[next.get() % sidecars.len()].place.channel()
    };
    let crowd = load::start(channel, "jumps", ROOTS, &mut random, &is_over);
    for _ in 0..JUMPS {
        let jumping = &sidecars[random.random_range(0..sidecars.len())];
        jumping.clock.jump_to(random.random_range(-HOUR..=HOUR));
        // The time that the load runs between two jumps; no condition is awaited.
        sleep(Duration::from_millis(random.random_range(200..600))).await;
    }
    is_over.store(true, Ordering::Relaxed);
    load::gather(crowd, &mut history).await;
    let first = &sidecars[0].place;
    assert!(has_jumped(first).await, "the times of some events go back");
    let evidence = Evidence::gather(first, &history, &live, ROOTS).await;
    guarantees::g1_acknowledged_is_durable(&evidence).await;
    guarantees::g2_each_event_follows_from_all_before(&evidence);
    guarantees::g3_an_id_takes_effect_at_most_once(&evidence).await;
    guarantees::g4_positions_are_dense_and_nobody_skips_one(&evidence);
    guarantees::g5_every_event_reaches_every_consumer(&evidence, probes).await;
    guarantees::g6_a_saga_takes_effect_once_per_trigger(&evidence).await;
    guarantees::g10_a_snapshot_changes_no_result(&evidence).await;
    assert!(!reading.is_finished(), "the reader still reads");
    reading.abort();
    for sidecar in sidecars {
        assert!(sidecar.process.terminate().await.success());
    }
}

/// Whether an event of some root is dated long before the one that it follows.
async fn has_jumped(place: &Place) -> bool {
    let seconds = |page: &v1::EventPage| page.created_at.as_ref().unwrap().seconds;
    for number in 0..ROOTS {
        let read = pages(place.channel(), "tally", root(number)).await.unwrap();
        let mut pairs = read.windows(2);
        if pairs.any(|pair| seconds(&pair[0]) > seconds(&pair[1]) + 10) {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantees_hold_while_a_clock_jumps() {
    let probes = Probes::start().await;
    let place = Place::new(PROGRAM, &probes.components());
    let sidecars = vec![Timed::start(place).await];
    judge_over_jumps(&probes, sidecars).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantees_hold_while_the_clocks_of_sidecars_of_one_database_jump_apart() {
    let probes = Probes::start().await;
    let database = Server::shared().await.database().await;
    let mut sidecars = Vec::new();
    for _ in 0..3 {
        let place = Place::over(PROGRAM, &database.url(), &probes.components());
        sidecars.push(Timed::start(place).await);
    }
    judge_over_jumps(&probes, sidecars).await;
}
