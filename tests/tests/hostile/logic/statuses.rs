//! Statuses with long texts, read by clients that take no more than 8 KB of headers, as those of Java do.

use std::time::Duration;

use angzarr_proto::v1;
use angzarr_proto::v1::command_gateway_client::CommandGatewayClient;
use angzarr_tests::client::{command, cover, root};
use angzarr_tests::sidecar::{Place, Process, until};
use futures::future::join_all;
use prost::Message;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::scripted::RpcStatus;
use super::{System, consumers, scripted};
use crate::PROGRAM;

/// What a strict client reads.
const STRICT: u32 = 8 << 10;

fn strict(place: &Place) -> CommandGatewayClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{}", place.grpc)).unwrap();
    CommandGatewayClient::new(endpoint.http2_max_header_list_size(STRICT).connect_lazy())
}

async fn refusal(place: &Place, book: v1::CommandBook) -> Status {
    strict(place).execute(book).await.unwrap_err()
}

fn to_hostile(name: &str) -> v1::CommandBook {
    v1::CommandBook {
        cover: Some(cover("hostile", root(1))),
        ..command(name, root(1), &"i".repeat(200))
    }
}

async fn with_scripted(more: &str) -> System {
    let logic = scripted::serve().await;
    let scripted = format!("- {{kind: aggregate, domain: hostile, logic: '127.0.0.1:{logic}'}}\n");
    System::start(&(scripted + more)).await
}

/// A sidecar that forwards the commands for the scripted logic.
async fn start_gateway(system: &System) -> (Place, Process) {
    let gateway = Place::new(PROGRAM, &system.probes.bystander());
    gateway.route_domain_to("hostile", &system.place);
    let running = gateway.start_ready().await;
    (gateway, running)
}

#[track_caller]
fn expect_cut(refused: &Status, code: Code) {
    assert_eq!(refused.code(), code, "{refused}");
    let said = refused.message();
    assert!(
        said.starts_with("é é ") && said.contains("150000"),
        "{said}"
    );
    let details = RpcStatus::decode(refused.details()).unwrap();
    assert_eq!(details.code, code as i32);
    assert_eq!(details.details.len(), 1, "the detail that fits is kept");
    assert_eq!(details.details[0].value, [7; 9]);
    let id = refused.metadata().get("x-angzarr-command-id");
    assert_eq!(id.unwrap().len(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_status_of_the_logic_keeps_its_code_and_is_cut_to_what_clients_read() {
    let system = with_scripted("").await;
    let (gateway, _running) = start_gateway(&system).await;
    for place in [&system.place, &gateway] {
        // UNIMPLEMENTED says that the logic lacks the rpc, which is no status for the caller.
        for code in (1..=16).filter(|code| *code != 12) {
            let refused = refusal(place, to_hostile(&format!("Long{code}"))).await;
            expect_cut(&refused, Code::from(code));
        }
    }
    assert_eq!(system.stored("hostile").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_at_the_deadline_names_the_command_to_repeat() {
    let system = with_scripted("").await;
    let (gateway, _running) = start_gateway(&system).await;
    for place in [&system.place, &gateway] {
        // The first waits for the logic, the others for their turn.
        let hasty = (0..3).map(|_| async {
            let mut book = to_hostile("Hang");
            book.command_id = String::new();
            let mut request = tonic::Request::new(book);
            request.set_timeout(Duration::from_millis(900));
            strict(place).execute(request).await.unwrap_err()
        });
        for refused in join_all(hasty).await {
            let id = refused.metadata().get("x-angzarr-command-id");
            assert!(id.is_some_and(|id| id.len() == 36), "{refused:?}");
        }
    }
    assert_eq!(system.stored("hostile").await, 0);
}

#[tokio::test]
async fn a_long_value_in_a_request_is_named_by_its_beginning() {
    let system = with_scripted("").await;
    let long = "é".repeat(50_000);
    let mut of_domain = to_hostile("Good");
    of_domain.cover.as_mut().unwrap().domain = long.clone();
    let mut of_edition = to_hostile("Good");
    of_edition.cover.as_mut().unwrap().edition = Some(long.clone());
    let mut of_correlation = to_hostile("Good");
    of_correlation.cover.as_mut().unwrap().correlation_id = long.clone();
    let mut of_id = to_hostile("Good");
    of_id.command_id = long.clone();
    let cases = [
        (of_domain, "cover.domain"),
        (of_edition, "cover.edition"),
        (of_correlation, "cover.correlation_id"),
        (of_id, "command_id"),
        (to_hostile(&long), "éé"),
    ];
    for (book, says) in cases {
        let refused = refusal(&system.place, book).await;
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert!(refused.message().contains(says), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_refused_at_length_is_final_and_can_be_listed_and_discarded() {
    let port = consumers::serve().await;
    let saga = format!(
        "- {{kind: saga, name: odd, sources: [{{domain: tally}}], startFrom: beginning, logic: '127.0.0.1:{port}'}}\n"
    );
    let system = with_scripted(&saga).await;
    system.note(1, "refused-at-length").await;
    until(async || system.said_of("odd").await.matches("\nodd ").count() == 2).await;
    let listed = system.said_of("odd").await;
    assert!(listed.len() < 13 << 10, "{} bytes", listed.len());
    let json = system.place.ask_http("GET", "/refused?consumer=odd").await;
    let (_, body) = json.split_once("\r\n\r\n").unwrap();
    let page: serde_json::Value = serde_json::from_str(body).unwrap();
    for work in page["refused"].as_array().unwrap() {
        let id = work["id"].as_str().unwrap();
        let words = ["parked", "discard", "--consumer", "odd", id];
        let (status, said) = system.place.ask(&words).await;
        assert!(status.success(), "{said}");
    }
    until(async || system.said_of("odd").await.matches("\nodd ").count() == 0).await;
}
