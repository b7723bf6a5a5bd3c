//! Calls the program over gRPC like a sidecar, and reads its page like a browser.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says why and ends"
)]

use std::path::Path;

use angzarr_proto::v1::event_page::Sequence;
use angzarr_proto::v1::projector_client::ProjectorClient;
use angzarr_proto::v1::{Cover, EventBook, EventPage, Projection, Uuid};
use prost_types::Any;
use shop_contract::order::v1::{OrderCancelled, OrderCreated, OrderStatus};
use shop_contract::web::v1::OrderView;
use shop_contract::{decode, encode};
use shop_features::{Program, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::{Code, Status};

/// The projector and the port of its page.
struct Web {
    program: Program,
    page: u16,
}

impl Web {
    async fn start(database: &Path) -> Self {
        let page = free_port().unwrap();
        let settings = [
            ("WEB_DATABASE", database.display().to_string()),
            ("PAGE_ADDRESS", format!("127.0.0.1:{page}")),
        ];
        let built = env!("CARGO_BIN_EXE_shop-web");
        let program = Program::start("web", built, &settings).await.unwrap();
        Self { program, page }
    }

    async fn take(&self, from: u32, events: &[Any]) -> Result<Projection, Status> {
        let page = |(sequence, event): (u32, &Any)| EventPage {
            sequence: Some(Sequence::Num(sequence)),
            event: Some(event.clone()),
            ..EventPage::default()
        };
        let book = EventBook {
            cover: Some(Cover {
                domain: "order".to_owned(),
                root: Some(Uuid {
                    value: vec![7; 16].into(),
                }),
                ..Cover::default()
            }),
            pages: (from..).zip(events).map(page).collect(),
            ..EventBook::default()
        };
        let answer = ProjectorClient::new(self.program.channel())
            .handle_sync(book)
            .await?;
        Ok(answer.into_inner())
    }

    async fn page(&self) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.page)).await.unwrap();
        stream
            .write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

fn created() -> Any {
    encode(&OrderCreated {
        customer_id: "Ada".to_owned(),
        subtotal_cents: 1_205,
        ..OrderCreated::default()
    })
}

fn cancelled() -> Any {
    encode(&OrderCancelled::default())
}

fn view(projection: &Projection) -> Option<OrderView> {
    decode(projection.projection.as_ref()?).unwrap()
}

#[tokio::test]
async fn the_row_and_its_progress_survive_the_program_and_a_repeat_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.db");
    let web = Web::start(&file).await;
    let first = web.take(0, &[created()]).await.unwrap();
    assert_eq!(view(&first).unwrap().status(), OrderStatus::Pending);
    let second = web.take(1, &[cancelled()]).await.unwrap();
    web.program.stop().await.unwrap();

    let web = Web::start(&file).await;
    let repeat = web.take(0, &[created()]).await.unwrap();
    assert_eq!(repeat, second, "a repeat returns the current row");
    assert_eq!(view(&repeat).unwrap().status(), OrderStatus::Cancelled);
    let asked = web.take(0, &[]).await.unwrap();
    assert_eq!(asked, second, "a book without pages asks for the row");
    let page = web.page().await;
    assert!(page.contains("<h1>Orders (1)</h1>"), "{page}");
    assert!(page.contains("<td>12.05<td>0<td>cancelled</tr>"), "{page}");
    web.program.stop().await.unwrap();
}

#[tokio::test]
async fn a_gap_is_refused_and_leaves_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let web = Web::start(&folder.path().join("web.db")).await;
    let refused = web.take(1, &[cancelled()]).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(view(&web.take(0, &[]).await.unwrap()), None);
    web.program.stop().await.unwrap();
}

#[tokio::test]
async fn the_rows_are_rebuilt_from_the_first_event() {
    let folder = tempfile::tempdir().unwrap();
    let mut built = Vec::new();
    for file in ["first.db", "second.db"] {
        let web = Web::start(&folder.path().join(file)).await;
        web.take(0, &[created(), cancelled()]).await.unwrap();
        built.push(web.take(0, &[]).await.unwrap());
        web.program.stop().await.unwrap();
    }
    assert_eq!(built[0], built[1]);
    assert!(view(&built[0]).is_some());
}
