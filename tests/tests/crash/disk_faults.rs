//! Fills the disk of a sidecar, and makes its flushes fail: acknowledged events stay, refused ones are not stored.

use std::collections::BTreeSet;

use angzarr_proto::v1;
use angzarr_tests::client::{command, execute, execute_surely, pages, root};
use angzarr_tests::disk::{Disk, Flushes, Unflushed};
use angzarr_tests::probe::{Probes, any, note, number};
use angzarr_tests::sidecar::{Place, Process, until};
use angzarr_tests::small_disk::SmallDisk;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tonic::Code;

use crate::PROGRAM;
/// Bytes of a command that fills a log fast.
const BULK: usize = 500_000;

/// A command whose event has its id, padded to a size.
fn add(to: u8, id: &str, bytes: usize) -> v1::CommandBook {
    let mut book = command("Add", root(to), id);
    let mut payload = id.as_bytes().to_vec();
    payload.resize(bytes.max(id.len()), b' ');
    book.pages[0].command = Some(any("Add", payload));
    book
}

/// The ids of the commands whose events are stored, in order; each event was computed from all before it.
async fn stored(place: &Place) -> Vec<String> {
    let read = pages(place.channel(), "tally", root(1)).await.unwrap();
    let other = pages(place.channel(), "tally", root(2)).await.unwrap();
    let mut positions: Vec<u64> = read
        .iter()
        .chain(&other)
        .map(|page| page.position)
        .collect();
    positions.sort_unstable();
    let dense: Vec<u64> = (1..=positions.len() as u64).collect();
    assert_eq!(positions, dense, "positions are dense over both roots");
    let mut ids = Vec::new();
    for (index, page) in read.iter().enumerate() {
        let event = page.event.as_ref().unwrap();
        assert_eq!(number(event), index as u64, "sequences are contiguous");
        let id = String::from_utf8(note(event).to_vec()).unwrap();
        ids.push(id.trim_end().to_owned());
    }
    ids
}

/// Commands that are sent once one was refused.
const MORE: usize = 20;

/// A sidecar on a small disk.
struct Cramped {
    probes: Probes,
    place: Place,
    disk: SmallDisk,
    /// The commands that were acknowledged, in their order.
    acknowledged: Vec<String>,
    /// How many were acknowledged of those that were sent to another root once one was refused.
    lucky: usize,
}

impl Cramped {
    async fn new(bytes: u64) -> Self {
        let probes = Probes::start().await;
        let place = Place::new(PROGRAM, &probes.components());
        let disk = SmallDisk::new(&place, bytes);
        Self {
            probes,
            place,
            disk,
            acknowledged: Vec::new(),
            lucky: 0,
        }
    }

    async fn start(&self) -> Process {
        let process = self.disk.start(&self.place);
        self.place.ready().await;
        process
    }

    async fn send(&mut self, id: &str, bytes: usize) {
        let sent = execute_surely(self.place.channel(), add(1, id, bytes)).await;
        sent.unwrap();
        self.acknowledged.push(id.to_owned());
    }

    /// Sends commands until one is refused because the disk is full; returns its id.
    async fn send_until_full(&mut self, bytes: usize) -> String {
        let mut turn = 0;
        loop {
            let id = format!("fill-{turn}");
            match execute(self.place.channel(), add(1, &id, bytes)).await {
                Ok(_) => self.acknowledged.push(id),
                Err(refusal) => {
                    assert_eq!(refusal.code(), Code::ResourceExhausted, "{refusal}");
                    assert!(refusal.message().contains("store is full"), "{refusal}");
                    return id;
                }
            }
            turn += 1;
        }
    }

    /// Sends more commands to another root; returns how many were refused, each because the disk is full.
    async fn send_more(&mut self, bytes: usize) -> usize {
        let mut refused = 0;
        for turn in 0..MORE {
            let id = format!("full-{turn}");
            match execute(self.place.channel(), add(2, &id, bytes)).await {
                Ok(_) => self.lucky += 1,
                Err(refusal) => {
                    assert_eq!(refusal.code(), Code::ResourceExhausted, "{refusal}");
                    refused += 1;
                }
            }
        }
        refused
    }

    /// Acknowledged events are stored, and no refused ones.
    async fn check(&self) {
        assert_eq!(stored(&self.place).await, self.acknowledged);
        let other = pages(self.place.channel(), "tally", root(2)).await.unwrap();
        assert_eq!(other.len(), self.lucky, "nothing refused is stored");
    }

    /// Every event reached the asynchronous projector.
    async fn check_delivery(&self) {
        let journal = &self.probes.journal;
        until(async || journal.count(&root(1)) as usize == self.acknowledged.len()).await;
        assert_eq!(journal.faults(), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_commands_and_keeps_reads() {
    let mut cramped = Cramped::new(16 << 20).await;
    let first = cramped.start().await;
    cramped.send("before", 0).await;
    cramped.disk.fill();
    let refused = cramped.send_until_full(0).await;
    assert_eq!(cramped.send_more(0).await, MORE, "all are refused");
    cramped.check().await;
    cramped.disk.make_room();
    for id in [&refused, "after"] {
        cramped.send(id, 0).await;
    }
    cramped.check().await;
    cramped.check_delivery().await;
    first.kill().await;
    let _second = cramped.start().await;
    cramped.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_a_log_with_room_is_noticed_in_time() {
    let mut cramped = Cramped::new(96 << 20).await;
    let first = cramped.start().await;
    let before = cramped.disk.size("store.db");
    // The log has its whole length once it is moved into the main file.
    for turn in 0.. {
        if cramped.disk.size("store.db") > before {
            break;
        }
        cramped.send(&format!("before-{turn}"), BULK).await;
    }
    cramped.disk.fill();
    let refused = cramped.send_until_full(BULK).await;
    // Once one is refused another may fit into the log; whatever is acknowledged must be kept.
    cramped.send_more(BULK).await;
    cramped.check().await;
    cramped.disk.make_room();
    cramped.send(&refused, BULK).await;
    cramped.check().await;
    first.kill().await;
    let _second = cramped.start().await;
    cramped.check().await;
    cramped.check_delivery().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_on_a_full_disk_opens_once_there_is_room() {
    let mut cramped = Cramped::new(16 << 20).await;
    let first = cramped.start().await;
    cramped.send("before", BULK).await;
    cramped.disk.fill();
    first.kill().await;
    let ended = cramped.disk.start(&cramped.place).ended().await;
    assert!(ended.code().is_some_and(|code| code != 0), "{ended}");
    cramped.disk.make_room();
    let _second = cramped.start().await;
    cramped.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_flush_ends_the_process_and_loses_no_acknowledged_event() {
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
    // Data of the failed flush was never written; later data must not depend on it.
    disk.cut_power(&place, Unflushed::Lost, &mut StdRng::seed_from_u64(0));
    let _last = disk.start(&place, Flushes::Kept);
    place.ready().await;
    let all: BTreeSet<_> = stored(&place).await.into_iter().collect();
    assert_eq!(
        all,
        BTreeSet::from(["one", "two", "three", "four", "five"].map(str::to_owned))
    );
}
