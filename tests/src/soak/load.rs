//! Clients with different behaviour, each of which records its history.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use angzarr_proto::v1;
use angzarr_proto::v1::business_coordinator_client::BusinessCoordinatorClient;
use angzarr_proto::v1::event_page::Sequence;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::history::{Attempted, History, Outcome, Read};
use crate::client::{command, cover, execute, execute_simple, is_unknown, pages, root, sequences};
use crate::probe::any;
use crate::sidecar::WITHIN;

/// How a client behaves.
#[derive(Debug, Clone, Copy)]
enum Temper {
    /// Repeats until the outcome is known.
    Steady,
    /// Repeats until the outcome is known, and sets the expected sequence.
    Strict,
    /// Cancels its calls early and does not repeat them.
    Impatient,
    /// Sends everything twice at once, and once more when the outcome is known.
    Doubling,
    /// Records facts, and repeats facts that it recorded before.
    Recording,
    /// Reads whole streams.
    Reading,
}

/// The clients of the load.
const CROWD: [Temper; 9] = [
    Temper::Steady,
    Temper::Steady,
    Temper::Steady,
    Temper::Strict,
    Temper::Impatient,
    Temper::Impatient,
    Temper::Doubling,
    Temper::Recording,
    Temper::Reading,
];

/// Starts a crowd of clients on the first `roots` roots; `name` makes their ids unique.
pub fn start(
    channel: impl Fn() -> Channel,
    name: &str,
    roots: u8,
    random: &mut StdRng,
    is_over: &Arc<AtomicBool>,
) -> JoinSet<History> {
    start_through(&[&channel], name, roots, random, is_over)
}

/// Starts a crowd like [`start`] whose clients use several channels; facts are recorded through the first one, at their owner.
pub fn start_through(
    doors: &[&dyn Fn() -> Channel],
    name: &str,
    roots: u8,
    random: &mut StdRng,
    is_over: &Arc<AtomicBool>,
) -> JoinSet<History> {
    let mut crowd = JoinSet::new();
    for (number, temper) in CROWD.into_iter().enumerate() {
        let door = match temper {
            Temper::Recording => doors[0],
            _ => doors[number % doors.len()],
        };
        let client = Client {
            channel: door(),
            name: format!("{name}-{number}"),
            roots,
            random: rand::SeedableRng::seed_from_u64(random.random()),
            is_over: Arc::clone(is_over),
            history: History::default(),
        };
        crowd.spawn(client.run(temper));
    }
    crowd
}

/// Sends commands with a number of bytes to one root, one after the other, until the load is stopped.
pub async fn send_bulk(
    channel: Channel,
    name: String,
    to: u8,
    bytes: usize,
    is_over: Arc<AtomicBool>,
) -> History {
    let mut history = History::default();
    for number in 0_u32.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let id = format!("{name}-{number}");
        let sent = send_one(&channel, id, to, vec![number as u8; bytes]).await;
        history.commands.push(sent);
    }
    history
}

/// Sends a command with a payload, and repeats it until its outcome is known.
pub async fn send_one(channel: &Channel, id: String, to: u8, payload: Vec<u8>) -> Attempted {
    let mut book = command("Add", root(to), &id);
    book.pages[0].command = Some(any("Add", payload));
    let began = Instant::now();
    let outcome = until_known(channel, &book).await;
    Attempted {
        root: to,
        id,
        events: 1,
        began,
        ended: Instant::now(),
        outcome,
    }
}

/// Waits for a crowd and returns its history.
pub async fn gather(mut crowd: JoinSet<History>, into: &mut History) {
    while let Some(history) = crowd.join_next().await {
        into.extend(history.unwrap());
    }
}

struct Client {
    channel: Channel,
    name: String,
    roots: u8,
    random: StdRng,
    is_over: Arc<AtomicBool>,
    history: History,
}

impl Client {
    async fn run(mut self, temper: Temper) -> History {
        let mut known = None;
        for number in 0.. {
            if self.is_over.load(Ordering::Relaxed) {
                break;
            }
            let to = self.random.random_range(0..self.roots);
            let id = format!("{}-{number}", self.name);
            match temper {
                Temper::Steady => self.steady(to, &id).await,
                Temper::Strict => self.strict(to, &id).await,
                Temper::Impatient => self.impatient(to, &id).await,
                Temper::Doubling => self.doubling(to, &id).await,
                Temper::Recording => {
                    self.record(known.as_deref(), &id).await;
                    known = Some(id);
                }
                Temper::Reading => self.read(to).await,
            }
        }
        self.history
    }

    /// Chooses a command, and returns the number of its events.
    fn choose(&mut self) -> (&'static str, usize) {
        match self.random.random_range(0..20) {
            0 => ("Refuse", 0),
            1 => ("Nothing", 0),
            2..=5 => ("Twice", 2),
            _ => ("Add", 1),
        }
    }

    async fn steady(&mut self, to: u8, id: &str) {
        let (name, events) = self.choose();
        let began = Instant::now();
        let book = command(name, root(to), id);
        let outcome = until_known(&self.channel, &book).await;
        self.keep(to, id, Asked { events, began }, outcome);
    }

    async fn strict(&mut self, to: u8, id: &str) {
        let read = pages(self.channel.clone(), "tally", root(to)).await;
        let Ok(read) = read else { return };
        let mut book = command("Add", root(to), id);
        book.pages[0].merge_strategy = v1::MergeStrategy::Strict.into();
        book.pages[0].sequence = u32::try_from(read.len()).unwrap();
        let began = Instant::now();
        let outcome = until_known(&self.channel, &book).await;
        if let Outcome::Acknowledged { sequences, .. } = &outcome {
            assert_eq!(*sequences, [book.pages[0].sequence], "{id} was strict");
        }
        self.keep(to, id, Asked { events: 1, began }, outcome);
    }

    async fn impatient(&mut self, to: u8, id: &str) {
        let (name, events) = self.choose();
        let patience = Duration::from_millis(self.random.random_range(0..60));
        let book = command(name, root(to), id);
        let began = Instant::now();
        let asked = timeout(patience, execute(self.channel.clone(), book)).await;
        let outcome = match &asked {
            Ok(answer) => judge(answer),
            Err(_) => Outcome::Unknown,
        };
        self.keep(to, id, Asked { events, began }, outcome);
        if matches!(asked, Ok(Err(_))) {
            // Nobody listens, or the counter refused: nothing is gained by asking at once.
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn doubling(&mut self, to: u8, id: &str) {
        let book = command("Twice", root(to), id);
        let began = Instant::now();
        let (one, other) = tokio::join!(
            until_known(&self.channel, &book),
            until_known(&self.channel, &book)
        );
        // The later of both replies: a weaker bound on the end than the first one.
        let ended = Instant::now();
        assert_eq!(one, other, "both attempts of {id} have one outcome");
        let again = until_known(&self.channel, &book).await;
        assert_eq!(again, one, "{id} has the outcome that it had");
        self.history.commands.push(Attempted {
            root: to,
            id: id.to_owned(),
            events: 2,
            began,
            ended,
            outcome: one,
        });
    }

    async fn record(&mut self, known: Option<&str>, id: &str) {
        let facts = known.into_iter().chain([id]).map(|id| v1::EventPage {
            sequence: Some(Sequence::Force(true)),
            event: Some(any("Noted", id.as_bytes().to_vec())),
            external_id: id.to_owned(),
            ..v1::EventPage::default()
        });
        let book = v1::EventBook {
            cover: Some(cover("notes", root(self.roots))),
            pages: facts.collect(),
            ..v1::EventBook::default()
        };
        let deadline = Instant::now() + WITHIN;
        let mut client = BusinessCoordinatorClient::new(self.channel.clone());
        while let Err(status) = client.record(book.clone()).await {
            let has_no_room = status.code() == Code::ResourceExhausted;
            assert!(
                is_unknown(&status) || has_no_room,
                "the facts are sound: {status}"
            );
            assert!(Instant::now() < deadline, "no outcome in time: {status}");
            sleep(Duration::from_millis(10)).await;
        }
        self.history.facts.push(id.to_owned());
    }

    async fn read(&mut self, of: u8) {
        let began = Instant::now();
        if let Ok(read) = pages(self.channel.clone(), "tally", root(of)).await {
            self.history.reads.push(Read {
                root: of,
                events: read.len(),
                began,
                ended: Instant::now(),
            });
        }
        // A reader that never rests would leave nothing to the writers.
        sleep(Duration::from_millis(self.random.random_range(0..20))).await;
    }

    fn keep(&mut self, to: u8, id: &str, asked: Asked, outcome: Outcome) {
        self.history.commands.push(Attempted {
            root: to,
            id: id.to_owned(),
            events: asked.events,
            began: asked.began,
            ended: Instant::now(),
            outcome,
        });
    }
}

/// A command that was sent.
struct Asked {
    /// How many events it causes.
    events: usize,
    began: Instant,
}

/// Repeats a command until its outcome is known. A refusal after an attempt with an unknown outcome does not settle that attempt.
async fn until_known(channel: &Channel, book: &v1::CommandBook) -> Outcome {
    let deadline = Instant::now() + WITHIN;
    let mut is_in_doubt = false;
    loop {
        let answer = execute_simple(channel.clone(), book.clone()).await;
        match (judge(&answer), answer) {
            // It was not stored, and is repeated once there is room.
            (_, Err(status)) if status.code() == Code::ResourceExhausted => {
                assert!(Instant::now() < deadline, "no room in time: {status}");
                sleep(Duration::from_millis(10)).await;
            }
            (Outcome::Unknown, Err(status)) => {
                assert!(Instant::now() < deadline, "no outcome in time: {status}");
                is_in_doubt = true;
                sleep(Duration::from_millis(10)).await;
            }
            (Outcome::Refused, _) if is_in_doubt => return Outcome::Unknown,
            (known, _) => return known,
        }
    }
}

fn judge(answer: &Result<v1::CommandResponse, Status>) -> Outcome {
    match answer {
        Ok(response) => Outcome::Acknowledged {
            sequences: sequences(response),
            position: response.receipt.as_ref().unwrap().position,
        },
        Err(status) if is_unknown(status) => Outcome::Unknown,
        Err(status) => {
            let is_expected = matches!(
                status.code(),
                Code::FailedPrecondition | Code::Aborted | Code::ResourceExhausted
            );
            assert!(is_expected, "nothing else refuses: {status}");
            Outcome::Refused
        }
    }
}
