//! Invalid configurations: each stops the start with an error exit code and a message that names the field or file and what to do.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use angzarr_tests::client::{command, execute, root};
use angzarr_tests::probe::Probes;
use angzarr_tests::sidecar::{Place, WITHIN, always, until};
use angzarr_tests::soak::history::History;
use angzarr_tests::soak::load;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::process::Command;
use tokio::time::timeout;

use crate::PROGRAM;
const SOUND: &str = "namespace: probe
storage: {type: sqlite, path: STORE}
bus: {type: direct}
ports: {bind: 127.0.0.1, grpc: 0, admin: 0}
components:
- {kind: aggregate, domain: heron, logic: '127.0.0.1:1'}
- {kind: projector, name: pond, sources: [{domain: heron}], logic: '127.0.0.1:1'}
";

/// A folder with a boot document.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    /// Writes a boot document, in which STORE is replaced by a file in the folder.
    fn with(boot: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store.db");
        let boot = boot.replace("STORE", &store.display().to_string());
        std::fs::write(folder.path().join("boot.yaml"), boot).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the sidecar until it exits.
    async fn run(&self, variables: &[(&str, &Path)]) -> Output {
        let mut command = Command::new(PROGRAM);
        command
            .env("ANGZARR_CONFIG", self.path("boot.yaml"))
            .env("ANGZARR_LOG", "error")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let ended = timeout(WITHIN, command.output()).await;
        ended.expect("it exits").unwrap()
    }

    /// Runs the sidecar, which refuses to start; returns its message.
    async fn refusal(&self, variables: &[(&str, &Path)]) -> String {
        let output = self.run(variables).await;
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    }
}

#[tokio::test]
async fn mistakes_in_a_boot_document_name_the_file_the_field_and_the_fix() {
    let cases = [
        (
            "grpc: 0",
            "gprc: 0",
            "ports.gprc: is not a known key; did you mean grpc?",
        ),
        ("'127.0.0.1:1'", "'http://u:hunter2@h:1'", "host:port"),
        ("bus: {type: direct}", "bus: [", "not valid YAML"),
    ];
    for (sound, wrong, says) in cases {
        let desk = Desk::with(&SOUND.replacen(sound, wrong, 1));
        let said = desk.refusal(&[]).await;
        let is_clear = said.contains("boot.yaml") && said.contains(says);
        assert!(is_clear && !said.contains("hunter2"), "{wrong}: {said}");
    }
}

#[tokio::test]
async fn a_domain_that_the_coordinator_refuses_is_named() {
    let desk = Desk::with(&SOUND.replacen("domain: heron", "domain: Heron", 1));
    let said = desk.refusal(&[]).await;
    assert!(said.contains("the domain \"Heron\""), "{said}");
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_is_named_with_its_variable() {
    let desk = Desk::with(SOUND);
    for path in [desk.path("elsewhere.yaml"), desk.path("")] {
        let said = desk.refusal(&[("ANGZARR_CONFIG", &path)]).await;
        assert!(said.contains(&path.display().to_string()), "{said}");
        assert!(said.contains("ANGZARR_CONFIG"), "{said}");
    }
}

#[tokio::test]
async fn routing_that_cannot_be_used_stops_the_start() {
    let desk = Desk::with(SOUND);
    let routing = desk.path("routing.json");
    let cases = [
        ("{", "not valid YAML"),
        (
            "{\"schemaVersion\":1,\"ownars\":{}}",
            "did you mean owners?",
        ),
    ];
    for (text, says) in cases {
        std::fs::write(&routing, text).unwrap();
        let said = desk.refusal(&[("ANGZARR_ROUTING", &routing)]).await;
        assert!(said.contains("routing.json"), "{text}: {said}");
        assert!(said.contains(says), "{text}: {said}");
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_is_named() {
    let boot = |path: &str| SOUND.replace("STORE", path);
    let cases = [
        ("/nowhere/at/all/store.db", "storage.path"),
        ("/proc/store.db", "storage.path"),
        ("/", "storage.path"),
    ];
    for (path, says) in cases {
        let said = Desk::with(&boot(path)).refusal(&[]).await;
        assert!(said.contains(path) && said.contains(says), "{said}");
    }
    let desk = Desk::with(SOUND);
    std::fs::write(
        desk.path("store.db"),
        "this is a letter, not a database".repeat(50),
    )
    .unwrap();
    let said = desk.refusal(&[]).await;
    assert!(
        said.contains("store.db") && said.contains("storage.path"),
        "{said}"
    );
}

fn database(desk: &Desk, sql: &str) {
    let database = rusqlite::Connection::open(desk.path("store.db")).unwrap();
    database.execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_foreign_database_or_one_of_a_newer_version_is_not_touched() {
    let desk = Desk::with(SOUND);
    database(&desk, "CREATE TABLE letters (id INTEGER)");
    let said = desk.refusal(&[]).await;
    assert!(said.contains("not a store of Angzarr"), "{said}");
    let desk = Desk::with(SOUND);
    database(
        &desk,
        "CREATE TABLE format (id INTEGER, version INTEGER, min_reader INTEGER, store_id BLOB, incarnation BLOB);
         INSERT INTO format VALUES (1, 99, 98, x'', x'')",
    );
    let said = desk.refusal(&[]).await;
    assert!(
        said.contains("format 99") && said.contains("reads format 98"),
        "{said}"
    );
}

#[tokio::test]
async fn a_second_sidecar_on_a_file_and_a_port_in_use_are_refused() {
    let probes = Probes::start().await;
    let place = Place::new(PROGRAM, &probes.components());
    let _process = place.start_ready().await;
    let store = place.folder().join("store.db");
    let taken = format!("{}, wait: 0s", store.display());
    let desk = Desk::with(&SOUND.replace("STORE", &taken));
    let said = desk.refusal(&[]).await;
    assert!(said.contains("in use by another process"), "{said}");
    for (field, port) in [("grpc", place.grpc), ("admin", place.admin)] {
        let taken = SOUND.replace(&format!("{field}: 0"), &format!("{field}: {port}"));
        let said = Desk::with(&taken).refusal(&[]).await;
        assert!(said.contains(&format!("ports.{field}")), "{said}");
        assert!(said.contains(&port.to_string()), "{said}");
    }
    let added = execute(place.channel(), command("Add", root(1), "a")).await;
    assert!(added.is_ok(), "the first continues");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_sources_are_accepted() {
    let probes = Probes::start().await;
    let sources: Vec<_> = (0..10_000)
        .map(|number| format!("{{domain: d{number}}}"))
        .collect();
    let many = format!(
        "- {{kind: projector, name: many, sources: [{}], logic: '127.0.0.1:{}'}}\n",
        sources.join(", "),
        probes.port
    );
    let place = Place::new(PROGRAM, &(probes.components() + &many));
    let process = place.start(None);
    until(async || place.is_listening()).await;
    for number in 0..50 {
        let id = format!("beside-{number}");
        execute(place.channel(), command("Add", root(1), &id))
            .await
            .unwrap();
    }
    until(async || probes.ledger.count(&root(1)) == 50).await;
    assert!(process.memory_bytes() < 400 << 20);
    assert!(process.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routing_that_flips_under_load_disturbs_no_command() {
    let probes = Probes::start().await;
    let place = Place::new(PROGRAM, &probes.components());
    let _process = place.start_ready().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut random = StdRng::seed_from_u64(3);
    let crowd = load::start(|| place.channel(), "flipped", 4, &mut random, &is_over);
    let documents = [
        "{\"schemaVersion\":1,\"limits\":{\"inFlight\":100}}",
        "{\"schemaVersion\":1,\"limits\":",
        "{\"schemaVersion\":1,\"delivery\":{\"concurrency\":2,\"credit\":3}}",
        "",
        "{\"schemaVersion\":1,\"owners\":{\"tally\":[\"127.0.0.1:1\"]}}",
        "{\"schemaVersion\":7}",
    ];
    for document in documents {
        place.route(document);
        let hash = || async { place.status().await["routing"].to_string() };
        let before = hash().await;
        // The file is checked once a second; the status changes whether it is accepted or refused.
        until(async || hash().await != before).await;
    }
    is_over.store(true, Ordering::Relaxed);
    let mut history = History::default();
    load::gather(crowd, &mut history).await;
    let [acknowledged, ..] = history.outcomes();
    assert!(acknowledged > 20, "{acknowledged}");
    for number in 0..4 {
        let read = angzarr_tests::client::pages(place.channel(), "tally", root(number)).await;
        let stored = u32::try_from(read.unwrap().len()).unwrap();
        until(async || probes.ledger.count(&root(number)) >= stored).await;
    }
    assert_eq!(probes.ledger.faults(), [""; 0]);
    always(Duration::from_millis(100), async || place.is_listening()).await;
}
