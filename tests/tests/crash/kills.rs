//! Kills a sidecar under load, at every fail point and at random times, and checks the guarantees against the whole history.
//!
//! `ANGZARR_KILLS` sets the number of kills at each place, `ANGZARR_SEED` repeats the random choices of an earlier run.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use angzarr_tests::client::{command, execute_surely, pages, root, sequences};
use angzarr_tests::parameter;
use angzarr_tests::probe::Probes;
use angzarr_tests::sidecar::{FAIL_POINTS, Place, Process};
use angzarr_tests::soak::guarantees::{self, Evidence};
use angzarr_tests::soak::history::History;
use angzarr_tests::soak::load;
use angzarr_tests::soak::reader::Reader;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;

use crate::PROGRAM;
const ROOTS: u8 = 5;
/// The root that the journal refuses.
const POISONED: u8 = 0;
/// Kills at each place before everything is checked and a new store is used.
const CHAPTER: u64 = 20;

/// How a sidecar dies.
#[derive(Debug, Clone, Copy)]
enum Death {
    /// At a fail point.
    At(&'static str),
    /// At a random time.
    AnyTime,
    /// By a drain, which also loses nothing and exits with success.
    Drained,
}

fn deaths() -> impl Iterator<Item = Death> {
    let named = FAIL_POINTS.into_iter().map(Death::At);
    named.chain([Death::AnyTime, Death::Drained])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guarantees_hold_over_every_kill() {
    let kills = parameter("ANGZARR_KILLS", 2);
    let seed = parameter("ANGZARR_SEED", rand::rng().random_range(0..1_000_000));
    println!("ANGZARR_SEED={seed} ANGZARR_KILLS={kills}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut left = kills;
    while left > 0 {
        let now = left.min(CHAPTER);
        Chapter::open().await.tell(now, &mut random).await;
        left -= now;
    }
}

/// A store from its first event to the check.
struct Chapter {
    probes: Probes,
    place: Place,
    /// A sidecar that forwards commands and outlives every owner.
    gateway: Place,
    _passing: Process,
    history: History,
}

impl Chapter {
    async fn open() -> Self {
        let probes = Probes::start().await;
        probes.journal.poison(Some(root(POISONED)));
        let place = Place::new(PROGRAM, &probes.components());
        place.route(
            "{\"schemaVersion\":1,\"delivery\":{\"maxAttempts\":2,\"backoffInitial\":\"10ms\",\"backoffMax\":\"100ms\"}}",
        );
        let gateway = Place::new(PROGRAM, &probes.bystander());
        gateway.route_to(&place);
        Self {
            _passing: gateway.start_ready().await,
            gateway,
            probes,
            place,
            history: History::default(),
        }
    }

    async fn tell(mut self, kills: u64, random: &mut StdRng) {
        let live = Reader::new(self.place.channel(), "tally");
        let reading = tokio::spawn(live.clone().run());
        for kill in 0..kills {
            for death in deaths() {
                self.kill_once(death, kill, random).await;
            }
        }
        let [acknowledged, refused, unknown] = self.history.outcomes();
        println!("{acknowledged} acknowledged, {refused} refused, {unknown} unknown");
        let _last = self.place.start_ready().await;
        self.judge(&live).await;
        assert!(!reading.is_finished(), "the reader still reads");
        reading.abort();
    }

    async fn kill_once(&mut self, death: Death, kill: u64, random: &mut StdRng) {
        let fail_point = match death {
            Death::At(name) => Some(format!("{name}:{}", random.random_range(1..=60))),
            Death::AnyTime | Death::Drained => None,
        };
        let doomed = self.place.start(fail_point);
        let is_over = Arc::new(AtomicBool::new(false));
        let name = format!("{death:?}-{kill}");
        let crowd = load::start_through(
            &[&|| self.place.channel(), &|| self.gateway.channel()],
            &name,
            ROOTS,
            random,
            &is_over,
        );
        die(doomed, death, random).await;
        let survivor = self.place.start(None);
        is_over.store(true, Ordering::Relaxed);
        load::gather(crowd, &mut self.history).await;
        survivor.kill().await;
    }

    async fn judge(&self, live: &Reader) {
        let evidence = Evidence::gather(&self.place, &self.history, live, ROOTS).await;
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

/// Waits until a process is dead.
async fn die(mut doomed: Process, death: Death, random: &mut StdRng) {
    match death {
        Death::At(_) => {
            let ended = doomed.ended().await;
            assert_eq!(ended.signal(), Some(9), "{death:?} did not kill: {ended}");
        }
        Death::AnyTime => {
            // The random time itself is tested here.
            tokio::time::sleep(Duration::from_millis(random.random_range(0..300))).await;
            doomed.kill().await;
        }
        Death::Drained => {
            tokio::time::sleep(Duration::from_millis(random.random_range(200..500))).await;
            let ended = doomed.terminate().await;
            assert!(ended.success(), "a drain exits with success: {ended}");
        }
    }
}

#[test]
fn every_fail_point_of_the_sources_is_tried() {
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../sidecar")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = std::fs::read_to_string(path).unwrap();
                let names = text.split("fail_point::hit(\"").skip(1);
                found.extend(names.map(|rest| rest.split('"').next().unwrap().to_owned()));
            }
        }
    }
    assert_eq!(found, FAIL_POINTS.map(str::to_owned).into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_writers_of_one_root_through_two_sidecars_are_linearizable() {
    let probes = Probes::start().await;
    let owner = Place::new(PROGRAM, &probes.components());
    let _owning = owner.start_ready().await;
    let gateway = Place::new(PROGRAM, &probes.bystander());
    gateway.route_to(&owner);
    let _passing = gateway.start_ready().await;
    let mut writers = JoinSet::new();
    for writer in 0..64 {
        let channel = if writer % 2 == 0 {
            owner.channel()
        } else {
            gateway.channel()
        };
        writers.spawn(async move {
            let mut mine = Vec::new();
            for turn in 0..10 {
                let id = format!("{writer}-{turn}");
                let answer = execute_surely(channel.clone(), command("Add", root(1), &id))
                    .await
                    .unwrap();
                mine.extend(sequences(&answer));
            }
            assert!(mine.is_sorted(), "a writer sees its own commands in order");
            mine
        });
    }
    let mut all = BTreeSet::new();
    while let Some(mine) = writers.join_next().await {
        for sequence in mine.unwrap() {
            assert!(all.insert(sequence), "sequence {sequence} was given once");
        }
    }
    assert_eq!(all, (0..640).collect());
    // The logic checks every history that it gets, so a wrong one would have been refused.
    assert_eq!(
        pages(owner.channel(), "tally", root(1))
            .await
            .unwrap()
            .len(),
        640
    );
}
