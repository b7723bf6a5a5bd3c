//! Cuts the power of a sidecar under load: only flushed data remains, which includes everything that was acknowledged.
//!
//! `ANGZARR_CUTS` sets the number of cuts, `ANGZARR_SEED` repeats the random choices of an earlier run.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use angzarr_tests::disk::{Disk, Flushes, Unflushed};
use angzarr_tests::parameter;
use angzarr_tests::probe::Probes;
use angzarr_tests::sidecar::Place;
use angzarr_tests::soak::guarantees::{self, Evidence};
use angzarr_tests::soak::history::{History, Outcome};
use angzarr_tests::soak::load;
use angzarr_tests::soak::reader::Reader;
use futures::FutureExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::PROGRAM;

const ROOTS: u8 = 4;
/// Cuts before everything is checked and a new store is used.
const CHAPTER: u64 = 12;

/// Bytes of a command that leads to the next checkpoint.
const BULK: usize = 500_000;

/// When the power is cut.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// At a random time.
    Any,
    /// While the store moves its log into its main file.
    Checkpoint,
}

/// A sidecar on a disk that loses unflushed data, and its whole history.
struct System {
    disk: Disk,
    probes: Probes,
    place: Place,
    history: History,
    random: StdRng,
}

impl System {
    async fn new(seed: u64) -> Self {
        let probes = Probes::start().await;
        let place = Place::new(PROGRAM, &probes.components());
        place.route("{\"schemaVersion\":1,\"delivery\":{\"backoffInitial\":\"10ms\",\"backoffMax\":\"100ms\"}}");
        Self {
            disk: Disk::new(),
            probes,
            place,
            history: History::default(),
            random: StdRng::seed_from_u64(seed),
        }
    }

    /// Puts load on a sidecar, cuts its power, and continues with another until all outcomes are known that can be.
    async fn load_and_cut(&mut self, name: &str, moment: Moment, unflushed: Unflushed) {
        let doomed = self.disk.start(&self.place, Flushes::Kept);
        self.place.ready().await;
        let is_over = Arc::new(AtomicBool::new(false));
        let channel = || self.place.channel();
        let mut crowd = load::start(channel, name, ROOTS, &mut self.random, &is_over);
        match moment {
            Moment::Any => {
                // The random time itself is tested here.
                let within = Duration::from_millis(self.random.random_range(50..500));
                tokio::time::sleep(within).await;
            }
            Moment::Checkpoint => {
                for to in 0..ROOTS {
                    let named = format!("{name}-bulk-{to}");
                    let channel = self.place.channel();
                    crowd.spawn(load::send_bulk(
                        channel,
                        named,
                        to,
                        BULK,
                        Arc::clone(&is_over),
                    ));
                }
                self.disk.checkpoint_begins(&self.place).await;
            }
        }
        doomed.kill().await;
        self.disk
            .cut_power(&self.place, unflushed, &mut self.random);
        let survivor = self.disk.start(&self.place, Flushes::Kept);
        is_over.store(true, Ordering::Relaxed);
        load::gather(crowd, &mut self.history).await;
        survivor.kill().await;
        self.disk
            .cut_power(&self.place, unflushed, &mut self.random);
    }

    /// Sends commands to a sidecar on a disk that ignores flushes, and cuts the power once each is acknowledged.
    async fn send_in_vain(&mut self) {
        let doomed = self.disk.start(&self.place, Flushes::Ignored);
        self.place.ready().await;
        let channel = self.place.channel();
        for to in 0..ROOTS {
            let sent = load::send_one(&channel, format!("vain-{to}"), to, Vec::new()).await;
            let is_acknowledged = matches!(sent.outcome, Outcome::Acknowledged { .. });
            assert!(is_acknowledged, "nothing is cut yet: {sent:?}");
            self.history.commands.push(sent);
        }
        doomed.kill().await;
        self.disk
            .cut_power(&self.place, Unflushed::Lost, &mut self.random);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_flushed() {
    let cuts = parameter("ANGZARR_CUTS", 6);
    let seed = parameter("ANGZARR_SEED", rand::random_range(0..1_000_000));
    println!("ANGZARR_SEED={seed} ANGZARR_CUTS={cuts}");
    for chapter in 0..cuts.div_ceil(CHAPTER) {
        let now = CHAPTER.min(cuts - chapter * CHAPTER);
        tell(now, seed + chapter).await;
    }
}

/// Cuts the power of one system a number of times, and checks its guarantees.
async fn tell(cuts: u64, seed: u64) {
    let mut system = System::new(seed).await;
    let live = Reader::new(system.place.channel(), "tally");
    let reading = tokio::spawn(live.clone().run());
    for cut in 0..cuts {
        let unflushed = [Unflushed::Lost, Unflushed::Torn][(cut % 2) as usize];
        let moment = [Moment::Any, Moment::Any, Moment::Checkpoint][(cut % 3) as usize];
        let name = format!("cut-{cut}");
        system.load_and_cut(&name, moment, unflushed).await;
    }
    let [acknowledged, refused, unknown] = system.history.outcomes();
    println!("{acknowledged} acknowledged, {refused} refused, {unknown} unknown");
    let _last = system.place.start_ready().await;
    let evidence = Evidence::gather(&system.place, &system.history, &live, ROOTS).await;
    guarantees::g1_acknowledged_is_durable(&evidence).await;
    guarantees::g2_each_event_follows_from_all_before(&evidence);
    guarantees::g3_an_id_takes_effect_at_most_once(&evidence).await;
    guarantees::g4_positions_are_dense_and_nobody_skips_one(&evidence);
    guarantees::g5_every_event_reaches_every_consumer(&evidence, &system.probes).await;
    guarantees::g6_a_saga_takes_effect_once_per_trigger(&evidence).await;
    guarantees::g10_a_snapshot_changes_no_result(&evidence).await;
    reading.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_ignores_flushes_is_detected() {
    let seed = parameter("ANGZARR_SEED", rand::random_range(0..1_000_000));
    println!("ANGZARR_SEED={seed}");
    let mut system = System::new(seed).await;
    system
        .load_and_cut("kept", Moment::Any, Unflushed::Lost)
        .await;
    system.send_in_vain().await;
    let _last = system.place.start_ready().await;
    let live = Reader::new(system.place.channel(), "tally");
    let reading = tokio::spawn(live.clone().run());
    let evidence = Evidence::gather(&system.place, &system.history, &live, ROOTS).await;
    let judged = guarantees::g1_acknowledged_is_durable(&evidence);
    let judged = AssertUnwindSafe(judged).catch_unwind().await;
    assert!(judged.is_err(), "the loss is noticed");
    reading.abort();
}
