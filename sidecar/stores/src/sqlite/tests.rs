//! Opening: who may, and what is said to those who may not; and a row that cannot be read. What an open store promises stands in the laws of its
//! ports.

use std::error::Error as _;
use std::path::PathBuf;

use angzarr_coordinator::model::ConsumerKind;

use super::*;

fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    (folder, file)
}

fn refusal(file: &Path) -> OpenError {
    match SqliteStore::open(file) {
        Ok(_) => unreachable!("{} was opened", file.display()),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_store_is_open_once_at_a_time() {
    let (_folder, file) = file();
    let store = SqliteStore::open(&file).unwrap();
    let identity = store.identity();
    let refused = refusal(&file);
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    let holder = format!("process {} on ", std::process::id());
    assert!(refused.to_string().contains(&holder), "{refused}");
    assert!(refused.to_string().contains("only one may open it"));
    drop(store);
    assert_eq!(SqliteStore::open(&file).unwrap().identity(), identity);
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let (folder, _) = file();
    let refused = refusal(&folder.path().join("nowhere/store.db"));
    assert!(refused.to_string().contains("nowhere"), "{refused}");
    assert!(refused.source().is_some());
}

#[tokio::test]
async fn the_database_of_another_program_is_left_alone() {
    let (_folder, file) = file();
    let other = rusqlite::Connection::open(&file).unwrap();
    other
        .execute_batch("CREATE TABLE theirs (id INTEGER)")
        .unwrap();
    drop(other);
    let refused = refusal(&file);
    assert!(matches!(refused, OpenError::NotAStore { .. }), "{refused}");
}

#[tokio::test]
async fn a_format_that_needs_a_newer_reader_is_refused_and_one_that_does_not_is_read() {
    let (_folder, file) = file();
    drop(SqliteStore::open(&file).unwrap());
    let stamp = |version: u32, min_reader: u32| {
        let raw = rusqlite::Connection::open(&file).unwrap();
        raw.execute(
            "UPDATE format SET version = ?, min_reader = ?",
            [version, min_reader],
        )
        .unwrap();
    };
    stamp(7, 1);
    drop(SqliteStore::open(&file).unwrap());
    stamp(7, 6);
    let refused = refusal(&file);
    assert!(refused.to_string().contains("has format 7"), "{refused}");
}

#[tokio::test]
async fn a_file_of_the_first_format_is_brought_to_this_one_with_all_that_is_in_it() {
    let (_folder, file) = file();
    let store = SqliteStore::open(&file).unwrap();
    let identity = store.identity();
    drop(store);
    let raw = rusqlite::Connection::open(&file).unwrap();
    raw.execute_batch(
        "ALTER TABLE outgoing DROP COLUMN may_land_until;
         UPDATE format SET version = 1;
         INSERT INTO consumers VALUES (1, 'shop/saga/web', 2);
         INSERT INTO outgoing (consumer, place, outgoing_id, trigger_domain, trigger_edition, trigger_root)
             VALUES (1, 1, 'one', 'orders', '', zeroblob(16))",
    )
    .unwrap();
    drop(raw);
    let consumer = ConsumerId {
        namespace: "shop".into(),
        kind: ConsumerKind::Saga,
        name: "web".into(),
    };
    for _ in 0..2 {
        let store = SqliteStore::open(&file).unwrap();
        assert_eq!(store.identity(), identity);
        let listed = store.list_work(&consumer, WorkState::Waiting, 0, 10).await;
        let listed = listed.unwrap();
        assert_eq!(listed[0].id.0, "one");
        assert_eq!(listed[0].may_land_for, None, "nobody kept account");
    }
}

#[tokio::test]
async fn a_row_with_a_value_that_is_not_of_its_type_is_corrupt() {
    let (_folder, file) = file();
    let store = SqliteStore::open(&file).unwrap();
    let raw = rusqlite::Connection::open(&file).unwrap();
    raw.execute_batch(
        "INSERT INTO partitions (id, domain) VALUES (1, 'orders');
         INSERT INTO streams (partition, edition, root, next_sequence) VALUES (1, '', zeroblob(16), 4294967296)",
    )
    .unwrap();
    let domain = Domain::parse("orders").unwrap();
    let listed = store.list_roots(&domain, None, 10).await;
    assert!(matches!(listed, Err(Error::Corrupt(_))), "{listed:?}");
}

#[tokio::test]
async fn an_acknowledged_write_survives_the_machine_by_the_settings_in_force() {
    let (_folder, file) = file();
    let store = SqliteStore::open(&file).unwrap();
    let settings = store.threads.write(|conn| {
        let mode: String = conn.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        let synchronous: i64 = conn.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
        Ok((mode, synchronous))
    });
    assert_eq!(settings.await.unwrap(), ("wal".to_owned(), 2));
}
