//! The guarantees. One function for each compares the history with the stored events.

use std::collections::{BTreeMap, BTreeSet};

use angzarr_proto::internal::v1::delivered::Message;
use angzarr_proto::internal::v1::delivery_client::DeliveryClient;
use angzarr_proto::internal::v1::subscribe_request::Request;
use angzarr_proto::internal::v1::subscribe_start::From;
use angzarr_proto::internal::v1::{AppendRecord, SubscribeRequest, SubscribeStart};
use angzarr_proto::v1;
use angzarr_proto::v1::event_page::Sequence;
use angzarr_proto::v1::event_query_client::EventQueryClient;
use tokio_stream::StreamExt;

use super::history::{History, Outcome, Placed, unexplained_in_log, unexplained_in_streams};
use super::reader::{Reader, last_position};
use crate::client::{cover, pages, root};
use crate::probe::{Ledger, Probes, Tally, note};
use crate::sidecar::{Place, until};

/// The stored events after the load.
pub struct Evidence<'a> {
    place: &'a Place,
    history: &'a History,
    /// The appends seen by the reader that read during the load.
    live: &'a Reader,
    /// The appends seen by a new reader.
    log: Vec<AppendRecord>,
    /// The place of each command in the log.
    placed: BTreeMap<String, Placed>,
    /// The streams by the numbers of their roots.
    streams: BTreeMap<u8, Vec<v1::EventPage>>,
}

impl<'a> Evidence<'a> {
    /// Reads all events of the first `roots` roots.
    pub async fn gather(
        place: &'a Place,
        history: &'a History,
        live: &'a Reader,
        roots: u8,
    ) -> Self {
        let head = head(place).await;
        let log = whole_log(place, head).await;
        until(async || live.is_at(head)).await;
        let mut streams = BTreeMap::new();
        for number in 0..roots {
            let read = pages(place.channel(), "tally", root(number)).await;
            streams.insert(number, read.unwrap());
        }
        let placed = log.iter().map(|append| {
            let id = append.command_id.clone().unwrap_or_default();
            (id, placed(append))
        });
        Self {
            place,
            history,
            live,
            placed: placed.collect(),
            log,
            streams,
        }
    }

    fn tally(&self, number: u8) -> Tally {
        let mut tally = Tally::default();
        for page in &self.streams[&number] {
            let taken = tally.take(page.event.as_ref().unwrap());
            assert_eq!(taken, Ok(()), "root {number}");
        }
        tally
    }
}

/// The position at which a subscription from now begins.
async fn head(place: &Place) -> u64 {
    let start = SubscribeStart {
        domain: "tally".to_owned(),
        from: Some(From::Now(())),
        consumer: "probe/projector/judge".to_owned(),
        ..SubscribeStart::default()
    };
    let asked = SubscribeRequest {
        request: Some(Request::Start(start)),
    };
    let requests = tokio_stream::once(asked).chain(tokio_stream::pending());
    let mut client = DeliveryClient::new(place.channel());
    let opened = client
        .subscribe(requests)
        .await
        .unwrap()
        .into_inner()
        .message()
        .await;
    match opened.unwrap().and_then(|delivered| delivered.message) {
        Some(Message::Opened(opened)) => opened.start,
        other => panic!("the subscription did not open: {other:?}"),
    }
}

async fn whole_log(place: &Place, head: u64) -> Vec<AppendRecord> {
    let reader = Reader::new(place.channel(), "tally");
    let reading = tokio::spawn(reader.clone().run());
    until(async || reader.is_at(head)).await;
    reading.abort();
    assert_eq!(reader.faults(), [""; 0]);
    reader.appends()
}

fn placed(append: &AppendRecord) -> Placed {
    let book = append.book.as_ref().unwrap();
    let root = book.cover.as_ref().unwrap().root.as_ref().unwrap().value[0];
    Placed {
        root,
        first: sequence(&book.pages[0]),
        events: book.pages.len(),
        position: last_position(append),
    }
}

fn sequence(page: &v1::EventPage) -> u32 {
    match page.sequence {
        Some(Sequence::Num(number)) => number,
        Some(Sequence::Force(_)) | None => panic!("stored events have a sequence"),
    }
}

/// G1: acknowledged commands are stored as they were acknowledged.
pub async fn g1_acknowledged_is_durable(evidence: &Evidence<'_>) {
    for command in &evidence.history.commands {
        let Outcome::Acknowledged {
            sequences,
            position,
        } = &command.outcome
        else {
            continue;
        };
        assert_eq!(sequences.len(), command.events, "{}", command.id);
        let Some(first) = sequences.first() else {
            continue;
        };
        let expected = Placed {
            root: command.root,
            first: *first,
            events: command.events,
            position: *position,
        };
        let there = evidence.placed.get(&command.id);
        assert_eq!(there, Some(&expected), "{} was acknowledged", command.id);
    }
    let mut noted = BTreeSet::new();
    for number in 0..=u8::try_from(evidence.streams.len()).unwrap() {
        let read = pages(evidence.place.channel(), "notes", root(number)).await;
        noted.extend(read.unwrap().into_iter().map(|page| page.external_id));
    }
    for fact in &evidence.history.facts {
        assert!(noted.contains(fact), "the fact {fact} was acknowledged");
    }
}

/// G2: sequences are contiguous, each event was computed from all before it, and one order explains what every client saw.
pub fn g2_each_event_follows_from_all_before(evidence: &Evidence<'_>) {
    for (number, stream) in &evidence.streams {
        for (index, page) in stream.iter().enumerate() {
            assert_eq!(sequence(page) as usize, index, "root {number}");
        }
        evidence.tally(*number);
    }
    let unexplained = unexplained_in_streams(evidence.history, &evidence.placed);
    assert_eq!(unexplained, [""; 0]);
}

/// G3: an id takes effect at most once, and nothing takes effect that was not sent.
pub async fn g3_an_id_takes_effect_at_most_once(evidence: &Evidence<'_>) {
    let asked = evidence.history.commands.iter();
    let asked: BTreeMap<_, _> = asked.map(|command| (&command.id, command.events)).collect();
    let mut seen = BTreeSet::new();
    for append in &evidence.log {
        let id = append.command_id.as_ref().unwrap();
        assert!(seen.insert(id), "{id} took effect twice");
        let events = append.book.as_ref().unwrap().pages.len();
        assert_eq!(asked.get(id), Some(&events), "{id} was sent");
    }
    for number in 0..=u8::try_from(evidence.streams.len()).unwrap() {
        let mut known = BTreeSet::new();
        let read = pages(evidence.place.channel(), "notes", root(number)).await;
        for page in read.unwrap() {
            let id = page.external_id;
            assert!(known.insert(id.clone()), "the fact {id} is there twice");
        }
    }
}

/// G4: positions are dense, in the order of the commits, the same for all readers; a reader that reads during the load skips nothing.
pub fn g4_positions_are_dense_and_nobody_skips_one(evidence: &Evidence<'_>) {
    assert_eq!(evidence.live.faults(), [""; 0]);
    let ids = |appends: &[AppendRecord]| -> Vec<_> {
        let ids = appends.iter().map(|append| append.append_id.clone());
        ids.collect()
    };
    let live = ids(&evidence.live.appends());
    assert_eq!(live, ids(&evidence.log), "all readers see the same log");
    let unexplained = unexplained_in_log(evidence.history, &evidence.placed);
    assert_eq!(unexplained, [""; 0]);
    let streams = evidence.streams.values().flatten();
    let in_streams: BTreeSet<_> = streams.map(|page| page.position).collect();
    let head = evidence.log.last().map_or(0, last_position);
    assert_eq!(in_streams, (1..=head).collect(), "streams and log agree");
}

/// G5: every event reaches every consumer, in order per root.
pub async fn g5_every_event_reaches_every_consumer(evidence: &Evidence<'_>, probes: &Probes) {
    for ledger in [&probes.ledger, &probes.journal] {
        for number in evidence.streams.keys() {
            let expected = evidence.tally(*number);
            until(async || ledger.tally(&root(*number)).count >= expected.count).await;
            assert_eq!(ledger.tally(&root(*number)), expected, "root {number}");
        }
        assert_eq!(ledger.faults(), [""; 0]);
    }
}

/// G6: commands of a saga take effect once per trigger, in the order of the triggers of a root.
pub async fn g6_a_saga_takes_effect_once_per_trigger(evidence: &Evidence<'_>) {
    let mut model: BTreeMap<u8, Vec<u32>> = BTreeMap::new();
    for append in &evidence.log {
        let placed = placed(append);
        model.entry(placed.root).or_default().push(placed.first);
    }
    for (number, triggers) in model {
        for domain in ["mirror", "notes"] {
            let read = async || {
                let read = pages(evidence.place.channel(), domain, root(number)).await;
                mirrored(domain, &read.unwrap())
            };
            until(async || read().await.len() >= triggers.len()).await;
            assert_eq!(read().await, triggers, "{domain} of root {number}");
        }
    }
}

fn mirrored(domain: &str, pages: &[v1::EventPage]) -> Vec<u32> {
    let events = pages.iter().map(|page| page.event.as_ref().unwrap());
    let trigger = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    match domain {
        "mirror" => events.map(|event| trigger(note(event))).collect(),
        _ => events.map(|event| trigger(&event.value)).collect(),
    }
}

/// G7: only the poisoned root is parked, by its consumer only; the other roots continued, and a replay delivers it completely.
pub async fn g7_a_poisoned_root_stops_itself_only(
    evidence: &Evidence<'_>,
    journal: &Ledger,
    poisoned: u8,
) {
    let place = evidence.place;
    for number in evidence.streams.keys().filter(|other| **other != poisoned) {
        let expected = evidence.tally(*number);
        until(async || journal.tally(&root(*number)) == expected).await;
    }
    until(async || parked_roots(place, "journal").await == 1).await;
    assert_eq!(parked_roots(place, "ledger").await, 0);
    assert_eq!(parked_roots(place, "mirror").await, 0);
    assert_eq!(journal.tally(&root(poisoned)), Tally::default());
    journal.poison(None);
    let named = format!("tally/{}", uuid::Uuid::from_bytes([poisoned; 16]));
    let words = ["parked", "replay", &named, "--consumer", "journal"];
    let (status, said) = place.ask(&words).await;
    assert!(status.success(), "{said}");
    assert_eq!(parked_roots(place, "journal").await, 0);
}

/// The number of roots that are parked for a consumer.
pub async fn parked_roots(place: &Place, consumer: &str) -> u64 {
    let status = place.status().await;
    let consumers = status["consumers"].as_array().unwrap();
    let found = consumers.iter().find(|found| found["name"] == consumer);
    found.unwrap()["parked"].as_u64().unwrap()
}

/// G10: the snapshot and the events after it equal the whole stream.
pub async fn g10_a_snapshot_changes_no_result(evidence: &Evidence<'_>) {
    let mut client = EventQueryClient::new(evidence.place.channel());
    for number in evidence.streams.keys() {
        let query = v1::Query {
            cover: Some(cover("tally", root(*number))),
            selection: None,
        };
        let book = client.get_event_book(query).await.unwrap().into_inner();
        assert_eq!(Tally::of(&book), Ok(evidence.tally(*number)));
    }
}
