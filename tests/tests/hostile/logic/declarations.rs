//! Logic that lacks the rpc that its resource asks for: the resource is wrong, not an event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use angzarr_proto::v1;
use angzarr_proto::v1::projector_server::{Projector, ProjectorServer};
use angzarr_proto::v1::saga_server::{Saga, SagaServer};
use angzarr_tests::sidecar::{always, until};
use angzarr_tests::soak::guarantees::parked_roots;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};

use super::{System, scripted};

/// Logic that implements nothing until it is exchanged for one that does.
#[derive(Clone)]
struct Lacking(Arc<AtomicBool>);

impl Lacking {
    fn called(&self) -> Result<(), Status> {
        if self.0.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl Projector for Lacking {
    async fn handle(&self, _: Request<v1::EventBook>) -> Result<Response<()>, Status> {
        self.called().map(Response::new)
    }

    async fn handle_sync(
        &self,
        request: Request<v1::EventBook>,
    ) -> Result<Response<v1::Projection>, Status> {
        self.called()?;
        Ok(Response::new(v1::Projection {
            cover: request.into_inner().cover,
            ..v1::Projection::default()
        }))
    }
}

#[tonic::async_trait]
impl Saga for Lacking {
    async fn handle(&self, _: Request<v1::EventBook>) -> Result<Response<()>, Status> {
        self.called().map(Response::new)
    }

    async fn handle_sync(
        &self,
        _: Request<v1::EventBook>,
    ) -> Result<Response<v1::SagaResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

async fn serve(logic: Lacking) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Server::builder()
        .add_service(ProjectorServer::new(logic.clone()))
        .add_service(SagaServer::new(logic));
    tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
    port
}

/// The state of the only source of a consumer, with its reason.
async fn state(system: &System, consumer: &str) -> (String, String) {
    let status = system.place.status().await;
    let consumers = status["consumers"].as_array().unwrap();
    let found = consumers.iter().find(|it| it["name"] == consumer).unwrap();
    let source = &found["sources"][0];
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (text(&source["state"]), text(&source["reason"]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_whose_rpc_is_missing_pause_and_park_nothing_and_continue_when_it_is_there() {
    let logic = Lacking(Arc::default());
    let port = serve(logic.clone()).await;
    let of = |declared: &str| {
        format!(
            "- {{{declared}, sources: [{{domain: tally}}], startFrom: beginning, logic: '127.0.0.1:{port}'}}\n"
        )
    };
    let cases = [
        (
            "later",
            "kind: projector, name: later, mode: async",
            "mode: Async calls Projector.Handle, ",
        ),
        (
            "now",
            "kind: projector, name: now, mode: sync",
            "mode: Sync calls Projector.HandleSync, ",
        ),
        (
            "moved",
            "kind: saga, name: moved",
            "a saga calls Saga.HandleSync, or else Saga.Handle, ",
        ),
    ];
    let declared: String = cases.iter().map(|(_, declared, _)| of(declared)).collect();
    let system = System::start(&declared).await;
    for number in 1..=3 {
        system.note(number, "plain").await;
    }
    for (name, _, says) in cases {
        let says = format!("{says}which the logic does not implement");
        until(async || state(&system, name).await == ("paused".to_owned(), says.clone())).await;
    }
    // Time for more attempts than lead to parking.
    always(Duration::from_secs(1), async || {
        let mut parked = 0;
        for (name, _, _) in cases {
            parked += parked_roots(&system.place, name).await;
        }
        parked == 0
    })
    .await;
    logic.0.store(true, Ordering::Relaxed);
    for (name, _, _) in cases {
        until(async || state(&system, name).await.0 == "live").await;
    }
}

#[tokio::test]
async fn a_command_to_an_aggregate_whose_rpc_is_missing_is_refused_with_the_rpc() {
    let consumers = serve(Lacking(Arc::default())).await;
    let logic = scripted::serve().await;
    let system = System::start(&format!(
        "- {{kind: aggregate, domain: hostile, logic: '127.0.0.1:{logic}'}}\n- {{kind: aggregate, domain: lacking, logic: '127.0.0.1:{consumers}'}}\n"
    ))
    .await;
    let says = "an aggregate calls BusinessLogic.Handle, which the logic does not implement";
    let refused = system.ask("lacking", "Add").await.unwrap_err();
    assert_eq!(refused.code(), Code::Internal, "{refused}");
    assert!(refused.message().ends_with(says), "{refused}");
    let refused = system.ask("hostile", "Status12").await.unwrap_err();
    assert_eq!(refused.code(), Code::Internal, "{refused}");
    let says = format!("{says} (it says: the logic says 12)");
    assert!(refused.message().ends_with(&says), "{refused}");
    assert_eq!(system.stored("hostile").await, 0);
}
