//! Lists the services of a sidecar, like `grpcurl list`.

use angzarr_tests::probe::Probes;
use angzarr_tests::sidecar::Place;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

#[tokio::test]
async fn reflection_lists_the_services_of_the_sidecar_and_none_of_logic() {
    let probes = Probes::start().await;
    let program = env!("CARGO_BIN_EXE_sidecar-under-test");
    let place = Place::new(program, &probes.components());
    let _process = place.start_ready().await;
    let request = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..ServerReflectionRequest::default()
    };
    let mut answers = ServerReflectionClient::new(place.channel())
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else {
        panic!("the reply is {answer:?}");
    };
    let mut names: Vec<_> = list.service.into_iter().map(|it| it.name).collect();
    names.sort();
    let expected = [
        "angzarr.v1.BusinessCoordinator",
        "angzarr.v1.CommandGateway",
        "angzarr.v1.EventQuery",
        "angzarr.v1.ProjectorCoordinator",
        "angzarr.v1.SagaCoordinator",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
    ];
    assert_eq!(names, expected);
}
