//! Projectors and sagas with invalid replies.

use angzarr_proto::v1;
use angzarr_proto::v1::projector_server::{Projector, ProjectorServer};
use angzarr_proto::v1::saga_server::{Saga, SagaServer};
use angzarr_tests::client::{command, cover, execute, pages, root};
use angzarr_tests::probe::{any, note};
use angzarr_tests::sidecar::until;
use angzarr_tests::soak::guarantees::parked_roots;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding::{Gzip, Zstd};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::System;

/// Reacts by the note in the first event of an append.
struct Reacting;

/// The note in the first event; a book without pages asks for the current projection, as a plain note does.
fn asked(book: &v1::EventBook) -> String {
    let Some(page) = book.pages.first() else {
        return "plain".to_owned();
    };
    let event = page.event.as_ref().unwrap();
    String::from_utf8(note(event).to_vec()).unwrap()
}

fn to(book: &v1::EventBook, domain: &str) -> v1::Cover {
    v1::Cover {
        domain: domain.to_owned(),
        ..book.cover.clone().unwrap()
    }
}

/// A command to add a note to the same root of a domain.
fn add(book: &v1::EventBook, domain: &str, note: &[u8]) -> v1::CommandBook {
    v1::CommandBook {
        cover: Some(to(book, domain)),
        pages: vec![v1::CommandPage {
            command: Some(any("Add", note.to_vec())),
            ..v1::CommandPage::default()
        }],
        ..v1::CommandBook::default()
    }
}

/// A command that is refused with a long text.
fn long(domain: &str, book: &v1::EventBook) -> v1::CommandBook {
    let mut long = add(book, domain, b"");
    long.pages[0].command = Some(any("Long9", Vec::new()));
    long
}

fn commands(book: &v1::EventBook, name: &str) -> Vec<v1::CommandBook> {
    let plain = add(book, "mirror", b"m");
    match name {
        "unknown-domain" => vec![add(book, "nowhere", b"m"), plain],
        "own-id" => {
            let own = v1::CommandBook {
                command_id: "mine".to_owned(),
                ..plain
            };
            vec![own.clone(), own]
        }
        "oversized" => vec![add(book, "mirror", &vec![1; 2 << 20]), plain],
        "refused-at-length" => vec![long("hostile", book), long("hostile", book)],
        "itself" => vec![add(book, "tally", b"quiet"), plain],
        "no-cover" => vec![
            v1::CommandBook {
                cover: None,
                ..plain.clone()
            },
            plain,
        ],
        "edition" => {
            let mut branch = plain.clone();
            branch.cover.as_mut().unwrap().edition = Some("draft".to_owned());
            vec![branch, plain]
        }
        "no-pages" => vec![
            v1::CommandBook {
                pages: Vec::new(),
                ..plain.clone()
            },
            plain,
        ],
        "odd-domain" => vec![add(book, "no domain\0at all", b"m"), plain],
        "many" => (0..500_u32)
            .map(|index| add(book, "mirror", &index.to_le_bytes()))
            .collect(),
        "quiet" => Vec::new(),
        _ => vec![plain],
    }
}

fn facts(book: &v1::EventBook, name: &str) -> Vec<v1::EventBook> {
    let fact = |count: usize, event: Option<prost_types::Any>| {
        let page = v1::EventPage {
            event,
            ..v1::EventPage::default()
        };
        v1::EventBook {
            cover: Some(to(book, "notes")),
            pages: vec![page; count],
            ..v1::EventBook::default()
        }
    };
    match name {
        "facts-without-event" => vec![fact(1, None)],
        "facts-none" => vec![fact(0, None)],
        "facts-many" => vec![fact(1_001, Some(any("Noted", vec![1])))],
        _ => Vec::new(),
    }
}

#[tonic::async_trait]
impl Saga for Reacting {
    async fn handle(&self, _: Request<v1::EventBook>) -> Result<Response<()>, Status> {
        Err(Status::unimplemented("it returns commands"))
    }

    async fn handle_sync(
        &self,
        request: Request<v1::EventBook>,
    ) -> Result<Response<v1::SagaResponse>, Status> {
        let book = request.into_inner();
        let name = asked(&book);
        Ok(Response::new(v1::SagaResponse {
            commands: commands(&book, &name),
            events: facts(&book, &name),
        }))
    }
}

#[tonic::async_trait]
impl Projector for Reacting {
    async fn handle(&self, _: Request<v1::EventBook>) -> Result<Response<()>, Status> {
        Err(Status::unimplemented("it returns projections"))
    }

    async fn handle_sync(
        &self,
        request: Request<v1::EventBook>,
    ) -> Result<Response<v1::Projection>, Status> {
        let book = request.into_inner();
        let projection = |bytes| v1::Projection {
            cover: book.cover.clone(),
            projector: "odd".to_owned(),
            sequence: 0,
            projection: Some(any("Odd", vec![1; bytes])),
        };
        match asked(&book).as_str() {
            "huge" => Ok(Response::new(projection(21 << 20))),
            "no-cover" => Ok(Response::new(v1::Projection {
                cover: None,
                ..projection(1)
            })),
            "short-root" => {
                let mut odd = projection(1);
                let root = odd.cover.as_mut().unwrap().root.as_mut().unwrap();
                root.value = vec![1; 3].into();
                Ok(Response::new(odd))
            }
            "hang" => std::future::pending().await,
            _ => Ok(Response::new(projection(1))),
        }
    }
}

pub(super) async fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Server::builder()
        .add_service(
            ProjectorServer::new(Reacting)
                .max_encoding_message_size(usize::MAX)
                .send_compressed(Gzip),
        )
        .add_service(SagaServer::new(Reacting).send_compressed(Zstd));
    tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
    port
}

impl System {
    /// Adds an event with a note to a root of `tally`.
    pub(super) async fn note(&self, number: u8, note: &str) {
        let mut asked = command("Add", root(number), &format!("{number}-{note}"));
        asked.pages[0].command = Some(any("Add", note.as_bytes().to_vec()));
        execute(self.place.channel(), asked).await.unwrap();
    }

    async fn length(&self, domain: &str, number: u8) -> usize {
        let read = pages(self.place.channel(), domain, root(number)).await;
        read.unwrap().len()
    }

    pub(super) async fn said_of(&self, consumer: &str) -> String {
        let words = ["parked", "list", "--consumer", consumer];
        self.place.ask(&words).await.1
    }
}

async fn with_saga() -> System {
    let port = serve().await;
    System::start(&format!("- {{kind: saga, name: odd, sources: [{{domain: tally}}], startFrom: beginning, logic: '127.0.0.1:{port}'}}\n")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_command_of_a_saga_is_parked_alone_and_the_root_continues() {
    let system = with_saga().await;
    let refused = [
        ("oversized", "bytes"),
        ("no-cover", "cover"),
        ("edition", "edition"),
        ("no-pages", "pages"),
        ("odd-domain", "domain"),
    ];
    for (index, (name, _)) in refused.iter().enumerate() {
        let number = u8::try_from(index).unwrap() + 1;
        system.note(number, name).await;
        // The well-behaved saga also mirrors each append once.
        until(async || system.length("mirror", number).await == 2).await;
    }
    let facts = ["facts-without-event", "facts-none", "facts-many"];
    for (number, name) in (20_u8..).zip(facts) {
        system.note(number, name).await;
        until(async || system.length("mirror", number).await == 2).await;
    }
    let all = refused.len() + facts.len();
    until(async || system.said_of("odd").await.matches("\nodd ").count() == all).await;
    let said = system.said_of("odd").await;
    for (name, says) in refused {
        assert!(said.contains(says), "{name} in {said}");
    }
    assert_eq!(parked_roots(&system.place, "odd").await, 0);
    system.expect_health("a saga").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_to_an_unserved_domain_waits_without_blocking_other_roots() {
    let system = with_saga().await;
    system.note(1, "unknown-domain").await;
    system.note(2, "plain").await;
    until(async || system.length("mirror", 2).await == 2).await;
    until(async || {
        let status = system.place.status().await.to_string();
        status.contains("no route leads to domain nowhere")
    })
    .await;
    // Later commands of the same trigger also wait.
    assert_eq!(system.length("mirror", 1).await, 1);
    assert_eq!(parked_roots(&system.place, "odd").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_are_derived_and_self_commands_end_and_many_commands_keep_their_order() {
    let system = with_saga().await;
    system.note(1, "own-id").await;
    until(async || system.length("mirror", 1).await == 3).await;
    system.note(2, "itself").await;
    until(async || system.length("tally", 2).await == 2).await;
    system.note(3, "many").await;
    until(async || system.length("mirror", 3).await == 501).await;
    let read = pages(system.place.channel(), "mirror", root(3)).await;
    let mut last = None;
    for page in read.unwrap() {
        let note = note(page.event.as_ref().unwrap()).to_vec();
        let number = u32::from_le_bytes(note.try_into().unwrap());
        // The only note of the other saga is also 0, and may be anywhere.
        if number > 0 {
            assert_eq!(number, last.unwrap_or(0) + 1);
            last = Some(number);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projection_that_breaks_the_contract_parks_only_its_root() {
    let port = serve().await;
    let odd = format!(
        "- {{kind: projector, name: odd, mode: sync, sources: [{{domain: tally}}], logic: '127.0.0.1:{port}'}}\n"
    );
    let system = System::start(&odd).await;
    let breaches = ["huge", "short-root", "hang"];
    for (number, name) in (1_u8..).zip(breaches) {
        system.note(number, name).await;
    }
    system.note(9, "plain").await;
    let parked = breaches.len() as u64;
    until(async || parked_roots(&system.place, "odd").await == parked).await;
    let asked = v1::CommandBook {
        cover: Some(cover("tally", root(9))),
        ..command("Add", root(9), "simple")
    };
    let answer = angzarr_tests::client::execute_simple(system.place.channel(), asked).await;
    let reached = answer.unwrap().receipt.unwrap().consumers_reached;
    assert_eq!(reached, ["ledger", "odd"]);
    assert_eq!(parked_roots(&system.place, "ledger").await, 0);
    assert_eq!(system.probes.ledger.faults(), [""; 0]);
}
