//! The operator's own port.

use std::process::{Command, Stdio};

use angzarr_cluster::{ControlPlane, built, repository, until};
use angzarr_servers::free_port;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::lake::{Lake, STORE, aggregate};

/// Asks a port for a path; returns the status and the body.
async fn ask(port: u16, path: &str) -> Result<(u16, String), String> {
    let asked = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: nest\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok::<_, std::io::Error>(text)
    };
    let text = asked.await.map_err(|error| error.to_string())?;
    let status = text.get(9..12).and_then(|it| it.parse().ok());
    let (_, body) = text.split_once("\r\n\r\n").ok_or("no body")?;
    Ok((status.ok_or("no status")?, body.to_owned()))
}

async fn answers(port: u16, path: &str, expected: (u16, &str)) {
    until(path, async || {
        let (status, body) = ask(port, path).await?;
        if status == expected.0 && body.contains(expected.1) {
            return Ok(());
        }
        Err(format!("{status}: {body}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_without_definitions_says_what_is_missing_and_starts_when_they_come() {
    let plane = ControlPlane::start().await;
    let lake = Lake::new("missing").await;
    let port = free_port();
    let mut operator = lake.operator();
    operator.namespace = None;
    operator.http = Some(([127, 0, 0, 1], port).into());
    let (stop, stopped) = oneshot::channel::<()>();
    let running = angzarr_operator::controller::run(operator, plane.client().await, stopped);
    let running = tokio::spawn(running);
    for plural in [
        "eventstores",
        "aggregates",
        "projectors",
        "sagas",
        "processmanagers",
    ] {
        let sentence = format!(
            "the definition {plural}.angzarr.io is missing; install the chart angzarr-operator-crds"
        );
        answers(port, "/readyz", (503, &sentence)).await;
    }
    answers(port, "/livez", (200, "true")).await;
    let definitions = repository().join("crds");
    plane.kubectl(&[
        "apply",
        "--server-side",
        "--filename",
        definitions.to_str().unwrap(),
    ]);
    answers(port, "/readyz", (200, r#"{"ready":true,"reasons":[]}"#)).await;
    drop(stop);
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_does_is_measured() {
    let lake = Lake::new("measured").await;
    let ports = [free_port(), free_port()];
    let [first, second] = ports.map(|port| {
        let mut operator = lake.operator();
        operator.http = Some(([127, 0, 0, 1], port).into());
        operator.election.leader_election = true;
        lake.operate_as(operator, lake.account.clone())
    });
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    lake.condition("agg/nest", "Reconciling", "RollingOut")
        .await;
    let mut led = Vec::new();
    for port in ports {
        answers(port, "/readyz", (200, "true")).await;
        let (_, text) = ask(port, "/metrics").await.unwrap();
        if text.contains("\nangzarr_operator_leader 1\n") {
            led.push(port);
        } else {
            assert!(text.contains("\nangzarr_operator_leader 0\n"), "{text}");
            assert!(!text.contains("angzarr_operator_writes_total{"), "{text}");
        }
    }
    assert_eq!(led.len(), 1);
    for line in [
        r#"angzarr_operator_writes_total{method="PATCH",resource="deployments"} 1"#,
        r#"angzarr_operator_writes_total{method="PATCH",resource="aggregates"} "#,
        r#"angzarr_operator_reconciles_total{kind="Aggregate",result="done"} "#,
        r#"angzarr_operator_reconcile_duration_seconds_count{kind="Aggregate"} "#,
        "angzarr_operator_queue_length ",
    ] {
        answers(led[0], "/metrics", (200, line)).await;
    }
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_the_program_well_and_frees_the_lease() {
    let lake = Lake::new("signal").await;
    let port = free_port();
    let mut program = Command::new(built("angzarr"))
        .args(["operator", "--namespace", &lake.namespace])
        .args(["--lease-namespace", &lake.namespace, "--instance", "heron"])
        .args(["--http", &format!("127.0.0.1:{port}")])
        .env("KUBECONFIG", lake.plane.kubeconfig())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    answers(port, "/metrics", (200, "\nangzarr_operator_leader 1\n")).await;
    let terminated = Command::new("kill").arg(program.id().to_string()).status();
    assert!(terminated.unwrap().success());
    let ended = tokio::task::spawn_blocking(move || program.wait().unwrap());
    assert!(ended.await.unwrap().success());
    let leases: Api<Lease> = Api::namespaced(lake.client.clone(), &lake.namespace);
    let lease = leases.get("heron-operator").await.unwrap();
    assert_eq!(lease.spec.unwrap().holder_identity, None);
}
