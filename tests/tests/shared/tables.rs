//! Who makes the tables of a store, and that no sidecar works with another store than its own.

use std::path::Path;
use std::process::Output;

use angzarr_admin::prepared::{Failure, Prepared};
use angzarr_servers::postgres::{Database, Server};
use angzarr_tests::client::{command, execute, root};
use angzarr_tests::probe::Probes;
use angzarr_tests::sidecar::{Place, until};
use sqlx::{AssertSqlSafe, Executor};
use tokio::process::Command;

use crate::PROGRAM;

async fn fresh() -> Database {
    Server::shared().await.database().await
}

/// Runs `store` with words on a URL; returns what the process said, and what it left for the operator.
async fn store(url: &str, words: &[&str]) -> (Output, Prepared) {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    let mut command = Command::new(PROGRAM);
    command
        .arg("store")
        .args(words)
        .arg("--report")
        .arg(&report);
    let ran = command.env("ANGZARR_STORE_URL", url).output().await;
    (ran.unwrap(), read(&report))
}

fn read(report: &Path) -> Prepared {
    Prepared::read(&std::fs::read_to_string(report).unwrap()).unwrap()
}

/// The id of a store that is ready.
fn id(prepared: Prepared) -> String {
    match prepared {
        Prepared::Ready { store_id, .. } => store_id,
        failed @ Prepared::Failed { .. } => panic!("{failed:?}"),
    }
}

/// The kind and the sentence of a failure.
fn failure(prepared: Prepared) -> (Failure, String) {
    match prepared {
        Prepared::Failed { failure, sentence } => (failure, sentence),
        ready @ Prepared::Ready { .. } => panic!("{ready:?}"),
    }
}

async fn has_schema(database: &Database) -> bool {
    let mut conn = database.connect().await;
    let found = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'angzarr')";
    sqlx::query_scalar(found)
        .fetch_one(&mut conn)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_changes_nothing_and_names_the_command_that_makes_the_tables() {
    let database = fresh().await;
    let (ran, left) = store(&database.url(), &["verify"]).await;
    assert!(!ran.status.success());
    let (kind, sentence) = failure(left);
    assert_eq!(kind, Failure::Outdated);
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(said.contains(&sentence), "{said}");
    for part in ["has no tables", "store migrate --url", "--schema angzarr"] {
        assert!(sentence.contains(part), "{sentence}");
    }
    assert!(!has_schema(&database).await);
    let (ran, left) = store(&database.url(), &["migrate"]).await;
    let made = id(left);
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success() && said.contains(&made), "{said}");
    for word in ["verify", "migrate"] {
        assert_eq!(id(store(&database.url(), &[word]).await.1), made, "{word}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_an_older_format_are_too_old_for_verify() {
    let database = fresh().await;
    id(store(&database.url(), &["migrate"]).await.1);
    let mut conn = database.connect().await;
    let older = "UPDATE angzarr.format SET version = 2";
    conn.execute(older).await.unwrap();
    let (kind, sentence) = failure(store(&database.url(), &["verify"]).await.1);
    assert_eq!(kind, Failure::Outdated);
    assert!(sentence.contains("tables of format 2"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_store_than_the_expected_one_is_left_as_it_is() {
    let (own, empty, other) = (fresh().await, fresh().await, fresh().await);
    let expected = id(store(&own.url(), &["migrate"]).await.1);
    let found = id(store(&other.url(), &["migrate"]).await.1);
    let mut conn = other.connect().await;
    let older = "UPDATE angzarr.format SET version = 2";
    conn.execute(older).await.unwrap();
    let with_id = ["migrate", "--store-id", &expected];
    assert_eq!(id(store(&own.url(), &with_id).await.1), expected);
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("directory.json");
    std::fs::write(&directory, expects(&expected)).unwrap();
    let by_directory = ["migrate", "--directory", directory.to_str().unwrap()];
    let (kind, _) = failure(store(&empty.url(), &by_directory).await.1);
    assert_eq!(kind, Failure::OtherStore);
    let (kind, sentence) = failure(store(&empty.url(), &with_id).await.1);
    assert_eq!(kind, Failure::OtherStore);
    assert!(sentence.contains("no store"), "{sentence}");
    assert!(!has_schema(&empty).await);
    let (kind, sentence) = failure(store(&other.url(), &with_id).await.1);
    assert_eq!(kind, Failure::OtherStore);
    assert!(sentence.contains(&found), "{sentence}");
    let version = sqlx::query_scalar::<_, i32>("SELECT version FROM angzarr.format");
    assert_eq!(version.fetch_one(&mut conn).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_hinders_is_told_apart() {
    let database = fresh().await;
    let mut conn = database.connect().await;
    let user = format!("reader_{}", database.name);
    let make = format!("CREATE USER {user} PASSWORD 'heron'");
    conn.execute(AssertSqlSafe(make)).await.unwrap();
    let mut url: url::Url = database.url().parse().unwrap();
    url.set_username(&user).unwrap();
    url.set_password(Some("heron")).unwrap();
    let (ran, left) = store(url.as_str(), &["migrate"]).await;
    let (kind, sentence) = failure(left);
    assert_eq!(kind, Failure::Refused);
    assert!(sentence.contains("permission denied"), "{sentence}");
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(!said.contains("heron"), "{said}");
    // Nobody listens there.
    url.set_port(Some(1)).unwrap();
    let (kind, _) = failure(store(url.as_str(), &["migrate"]).await.1);
    assert_eq!(kind, Failure::Unreachable);
    let drop = format!("DROP USER {user}");
    conn.execute(AssertSqlSafe(drop)).await.unwrap();
}

/// What a sidecar says of its store, once its admin port listens.
async fn says(place: &Place, state: &str, reason: &str) {
    until(async || {
        if std::net::TcpStream::connect(("127.0.0.1", place.admin)).is_err() {
            return false;
        }
        let store = place.status().await["store"].clone();
        let why = store["reason"].as_str().unwrap_or_default();
        store["state"] == state && why.contains(reason)
    })
    .await;
}

/// A routing document that expects a store.
fn expects(id: &str) -> String {
    format!("{{\"schemaVersion\":1,\"storeId\":\"{id}\"}}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sidecar_that_may_not_migrate_waits_for_who_does() {
    let (database, probes) = (fresh().await, Probes::start().await);
    let place = Place::over(PROGRAM, &database.url(), &probes.components());
    let boot = std::fs::read_to_string(place.boot()).unwrap();
    let boot = boot.replace("statementTimeout", "tables: verify, statementTimeout");
    std::fs::write(place.boot(), boot).unwrap();
    let process = place.start(None);
    says(&place, "opening", "store migrate --url").await;
    assert!(!has_schema(&database).await);
    id(store(&database.url(), &["migrate"]).await.1);
    place.ready().await;
    assert!(process.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sidecar_does_not_open_another_store_than_the_expected_one() {
    let (own, other) = (fresh().await, fresh().await);
    let probes = Probes::start().await;
    let expected = id(store(&own.url(), &["migrate"]).await.1);
    let place = Place::over(PROGRAM, &other.url(), &probes.components());
    place.route(&expects(&expected));
    let process = place.start(None);
    says(&place, "other", &expected).await;
    assert!(!has_schema(&other).await && !place.is_listening());
    assert!(process.terminate().await.success());
    let place = Place::over(PROGRAM, &own.url(), &probes.components());
    place.route(&expects(&expected));
    let process = place.start_ready().await;
    assert!(process.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sidecar_in_another_store_ends_once_it_learns_which_one_is_expected() {
    let (own, other) = (fresh().await, fresh().await);
    let probes = Probes::start().await;
    let expected = id(store(&own.url(), &["migrate"]).await.1);
    let place = Place::over(PROGRAM, &other.url(), &probes.components());
    let mut process = place.start_ready().await;
    let added = execute(place.channel(), command("Add", root(1), "a")).await;
    added.unwrap();
    place.route(&expects(&expected));
    assert!(!process.ended().await.success());
}
