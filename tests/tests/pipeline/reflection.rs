//! What grpcurl shows of a sidecar.

use std::path::{Path, PathBuf};
use std::process::Command;

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

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs a command line in the repository with Bash; returns whether it succeeded, and all that it wrote.
fn run(line: &str) -> (bool, String) {
    let mut command = Command::new("bash");
    let command = command.args(["-c", line]).current_dir(repository());
    let output = command.output().unwrap();
    let written = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
    (output.status.success(), written.concat())
}

/// The command of the README that sends a command with grpcurl.
fn line_of_the_readme() -> String {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let lines = readme.lines().map(str::trim);
    let lines: Vec<_> = lines
        .skip_while(|line| !line.starts_with("grpcurl -plaintext -import-path"))
        .take_while(|line| !line.is_empty())
        .collect();
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_line_of_the_readme_shows_the_details_of_an_error() {
    let probes = Probes::start().await;
    let program = env!("CARGO_BIN_EXE_sidecar-under-test");
    let place = Place::new(program, &probes.components());
    let _process = place.start_ready().await;
    let (built, grpcurl) = run("tests/tools/build.sh grpcurl 2>/dev/null");
    assert!(
        built,
        "grpcurl cannot be built; run tests/tools/build.sh grpcurl"
    );
    let line = line_of_the_readme();
    let line = line
        .replace("grpcurl ", &format!("{} ", grpcurl.trim()))
        .replace("127.0.0.1:PORT", &format!("127.0.0.1:{}", place.grpc))
        .replace("\"domain\": \"customer\"", "\"domain\": \"tally\"")
        .replace("[{\"command\":", "[{\"sequence\": 7, \"command\":");
    let (succeeded, said) = run(&line);
    assert!(!succeeded, "{said}");
    for part in [
        "Code: Aborted",
        "angzarr.v1.SequenceConflict",
        "\"expected\": 7",
    ] {
        assert!(said.contains(part), "{line}\n{said}");
    }
}
