//! Logic of an aggregate whose reply is selected by the name of the command.

use angzarr_proto::v1;
use angzarr_proto::v1::business_logic_server::{BusinessLogic, BusinessLogicServer};
use angzarr_proto::v1::event_page::Sequence;
use angzarr_tests::probe::any;
use prost::Message;
use prost_types::{Any, Timestamp};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status, Streaming};

/// Replies that break the contract: the name of the command, the status code, and the text in the message. The root has one event.
pub(crate) const BREACHES: &[(&str, Code, &str)] = &[
    ("OtherDomain", Code::Internal, "cover.domain"),
    ("OtherRoot", Code::Internal, "cover.root"),
    ("ShortRoot", Code::Internal, "cover.root"),
    ("OtherEdition", Code::Internal, "cover.edition"),
    ("OtherCorrelation", Code::Internal, "cover.correlation_id"),
    ("Gap", Code::Internal, "pages[1].num"),
    ("Again", Code::Internal, "pages[1].num"),
    ("Before", Code::Internal, "pages[0].num"),
    ("Last", Code::Internal, "pages[0].num"),
    ("NoEvent", Code::Internal, "pages[0].event"),
    ("NoType", Code::Internal, "pages[0].event"),
    ("TimeNowhere", Code::Internal, "pages[0].created_at"),
    ("TimeTorn", Code::Internal, "pages[0].created_at"),
    ("LargePage", Code::Internal, "pages[0].event"),
    ("LargeAppend", Code::Internal, "bytes"),
    ("ManyPages", Code::Internal, "1001 events"),
    ("LargeSnapshot", Code::Internal, "snapshot_state"),
    ("OverGrpc", Code::Internal, "bytes"),
    ("Hang", Code::Unavailable, "logic"),
];

/// Unusual but valid types.
pub(crate) fn odd_types() -> Vec<Any> {
    let named = |type_url: &str| Any {
        type_url: type_url.to_owned(),
        value: vec![0xff; 3],
    };
    vec![
        named("no-slash"),
        named("a/b/c/probe.v1.Deep"),
        named("type.googleapis.com/ünicode.Ω"),
        named("type.googleapis.com/with space'; DROP TABLE append; --"),
        Any {
            type_url: "type.googleapis.com/probe.v1.Empty".to_owned(),
            value: Vec::new(),
        },
    ]
}

/// `google.rpc.Status`, which the details of a status hold.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) details: Vec<Any>,
}

/// A status whose message and details each are longer than a header may be by default.
fn long_status(code: Code) -> Status {
    let message = "é ".repeat(50_000);
    let details = RpcStatus {
        code: code.into(),
        message: message.clone(),
        details: vec![any("Why", vec![7; 9]), any("Why", vec![8; 100_000])],
    };
    Status::with_details(code, message, details.encode_to_vec().into())
}

/// Serves it on a free port.
pub(crate) async fn serve() -> u16 {
    serve_as(BusinessLogicServer::new(Scripted)).await
}

/// Serves it on a free port, with compressed replies to clients that accept them.
pub(crate) async fn serve_compressed(encoding: CompressionEncoding) -> u16 {
    let service = BusinessLogicServer::new(Scripted).accept_compressed(encoding);
    serve_as(service.send_compressed(encoding)).await
}

async fn serve_as(service: BusinessLogicServer<Scripted>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let service = service.max_encoding_message_size(usize::MAX);
    let router = Server::builder().add_service(service);
    tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
    port
}

pub(crate) struct Scripted;

fn page(sequence: Option<u32>) -> v1::EventPage {
    sized(sequence, 3)
}

fn sized(sequence: Option<u32>, bytes: usize) -> v1::EventPage {
    v1::EventPage {
        sequence: sequence.map(Sequence::Num),
        event: Some(any("Good", vec![1; bytes])),
        ..v1::EventPage::default()
    }
}

fn at(seconds: i64, nanos: i32) -> v1::EventPage {
    v1::EventPage {
        created_at: Some(Timestamp { seconds, nanos }),
        ..page(None)
    }
}

fn holding(pages: Vec<v1::EventPage>) -> v1::EventBook {
    v1::EventBook {
        pages,
        ..v1::EventBook::default()
    }
}

fn covered(cover: v1::Cover) -> v1::EventBook {
    v1::EventBook {
        cover: Some(cover),
        ..holding(vec![page(None)])
    }
}

fn rooted(bytes: usize) -> v1::EventBook {
    covered(v1::Cover {
        root: Some(v1::Uuid {
            value: vec![9; bytes].into(),
        }),
        ..v1::Cover::default()
    })
}

fn with_event(event: Option<Any>) -> v1::EventBook {
    holding(vec![v1::EventPage {
        event,
        ..v1::EventPage::default()
    }])
}

fn of_cover(name: &str) -> Option<v1::EventBook> {
    let book = match name {
        "OtherDomain" => covered(v1::Cover {
            domain: "tally".to_owned(),
            ..v1::Cover::default()
        }),
        "OtherRoot" => rooted(16),
        "ShortRoot" => rooted(15),
        "OtherEdition" => covered(v1::Cover {
            edition: Some("draft".to_owned()),
            ..v1::Cover::default()
        }),
        "OtherCorrelation" => covered(v1::Cover {
            correlation_id: "another".to_owned(),
            ..v1::Cover::default()
        }),
        _ => return None,
    };
    Some(book)
}

fn of_pages(name: &str, next: u32) -> Option<v1::EventBook> {
    let book = match name {
        "Good" => holding(vec![page(None)]),
        "OddTypes" => holding(
            odd_types()
                .into_iter()
                .map(|event| with_event(Some(event)).pages.remove(0))
                .collect(),
        ),
        "Gap" => holding(vec![page(Some(next)), page(Some(next + 2))]),
        "Again" => holding(vec![page(Some(next)), page(Some(next))]),
        "Before" => holding(vec![page(Some(next - 1))]),
        "Last" => holding(vec![page(Some(u32::MAX))]),
        "NoEvent" => with_event(None),
        "NoType" => with_event(Some(Any::default())),
        "TimeNowhere" => holding(vec![at(i64::MAX, 0)]),
        "TimeTorn" => holding(vec![at(1_700_000_000, -1)]),
        "LargePage" => holding(vec![sized(None, 2 << 20)]),
        "LargeAppend" => holding(vec![sized(None, 900 << 10); 5]),
        "ManyPages" => holding(vec![page(None); 1_001]),
        "OverGrpc" => holding(vec![sized(None, 900 << 10); 24]),
        "SnapshotOnly" => v1::EventBook {
            snapshot_state: Some(any("State", vec![1])),
            ..v1::EventBook::default()
        },
        "LargeSnapshot" => v1::EventBook {
            snapshot_state: Some(any("State", vec![1; 5 << 20])),
            ..holding(vec![page(None)])
        },
        _ => return None,
    };
    Some(book)
}

#[tonic::async_trait]
impl BusinessLogic for Scripted {
    type HandleStreamStream = tokio_stream::Empty<Result<v1::HandleStreamResponse, Status>>;

    async fn handle(
        &self,
        request: Request<v1::ContextualCommand>,
    ) -> Result<Response<v1::EventBook>, Status> {
        let asked = request.into_inner();
        let next = asked.events.unwrap().next_sequence;
        let command = asked.command.unwrap();
        let name = command.pages[0].command.as_ref().unwrap().type_url.clone();
        let name = name.rsplit('.').next().unwrap();
        if let Some(code) = name.strip_prefix("Status") {
            let says = format!("the logic says {code}");
            let code = Code::from(code.parse::<i32>().unwrap());
            return Err(Status::with_details(code, says, vec![7, 8, 9].into()));
        }
        if let Some(code) = name.strip_prefix("Long") {
            return Err(long_status(Code::from(code.parse::<i32>().unwrap())));
        }
        if name == "Hang" {
            return std::future::pending().await;
        }
        let book = of_cover(name).or_else(|| of_pages(name, next));
        book.map(Response::new)
            .ok_or_else(|| Status::invalid_argument(format!("{name} is not a command")))
    }

    async fn handle_stream(
        &self,
        _: Request<Streaming<v1::HandleStreamRequest>>,
    ) -> Result<Response<Self::HandleStreamStream>, Status> {
        Err(Status::unimplemented("there is no stream"))
    }

    async fn replay(
        &self,
        _: Request<v1::ReplayRequest>,
    ) -> Result<Response<v1::ReplayResponse>, Status> {
        Err(Status::unimplemented("there is no replay"))
    }
}
