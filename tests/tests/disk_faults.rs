//! Fills the disk of a sidecar, and lets its flushes fail: what is acknowledged stays, what is refused is not there.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says why and ends"
)]

use std::collections::BTreeSet;

use angzarr_tests::client::{command, execute, execute_surely, pages, root};
use angzarr_tests::disk::{Disk, Flushes, Unflushed};
use angzarr_tests::probe::{Probes, note, number};
use angzarr_tests::sidecar::{Place, until};
use angzarr_tests::small_disk::SmallDisk;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tonic::Code;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidecar-under-test");

/// The ids of the commands whose events are there, in order; each event was computed from all before it.
async fn stored(place: &Place) -> Vec<String> {
    let read = pages(place.channel(), "tally", root(1)).await.unwrap();
    let mut ids = Vec::new();
    for (index, page) in read.iter().enumerate() {
        let event = page.event.as_ref().unwrap();
        assert_eq!(page.position, index as u64 + 1, "positions are dense");
        assert_eq!(number(event), index as u64, "sequences are contiguous");
        ids.push(String::from_utf8(note(event).to_vec()).unwrap());
    }
    ids
}

/// Sends commands until one is refused for want of room; answers the ids of the others, and of that one.
async fn send_until_full(place: &Place) -> (Vec<String>, String) {
    let mut acknowledged = Vec::new();
    for turn in 0.. {
        let id = format!("fill-{turn}");
        let sent = execute(place.channel(), command("Add", root(1), &id)).await;
        let Err(refusal) = sent else {
            acknowledged.push(id);
            continue;
        };
        assert_eq!(refusal.code(), Code::ResourceExhausted, "{refusal}");
        assert!(refusal.message().contains("store is full"), "{refusal}");
        return (acknowledged, id);
    }
    unreachable!("a disk ends")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_commands_and_keeps_reads() {
    let probes = Probes::start().await;
    let place = Place::new(PROGRAM, &probes.components());
    let disk = SmallDisk::new(&place, 16 << 20);
    let first = disk.start(&place);
    place.ready().await;
    let mut expected = Vec::new();
    for turn in 0..5 {
        let id = format!("before-{turn}");
        execute_surely(place.channel(), command("Add", root(1), &id))
            .await
            .unwrap();
        expected.push(id);
    }

    disk.fill();
    let (acknowledged, refused) = send_until_full(&place).await;
    expected.extend(acknowledged);
    for turn in 0..20 {
        let id = format!("full-{turn}");
        let sent = execute(place.channel(), command("Add", root(2), &id)).await;
        assert_eq!(sent.unwrap_err().code(), Code::ResourceExhausted);
    }
    assert_eq!(stored(&place).await, expected, "reads go on");
    let other = pages(place.channel(), "tally", root(2)).await.unwrap();
    assert!(other.is_empty(), "nothing refused is stored");

    disk.make_room();
    for id in [refused, "after".to_owned()] {
        execute_surely(place.channel(), command("Add", root(1), &id))
            .await
            .unwrap();
        expected.push(id);
    }
    assert_eq!(stored(&place).await, expected);
    let count = expected.len() as u32;
    until(async || probes.journal.count(&root(1)) == count).await;
    first.kill().await;
    let _second = disk.start(&place);
    place.ready().await;
    assert_eq!(stored(&place).await, expected, "a restart finds the same");
    assert_eq!(probes.journal.faults(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_flush_ends_the_process_and_costs_nothing_that_was_acknowledged() {
    let probes = Probes::start().await;
    let place = Place::new(PROGRAM, &probes.components());
    let disk = Disk::new();
    let mut broken = disk.start(&place, Flushes::Kept);
    place.ready().await;
    let send = async |id: &str| execute(place.channel(), command("Add", root(1), id)).await;
    for id in ["one", "two"] {
        send(id).await.unwrap();
    }
    disk.break_down();
    let doubtful = send("three").await.unwrap_err();
    assert_eq!(doubtful.code(), Code::Unavailable, "{doubtful}");
    let ended = broken.ended().await;
    assert!(ended.code().is_some_and(|code| code != 0), "{ended}");

    disk.repair();
    let mended = disk.start(&place, Flushes::Kept);
    place.ready().await;
    for id in ["three", "four", "five"] {
        execute_surely(place.channel(), command("Add", root(1), id))
            .await
            .unwrap();
    }
    mended.kill().await;
    // What the failed flush left in memory was never written; what came after it must not stand on that.
    disk.cut_power(&place, Unflushed::Lost, &mut StdRng::seed_from_u64(0));
    let _last = disk.start(&place, Flushes::Kept);
    place.ready().await;
    let all: BTreeSet<_> = stored(&place).await.into_iter().collect();
    assert_eq!(
        all,
        BTreeSet::from(["one", "two", "three", "four", "five"].map(str::to_owned))
    );
}
