//! A command of a saga that is under way when the saga's process ends, at a target whose store holds it up.

use std::time::Duration;

use angzarr_servers::postgres::{Database, Server};
use angzarr_tests::client::{command, cover, execute, pages, root};
use angzarr_tests::probe::{Probes, aggregates};
use angzarr_tests::sidecar::{Place, Process, always, until};
use sqlx::PgConnection;

use crate::PROGRAM;

/// A saga between two replicas of its target, of which the second refuses every new command.
struct System {
    saga: Place,
    takes: Place,
    refuses: Place,
    database: Database,
    _running: [Process; 2],
}

fn saga(probes: &Probes) -> String {
    let at = probes.port;
    format!(
        "- {{kind: saga, name: mirror, sources: [{{domain: tally}}], startFrom: beginning, logic: '127.0.0.1:{at}'}}\n"
    )
}

impl System {
    async fn start(probes: &Probes, saga: Place) -> Self {
        let database = Server::shared().await.database().await;
        let replica = || {
            let place = Place::over(PROGRAM, &database.url(), &aggregates(probes.port));
            let boot = std::fs::read_to_string(place.boot()).unwrap();
            let patient = boot.replace("statementTimeout: 3s", "statementTimeout: 60s");
            assert_ne!(patient, boot);
            std::fs::write(place.boot(), patient).unwrap();
            place
        };
        let (takes, refuses) = (replica(), replica());
        refuses.route("{\"schemaVersion\":1,\"limits\":{\"pageBytes\":1}}");
        Self {
            saga,
            _running: [takes.start_ready().await, refuses.start_ready().await],
            takes,
            refuses,
            database,
        }
    }

    /// Routes the saga's commands to a replica, with a timeout.
    fn route(&self, to: &Place, timeout: &str) {
        let domains = [
            ("tally", &self.takes),
            ("mirror", to),
            ("notes", &self.takes),
        ];
        let owners = domains
            .map(|(domain, at)| format!("\"{domain}\":[\"http://127.0.0.1:{}\"]", at.grpc))
            .join(",");
        self.saga.route(&format!(
            "{{\"schemaVersion\":1,\"owners\":{{{owners}}},\"timeouts\":{{\"command\":\"{timeout}\"}}}}"
        ));
    }

    /// Holds up what is written to the mirror, as long as the connection lives.
    async fn hold_up(&self) -> PgConnection {
        let mut first = command("Add", root(9), "first");
        first.cover = Some(cover("mirror", root(9)));
        execute(self.takes.channel(), first).await.unwrap();
        let mut other = self.database.connect().await;
        let lock = "SELECT pg_advisory_lock(hashtext('angzarr'), id) FROM angzarr.partitions WHERE domain = 'mirror'";
        sqlx::query(lock).execute(&mut other).await.unwrap();
        other
    }

    async fn is_held_up(&self) -> bool {
        let waits = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event = 'advisory' AND query LIKE '%write_v%'";
        let mut observer = self.database.connect().await;
        let waiting: i64 = sqlx::query_scalar(waits)
            .fetch_one(&mut observer)
            .await
            .unwrap();
        waiting > 0
    }

    /// How much outgoing work the saga has, and why it waits.
    async fn outgoing(&self) -> (u64, String) {
        let status = self.saga.status().await;
        let saga = &status["consumers"][0];
        let waits = saga["outgoingWaits"].as_str().unwrap_or_default();
        (saga["outgoing"].as_u64().unwrap(), waits.to_owned())
    }

    async fn is_nothing_refused(&self) -> bool {
        let page = self.saga.ask_http("GET", "/refused?consumer=mirror").await;
        let (_, body) = page.split_once("\r\n\r\n").unwrap();
        let page: serde_json::Value = serde_json::from_str(body).unwrap();
        page["refused"].as_array().unwrap().is_empty()
    }
}

/// A refusal of a process with a short timeout, while the attempt of a former one with a long timeout is under way, and takes effect later.
async fn a_former_attempt_is_waited_for(probes: &Probes, saga: Place) {
    let system = System::start(probes, saga).await;
    system.route(&system.takes, "15s");
    let lock = system.hold_up().await;
    let former = system.saga.start_ready().await;
    let asked = command("Add", root(1), "trigger");
    execute(system.takes.channel(), asked).await.unwrap();
    until(async || system.is_held_up().await).await;
    former.kill().await;

    system.route(&system.refuses, "500ms");
    let _saga = system.saga.start_ready().await;
    let is_refused = async || system.outgoing().await.1.contains("at most 1 are allowed");
    until(async || is_refused().await || !system.is_nothing_refused().await).await;
    always(Duration::from_secs(2), async || {
        system.is_nothing_refused().await
    })
    .await;
    assert!(system.is_held_up().await);

    drop(lock);
    let mirrored = async || {
        let read = pages(system.takes.channel(), "mirror", root(1)).await;
        read.unwrap().len()
    };
    until(async || mirrored().await == 1).await;
    until(async || system.outgoing().await.0 == 0).await;
    assert!(system.is_nothing_refused().await);
    assert_eq!(mirrored().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_not_final_while_an_attempt_with_a_longer_timeout_may_land_after_a_restart_with_sqlite()
 {
    let probes = Probes::start().await;
    let place = Place::new(PROGRAM, &saga(&probes));
    a_former_attempt_is_waited_for(&probes, place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_not_final_while_an_attempt_with_a_longer_timeout_may_land_after_a_restart_with_postgres()
 {
    let probes = Probes::start().await;
    let database = Server::shared().await.database().await;
    let place = Place::over(PROGRAM, &database.url(), &saga(&probes));
    a_former_attempt_is_waited_for(&probes, place).await;
}
