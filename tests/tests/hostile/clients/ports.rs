//! The ports: health and reflection under load, and bytes that are not a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use angzarr_tests::client::root;
use angzarr_tests::soak::history::History;
use angzarr_tests::soak::load;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_stream::StreamExt;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use super::System;

async fn services(system: &System) -> Vec<String> {
    let asked = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(system.place.channel());
    let answered = client
        .server_reflection_info(tokio_stream::iter([asked]))
        .await;
    let first = answered.unwrap().into_inner().next().await.unwrap();
    match first.unwrap().message_response {
        Some(MessageResponse::ListServicesResponse(list)) => list
            .service
            .into_iter()
            .map(|service| service.name)
            .collect(),
        other => panic!("expected a list: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_reflection_are_correct_under_load() {
    let system = System::start().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut random = StdRng::seed_from_u64(1);
    let crowd = load::start(|| system.place.channel(), "busy", 4, &mut random, &is_over);
    for _ in 0..20 {
        let mut health = HealthClient::new(system.place.channel());
        let asked = HealthCheckRequest {
            service: "angzarr.v1.CommandGateway".to_owned(),
        };
        let status = health.check(asked).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving);
        let listed = services(&system).await;
        assert!(listed.contains(&"angzarr.v1.EventQuery".to_owned()));
        assert!(
            system
                .place
                .ask_http("GET", "/metrics")
                .await
                .contains("200 OK")
        );
    }
    is_over.store(true, Ordering::Relaxed);
    let mut history = History::default();
    load::gather(crowd, &mut history).await;
    assert!(history.outcomes()[0] > 0);
}

/// Writes bytes to a port and waits for the end of the response.
async fn throw(port: u16, bytes: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // It may close the connection in between.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
}

#[tokio::test]
async fn bytes_that_are_not_a_request_disturb_no_other_client() {
    let system = System::start().await;
    let garbage: [&[u8]; 8] = [
        b"",
        b"\0\0\0\0",
        &[0xff; 70_000],
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /drain HTTP/9.9\r\n\r\n",
        b"GET /statusz HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"GET /parked/show?root=%00%ff%zz HTTP/1.0\r\n\r\n",
    ];
    for port in [system.place.grpc, system.place.admin] {
        for bytes in garbage {
            throw(port, bytes).await;
        }
    }
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20));
    throw(system.place.admin, long.as_bytes()).await;
    system.place.ready().await;
    assert!(
        system
            .place
            .ask_http("GET", "/livez")
            .await
            .contains("200 OK")
    );
    system.expect_whole(1).await;
}

#[tokio::test]
async fn invalid_admin_requests_get_a_message() {
    let system = System::start().await;
    let cases = [
        ("GET", "/nothing", "404"),
        ("GET", "/drain", "405"),
        ("POST", "/statusz", "405"),
        ("GET", "/parked?consumer=nobody", "404"),
        ("GET", "/parked?limit=many", "400"),
        ("GET", "/parked/show?consumer=ledger&root=x", "400"),
        ("POST", "/parked/replay?consumer=ledger", "400"),
        ("POST", "/refused/resend?consumer=mirror&id=%00", "404"),
    ];
    for (method, path, code) in cases {
        let answer = system.place.ask_http(method, path).await;
        let line = answer.lines().next().unwrap_or_default();
        assert!(line.contains(code), "{method} {path}: {answer}");
        assert!(!answer.contains("deserialize"), "{method} {path}: {answer}");
    }
    let root = uuid::Uuid::from_bytes(root(1).try_into().unwrap());
    let path = format!("/parked/replay?consumer=ledger&root=tally/{root}");
    let answer = system.place.ask_http("POST", &path).await;
    assert!(answer.contains("is not parked"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_never_end_by_themselves_do_not_hold_up_a_drain() {
    let system = System::start_with("\"timeouts\":{\"drain\":\"600s\"}").await;
    let mut health = HealthClient::new(system.place.channel());
    let asked = HealthCheckRequest::default();
    let mut watched = health.watch(asked).await.unwrap().into_inner();
    let first = watched.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    let mut reflected = ServerReflectionClient::new(system.place.channel());
    let never = tokio_stream::pending::<ServerReflectionRequest>();
    let mut reflected = reflected
        .server_reflection_info(never)
        .await
        .unwrap()
        .into_inner();
    let System { process, .. } = system;
    assert!(process.terminate().await.success());
    // It says that it is not ready, then it sends its clients elsewhere.
    let mut told = Vec::new();
    let ended = loop {
        match watched.message().await {
            Ok(Some(next)) => told.push(next.status()),
            Ok(None) => panic!("the stream ends with an error"),
            Err(status) => break status,
        }
    };
    assert_eq!(told, [ServingStatus::NotServing]);
    assert_eq!(ended.code(), tonic::Code::Unavailable, "{ended}");
    assert!(ended.message().contains("shuts down"), "{ended}");
    let ended = reflected.message().await;
    assert!(!matches!(ended, Ok(Some(_))), "{ended:?}");
}
