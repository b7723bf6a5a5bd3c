//! Text that nobody expects, in every text field of a request, on each store: it is refused or kept as it is, and harms nobody else.

use angzarr_proto::v1;
use angzarr_servers::postgres::Server;
use angzarr_tests::client::{command, cover, execute, root};
use angzarr_tests::probe::{Probes, any};
use angzarr_tests::sidecar::{Place, until};
use bytes::{Buf, BufMut};
use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};

use crate::PROGRAM;

/// Stands in a request for the text; as long as what replaces it where that is not UTF-8.
const MARK: &str = "MARKMARK";

/// Messages as they are.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        buffer.advance(buffer.remaining());
        Ok(Some(()))
    }
}

/// A request with a text in one field: the rpc, the field, and how to build it.
type Field = (&'static str, &'static str, fn(&str) -> Vec<u8>);

const HANDLE: &str = "/angzarr.v1.BusinessCoordinator/Handle";
const RECORD: &str = "/angzarr.v1.BusinessCoordinator/Record";
const EVENTS: &str = "/angzarr.v1.EventQuery/GetEvents";
const HINT: &str = "/angzarr.v1.ProjectorCoordinator/Handle";

fn handle(spoil: impl FnOnce(&mut v1::CommandBook)) -> Vec<u8> {
    let mut book = command("Add", root(1), "");
    spoil(&mut book);
    book.encode_to_vec()
}

fn record(spoil: impl FnOnce(&mut v1::EventBook)) -> Vec<u8> {
    let mut book = v1::EventBook {
        cover: Some(cover("notes", root(1))),
        pages: vec![v1::EventPage {
            sequence: Some(v1::event_page::Sequence::Force(true)),
            event: Some(any("Added", vec![1])),
            external_id: "fact".to_owned(),
            ..v1::EventPage::default()
        }],
        ..v1::EventBook::default()
    };
    spoil(&mut book);
    book.encode_to_vec()
}

fn of(cover: &mut Option<v1::Cover>) -> &mut v1::Cover {
    cover.as_mut().unwrap()
}

fn origin(of: v1::Cover, name: &str) -> Option<v1::SagaCommandOrigin> {
    Some(v1::SagaCommandOrigin {
        saga_name: name.to_owned(),
        triggering_aggregate: Some(of),
        ..v1::SagaCommandOrigin::default()
    })
}

fn asking(cover: v1::Cover) -> Vec<u8> {
    let query = v1::Query {
        cover: Some(cover),
        selection: None,
    };
    query.encode_to_vec()
}

fn with(change: impl FnOnce(&mut v1::Cover)) -> v1::Cover {
    let mut changed = cover("tally", root(1));
    change(&mut changed);
    changed
}

const FIELDS: &[Field] = &[
    (HANDLE, "cover.domain", |text| {
        handle(|book| of(&mut book.cover).domain = text.into())
    }),
    (HANDLE, "cover.edition", |text| {
        handle(|book| of(&mut book.cover).edition = Some(text.into()))
    }),
    (HANDLE, "cover.correlation_id", |text| {
        handle(|book| of(&mut book.cover).correlation_id = text.into())
    }),
    (HANDLE, "command_id", |text| {
        handle(|book| book.command_id = text.into())
    }),
    (HANDLE, "command.type_url", |text| {
        handle(|book| book.pages[0].command.as_mut().unwrap().type_url = text.into())
    }),
    (HANDLE, "saga_origin.saga_name", |text| {
        handle(|book| book.saga_origin = origin(cover("tally", root(1)), text))
    }),
    (HANDLE, "saga_origin.domain", |text| {
        handle(|book| book.saga_origin = origin(with(|it| it.domain = text.into()), "tidy"))
    }),
    (HANDLE, "saga_origin.edition", |text| {
        handle(|book| book.saga_origin = origin(with(|it| it.edition = Some(text.into())), "tidy"))
    }),
    (RECORD, "cover.domain", |text| {
        record(|book| of(&mut book.cover).domain = text.into())
    }),
    (RECORD, "cover.edition", |text| {
        record(|book| of(&mut book.cover).edition = Some(text.into()))
    }),
    (RECORD, "cover.correlation_id", |text| {
        record(|book| of(&mut book.cover).correlation_id = text.into())
    }),
    (RECORD, "external_id", |text| {
        record(|book| book.pages[0].external_id = text.into())
    }),
    (RECORD, "event.type_url", |text| {
        record(|book| book.pages[0].event.as_mut().unwrap().type_url = text.into())
    }),
    (EVENTS, "cover.domain", |text| {
        asking(with(|it| it.domain = text.into()))
    }),
    (EVENTS, "cover.edition", |text| {
        asking(with(|it| it.edition = Some(text.into())))
    }),
    (EVENTS, "cover.correlation_id", |text| {
        asking(with(|it| it.correlation_id = text.into()))
    }),
    (HINT, "cover.domain", |text| {
        record(|book| of(&mut book.cover).domain = text.into())
    }),
    (HINT, "cover.correlation_id", |text| {
        record(|book| of(&mut book.cover).correlation_id = text.into())
    }),
];

fn not_utf8(mut request: Vec<u8>) -> Vec<u8> {
    let mark = MARK.as_bytes();
    let at = request
        .windows(mark.len())
        .position(|window| window == mark);
    let at = at.unwrap();
    request[at..at + mark.len()].fill(0xff);
    request
}

async fn send(place: &Place, rpc: &'static str, request: Vec<u8>) -> Result<(), Status> {
    let mut client = tonic::client::Grpc::new(place.channel());
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static(rpc);
    let answered = client
        .server_streaming(Request::new(request), path, Raw)
        .await?;
    let mut messages = answered.into_inner();
    while messages.message().await?.is_some() {}
    Ok(())
}

async fn survives_every_text(place: Place, probes: &Probes) {
    let _process = place.start_ready().await;
    let long = "x".repeat(1 << 20);
    let mut wrong = Vec::new();
    for (rpc, field, build) in FIELDS {
        let texts = ["a\0b", "a\u{1b}[31m\r\nb", "\u{202e}a\u{fffe}", &long];
        let named = texts
            .iter()
            .map(|text| (build(text), &text[..text.len().min(8)]));
        let broken = [(not_utf8(build(MARK)), "not UTF-8")];
        for (request, text) in named.chain(broken) {
            let refused = send(&place, rpc, request).await.err();
            // What is not UTF-8 is no message at all; one that is too long is not read.
            let is_told = refused.as_ref().is_none_or(|status| {
                let is_known = matches!(
                    status.code(),
                    Code::InvalidArgument
                        | Code::NotFound
                        | Code::Unimplemented
                        | Code::OutOfRange
                        | Code::Internal
                );
                is_known && status.message().len() < 4_096
            });
            let must_refuse = text.contains('\0') && !field.ends_with("saga_name");
            if !is_told || (must_refuse && refused.is_none()) {
                wrong.push(format!("{rpc} {field} {text:?}: {refused:?}"));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    // Those who did nothing wrong are served, and what was kept is delivered.
    let asked = command("Add", root(9), "after");
    execute(place.channel(), asked).await.unwrap();
    until(async || probes.journal.count(&root(9)) == 1).await;
    let status = place.status().await;
    for consumer in status["consumers"].as_array().unwrap() {
        assert_eq!(consumer["parked"], 0, "{consumer}");
        assert_eq!(consumer["sources"][0]["state"], "live", "{consumer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_text_harms_a_store_in_a_file() {
    let probes = Probes::start().await;
    survives_every_text(Place::new(PROGRAM, &probes.components()), &probes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_text_harms_a_store_on_a_server() {
    let probes = Probes::start().await;
    let database = Server::shared().await.database().await;
    let place = Place::over(PROGRAM, &database.url(), &probes.components());
    survives_every_text(place, &probes).await;
}
