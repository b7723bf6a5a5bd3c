//! Kills a sidecar at every fail point under load, and checks what it promised against what it acknowledged.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says why and ends"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use angzarr_proto::v1::event_page::Sequence;
use angzarr_tests::client::{command, execute_surely, pages, root, sequences};
use angzarr_tests::probe::{Probes, number};
use angzarr_tests::sidecar::{Place, until};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidecar-under-test");
const ROOTS: u8 = 4;
const WRITERS: usize = 8;

/// Every place at which the sidecar can be ended.
const FAIL_POINTS: [&str; 10] = [
    "after_load",
    "after_logic",
    "before_commit",
    "after_commit",
    "before_delivery",
    "after_delivery",
    "before_progress",
    "after_progress",
    "before_outgoing",
    "after_outgoing",
];

/// What was acknowledged: for each root, each sequence with the command that brought it.
type Acknowledged = BTreeMap<u8, BTreeMap<u32, String>>;

fn parameter(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(default, |text| text.parse().unwrap())
}

/// Sends commands, each until its outcome is known, until the sidecar was killed.
async fn load(
    place: Arc<Place>,
    name: String,
    is_over: Arc<AtomicBool>,
) -> Vec<(u8, Vec<u32>, String)> {
    let channel = place.channel();
    let mut known = Vec::new();
    for number in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let to = (number % u32::from(ROOTS)) as u8;
        let id = format!("{name}-{number}");
        let answer = execute_surely(channel.clone(), command("Add", root(to), &id))
            .await
            .unwrap();
        known.push((to, sequences(&answer), id));
    }
    known
}

async fn kill_once(
    place: &Arc<Place>,
    fail_point: String,
    round: &str,
    acknowledged: &mut Acknowledged,
) {
    let mut doomed = place.start(Some(fail_point.clone()));
    let is_over = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let name = format!("{round}-{writer}");
        writers.spawn(load(Arc::clone(place), name, Arc::clone(&is_over)));
    }
    let ended = doomed.ended().await;
    assert_eq!(
        ended.signal(),
        Some(9),
        "{fail_point} did not kill: {ended}"
    );
    let survivor = place.start(None);
    is_over.store(true, Ordering::Relaxed);
    while let Some(known) = writers.join_next().await {
        for (to, sequences, id) in known.unwrap() {
            assert_eq!(sequences.len(), 1, "{id} brought one event");
            let before = acknowledged
                .entry(to)
                .or_default()
                .insert(sequences[0], id.clone());
            assert_eq!(before, None, "{id} has a sequence of its own");
        }
    }
    survivor.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_acknowledged_survives_every_kill_once_and_in_order() {
    let kills = parameter("ANGZARR_KILLS", 2);
    let seed = parameter("ANGZARR_SEED", rand::rng().random_range(0..1_000_000));
    println!("ANGZARR_SEED={seed} ANGZARR_KILLS={kills}");
    let mut random = StdRng::seed_from_u64(seed);
    let probes = Probes::start().await;
    let place = Arc::new(Place::new(PROGRAM, &probes.components()));
    place.route(
        "{\"schemaVersion\":1,\"delivery\":{\"backoffInitial\":\"10ms\",\"backoffMax\":\"100ms\"}}",
    );
    let mut acknowledged = Acknowledged::new();
    for kill in 0..kills {
        for fail_point in FAIL_POINTS {
            let at = random.random_range(1..=12);
            let round = format!("{fail_point}-{kill}");
            kill_once(
                &place,
                format!("{fail_point}:{at}"),
                &round,
                &mut acknowledged,
            )
            .await;
        }
    }
    let _last = place.start_ready().await;
    check(&place, &probes, &acknowledged).await;
}

async fn check(place: &Place, probes: &Probes, acknowledged: &Acknowledged) {
    let mut positions = BTreeSet::new();
    let mut total = 0;
    for (to, expected) in acknowledged {
        let read = pages(place.channel(), "tally", root(*to)).await.unwrap();
        // Every command was repeated until it was acknowledged, so nothing else can be there.
        assert_eq!(
            read.len(),
            expected.len(),
            "root {to} holds what was acknowledged"
        );
        for (index, page) in read.iter().enumerate() {
            let sequence = u32::try_from(index).unwrap();
            assert_eq!(page.sequence, Some(Sequence::Num(sequence)));
            assert_eq!(
                number(page.event.as_ref().unwrap()),
                u64::from(sequence),
                "it was computed from all before it"
            );
            assert!(
                expected.contains_key(&sequence),
                "sequence {sequence} of root {to} was acknowledged"
            );
            positions.insert(page.position);
        }
        total += read.len() as u64;
        until(async || probes.ledger.count(&root(*to)) as usize == read.len()).await;
        until(async || {
            pages(place.channel(), "mirror", root(*to))
                .await
                .unwrap()
                .len()
                >= read.len()
        })
        .await;
        let mirrored = pages(place.channel(), "mirror", root(*to)).await.unwrap();
        assert_eq!(
            mirrored.len(),
            read.len(),
            "the saga took effect once for each append"
        );
    }
    assert_eq!(positions.first().copied(), Some(1));
    assert_eq!(
        positions.last().copied(),
        Some(total),
        "positions are dense"
    );
    assert_eq!(positions.len() as u64, total, "positions are unique");
    assert_eq!(probes.ledger.faults(), [""; 0]);
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
    // The logic checks every history that it is given, so a wrong one would have been refused.
    assert_eq!(
        pages(owner.channel(), "tally", root(1))
            .await
            .unwrap()
            .len(),
        640
    );
}
