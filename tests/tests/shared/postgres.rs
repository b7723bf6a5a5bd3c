//! Guarantees of the PostgreSQL adapter beyond the laws of the ports: refusals, survived failures, round trips.

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use angzarr_config::postgres::{Connection, Keys, Postgres};
use angzarr_config::secret::Secret;
use angzarr_coordinator::feed::Heads;
use angzarr_coordinator::model::{
    AppendId, CommandId, CommandKey, ConsumerId, ConsumerKind, CorrelationId, Domain, Edition,
    ExternalId, ExternalKey, NewEvent, Payload, PayloadHash, Position, Root, Sequence, StreamId,
    Timestamp,
};
use angzarr_coordinator::port::backlog::{Backlog, WorkState};
use angzarr_coordinator::port::catalog::Catalog;
use angzarr_coordinator::port::log::{Load, Log, SMALL_LOAD, StreamRead};
use angzarr_coordinator::port::store::Error;
use angzarr_coordinator::port::writer::{Entry, Outcome, Proposal, Writer};
use angzarr_servers::pgbouncer::PgBouncer;
use angzarr_servers::postgres::{Database, Server};
use angzarr_stores::postgres::{OpenError, PostgresStore};
use angzarr_stores::sqlite::SqliteStore;
use angzarr_tests::proxy::{Mode, Proxy};
use angzarr_tests::sidecar::until;
use sqlx::{AssertSqlSafe, Executor};

async fn open(settings: Postgres) -> Arc<PostgresStore> {
    let opened = PostgresStore::open(settings, Heads::default()).await;
    opened.unwrap()
}

async fn refusal(settings: Postgres) -> OpenError {
    let opened = PostgresStore::open(settings, Heads::default()).await;
    opened.err().expect("it is refused")
}

async fn fresh() -> Database {
    Server::shared().await.database().await
}

/// Settings that reach a database through another port.
fn through(database: &Database, port: u16) -> Postgres {
    let mut url: url::Url = database.url().parse().unwrap();
    url.set_port(Some(port)).unwrap();
    Postgres::new(Connection::Url {
        url: Secret::new(url),
    })
}

fn stream(root: u8) -> StreamId {
    StreamId {
        domain: Domain::parse("till").unwrap(),
        edition: Edition::Main,
        root: Root::from_bytes(&[root; 16]).unwrap(),
    }
}

fn propose(root: u8, id: &str) -> Proposal {
    Proposal {
        deadline: None,
        id: AppendId::random(),
        stream: stream(root),
        expected: None,
        key: Some(CommandKey {
            id: CommandId::parse(id).unwrap(),
            hash: PayloadHash([1; 32]),
        }),
        correlation_id: CorrelationId::parse("a-workflow").unwrap(),
        trace_parent: None,
        events: vec![event(None)],
        snapshot: None,
    }
}

fn event(external: Option<&str>) -> NewEvent {
    NewEvent {
        payload: Payload {
            type_url: "type.googleapis.com/till.v1.Rung".into(),
            value: vec![1, 2, 3].into(),
        },
        created_at: Timestamp {
            seconds: 1_700_000_000,
            nanos: 42,
        },
        external: external.map(|id| ExternalKey {
            id: ExternalId::parse(id).unwrap(),
            hash: PayloadHash([2; 32]),
        }),
    }
}

fn facts(ids: &[&str]) -> Proposal {
    Proposal {
        key: None,
        events: ids.iter().map(|id| event(Some(id))).collect(),
        ..propose(1, "unused")
    }
}

fn load_of(root: u8) -> Load {
    Load {
        stream: stream(root),
        key: None,
        expected: None,
        snapshot_version: None,
        through: None,
        limit: SMALL_LOAD,
    }
}

async fn length(store: &PostgresStore, root: u8) -> usize {
    let read = StreamRead {
        stream: stream(root),
        from: Sequence::FIRST,
        after: Position::ORIGIN,
        limit: 1 << 20,
    };
    let appends = store.read_stream(read).await.unwrap();
    appends.iter().map(|append| append.events.len()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_drops_the_settings_of_sessions_is_refused_before_anything_is_written() {
    for mode in ["session", "transaction"] {
        let database = fresh().await;
        let pooler = PgBouncer::start(&database, mode, "options,extra_float_digits");
        for _ in 0..2 {
            let refused = refusal(through(&database, pooler.port)).await;
            assert!(
                matches!(refused, OpenError::SettingsDropped { .. }),
                "{mode}: {refused}"
            );
            assert!(refused.to_string().contains("PgBouncer"), "{refused}");
        }
        let mut other = database.connect().await;
        let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'";
        let schemas: i64 = sqlx::query_scalar(schemas)
            .fetch_one(&mut other)
            .await
            .unwrap();
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        let tables: i64 = sqlx::query_scalar(tables)
            .fetch_one(&mut other)
            .await
            .unwrap();
        assert_eq!((schemas, tables), (1, 0), "only an empty public is there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_refuses_the_settings_of_sessions_is_named_by_its_own_words() {
    let database = fresh().await;
    let pooler = PgBouncer::start(&database, "session", "extra_float_digits");
    let refused = refusal(through(&database, pooler.port)).await;
    assert!(
        refused
            .to_string()
            .contains("unsupported startup parameter"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_cannot_be_read_fails_its_own_load_only() {
    let database = fresh().await;
    let store = open(database.settings()).await;
    let batch = (1..=20).map(|root| Entry::Proposal(propose(root, "a")));
    store.write(batch.collect()).await.unwrap();
    let schema = database.settings().schema;
    let broken = stream(7).root.0;
    let spoil = format!("UPDATE {schema}.appends SET events = '\\xff' WHERE root = '{broken}'");
    let mut other = database.connect().await;
    other.execute(AssertSqlSafe(spoil)).await.unwrap();
    // The first load goes at once, the others together.
    let loads = (1..=20).map(load_of);
    let loaded = futures::future::join_all(loads.map(|load| store.load(load))).await;
    for (root, loaded) in (1..=20).zip(loaded) {
        match root {
            7 => assert!(matches!(loaded, Err(Error::Corrupt(_))), "{loaded:?}"),
            _ => assert!(loaded.is_ok(), "root {root}: {loaded:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_waits_for_a_lock_past_its_deadline_records_nothing() {
    let database = fresh().await;
    let store = open(database.settings()).await;
    store
        .write(vec![Entry::Proposal(propose(1, "before"))])
        .await
        .unwrap();
    let mut other = database.connect().await;
    let schema = database.settings().schema;
    let lock = format!("BEGIN; LOCK TABLE {schema}.appends IN ACCESS EXCLUSIVE MODE");
    other.execute(AssertSqlSafe(lock)).await.unwrap();
    let left = Duration::from_millis(300);
    let late = Proposal {
        deadline: Some(tokio::time::Instant::now() + left),
        ..propose(1, "late")
    };
    let writer = Arc::clone(&store);
    let batch = [late, propose(2, "unlimited")]
        .map(Entry::Proposal)
        .to_vec();
    let writing = tokio::spawn(async move { writer.write(batch).await });
    // The server counts from the begin of the statement, which comes a while after the batch was formed. Within a transaction it shows others as they were
    // when they were first looked at, so a connection without one looks.
    let mut observer = database.connect().await;
    let waits = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%write_v3%'
        AND clock_timestamp() - query_start > $1";
    until(async || {
        let waiting: i64 = sqlx::query_scalar(waits)
            .bind(left)
            .fetch_one(&mut observer)
            .await
            .unwrap();
        waiting > 0
    })
    .await;
    other.execute("COMMIT").await.unwrap();
    let outcomes = writing.await.unwrap().unwrap();
    assert_eq!(outcomes[0], Outcome::Late);
    assert!(matches!(outcomes[1], Outcome::Appended { .. }));
    assert_eq!(length(&store, 1).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_the_network_holds_up_past_its_deadline_records_nothing() {
    let database = fresh().await;
    let port = database.url().parse::<url::Url>().unwrap().port().unwrap();
    let proxy = Proxy::start(port).await;
    let store = open(through(&database, proxy.port)).await;
    let before = Entry::Proposal(propose(1, "before"));
    store.write(vec![before]).await.unwrap();
    let limited = |id: &str, left: u64| Proposal {
        deadline: Some(tokio::time::Instant::now() + Duration::from_millis(left)),
        ..propose(1, id)
    };
    proxy.set(Mode::Delays(Duration::from_secs(1)));
    let batch = vec![limited("late", 500), limited("in time", 60_000)];
    let outcomes = store.write(batch.into_iter().map(Entry::Proposal).collect());
    let outcomes = outcomes.await.unwrap();
    assert_eq!(outcomes[0], Outcome::Late);
    assert!(
        matches!(outcomes[1], Outcome::Appended { .. }),
        "{outcomes:?}"
    );
    let witness = open(database.settings()).await;
    assert_eq!(length(&witness, 1).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_of_the_server_that_was_misread_is_read_again() {
    let database = fresh().await;
    let port = database.url().parse::<url::Url>().unwrap().port().unwrap();
    let proxy = Proxy::start(port).await;
    // What it shows comes so late that it seems to be behind.
    proxy.set(Mode::Delays(Duration::from_millis(250)));
    let store = open(through(&database, proxy.port)).await;
    proxy.set(Mode::Passes);
    // A slow machine may really be late, but not always.
    until(async || {
        let proposal = Proposal {
            deadline: Some(tokio::time::Instant::now() + Duration::from_millis(220)),
            ..propose(1, "in time")
        };
        let outcomes = store.write(vec![Entry::Proposal(proposal)]).await;
        matches!(outcomes.unwrap()[0], Outcome::Appended { .. })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_load_does_not_wait_for_large_ones() {
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteStore::open(&folder.path().join("store.db")).unwrap();
    load_a_small_root_beside_a_large_one(file).await;
    load_a_small_root_beside_a_large_one(open(fresh().await.settings()).await).await;
}

async fn load_a_small_root_beside_a_large_one<S: Log + Writer + 'static>(store: Arc<S>) {
    let page = propose(1, "x").events.remove(0);
    let large = NewEvent {
        payload: Payload {
            value: vec![7; 1 << 20].into(),
            ..page.payload
        },
        ..page
    };
    for number in 0..8 {
        let proposal = Proposal {
            events: vec![large.clone(); 2],
            ..propose(1, &format!("large-{number}"))
        };
        store.write(vec![Entry::Proposal(proposal)]).await.unwrap();
    }
    let small = propose(2, "small");
    store.write(vec![Entry::Proposal(small)]).await.unwrap();
    let mut large = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let store = Arc::clone(&store);
        let load = Load {
            limit: usize::MAX,
            ..load_of(1)
        };
        large.spawn(async move { store.load(load).await });
    }
    // One of them is done, so the others wait.
    large.join_next().await.unwrap().unwrap().unwrap();
    store.load(load_of(2)).await.unwrap();
    let mut waited = 0;
    while let Some(Ok(loaded)) = large.try_join_next() {
        loaded.unwrap();
        waited += 1;
    }
    assert!(waited < 14, "{waited} came before the small one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_and_a_load_take_one_round_trip_each() {
    let store = open(fresh().await.settings()).await;
    for round in 0..20 {
        let batch = (0..50).map(|root| propose(root, &format!("command-{round}")));
        let outcomes = store
            .write(batch.map(Entry::Proposal).collect())
            .await
            .unwrap();
        assert_eq!(outcomes.len(), 50);
        let loads = (0..50).map(load_of);
        let loaded = futures::future::join_all(loads.map(|load| store.load(load))).await;
        assert!(loaded.iter().all(Result::is_ok));
    }
    // One more prepares the statement on each connection that it runs on.
    let (writes, loads) = (store.write_trips(), store.load_trips());
    assert_eq!(writes.asked, 20);
    assert!(writes.round_trips <= 22, "{writes:?}");
    // The first load goes at once, those that came meanwhile go together.
    assert!(loads.asked <= 40, "{loads:?}");
    assert!(loads.round_trips <= loads.asked + 2, "{loads:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_reply_is_lost_is_recorded_once_and_reported_as_recorded() {
    let database = fresh().await;
    let port = database.url().parse::<url::Url>().unwrap().port().unwrap();
    let proxy = Proxy::start(port).await;
    let store = open(through(&database, proxy.port)).await;
    let known = propose(2, "known");
    store
        .write(vec![Entry::Proposal(known.clone())])
        .await
        .unwrap();
    store
        .write(vec![Entry::Proposal(facts(&["x"]))])
        .await
        .unwrap();
    proxy.set(Mode::CutsAnswers);
    let again = Proposal {
        id: AppendId::random(),
        ..known
    };
    let batch = vec![propose(1, "new"), facts(&["x", "y", "y"]), again];
    let ids: Vec<_> = batch.iter().map(|proposal| proposal.id).collect();
    let appending = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            store
                .write(batch.into_iter().map(Entry::Proposal).collect())
                .await
        }
    });
    // A second connection shows when the lost batch is recorded.
    let witness = open(database.settings()).await;
    while length(&witness, 1).await < 3 {
        assert!(!appending.is_finished(), "no reply arrives");
    }
    proxy.set(Mode::Passes);
    let outcomes = appending.await.unwrap().unwrap();
    let [
        Outcome::Appended { append: new, .. },
        Outcome::Appended {
            append: noted,
            known,
        },
        Outcome::Duplicate(first),
    ] = &outcomes[..]
    else {
        panic!("{outcomes:?}")
    };
    assert_eq!((new.id, noted.id), (ids[0], ids[1]));
    assert_eq!(noted.events.len(), 1);
    let known: Vec<_> = known.iter().map(ToString::to_string).collect();
    assert_eq!(known, ["x", "y"]);
    assert_eq!(first.first_sequence, Sequence::FIRST);
    assert_eq!(length(&store, 1).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_the_server_ends_are_opened_again() {
    let database = fresh().await;
    let store = open(database.settings()).await;
    let mut conn = database.connect().await;
    for round in 0..5 {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        conn.execute(end).await.unwrap();
        let outcomes = store.write(vec![Entry::Proposal(propose(
            1,
            &format!("command-{round}"),
        ))]);
        assert!(matches!(
            outcomes.await.unwrap()[0],
            Outcome::Appended { .. }
        ));
    }
    assert_eq!(length(&store, 1).await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_of_one_store_are_notified_to_the_others() {
    let database = fresh().await;
    let (writer, heads) = (open(database.settings()).await, Heads::default());
    let _reader = PostgresStore::open(database.settings(), heads.clone()).await;
    let mut watched = heads.watch(&stream(1).domain);
    let mut delays = Vec::new();
    for turn in 1..=21 {
        let appended = async |id: String| {
            writer
                .write(vec![Entry::Proposal(propose(1, &id))])
                .await
                .unwrap();
            Instant::now()
        };
        let mut at = appended(format!("command-{turn}")).await;
        while watched.borrow_and_update().0 < turn {
            let heard = tokio::time::timeout(Duration::from_secs(10), watched.changed()).await;
            // The first notification may come before the reader listens.
            assert!(turn == 1 || heard.is_ok(), "it is notified");
            if heard.is_err() {
                at = appended("once more".to_owned()).await;
            }
        }
        delays.push(at.elapsed());
    }
    delays.sort();
    println!("notified after {:?} (median)", delays[10]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_would_lose_what_it_acknowledges_is_refused() {
    let database = fresh().await;
    let alter = format!(
        "ALTER DATABASE {} SET synchronous_commit = off",
        database.name
    );
    let mut conn = database.connect().await;
    conn.execute(AssertSqlSafe(alter)).await.unwrap();
    let refused = refusal(database.settings()).await.to_string();
    assert!(refused.contains("synchronous_commit = off"), "{refused}");
    assert!(refused.contains("set it to on"), "{refused}");
    for setting in ["fsync", "full_page_writes"] {
        let server = Arc::new(Server::alone(&[&format!("{setting} = off")]).await);
        let refused = refusal(server.database().await.settings()).await;
        assert!(matches!(refused, OpenError::NotDurable { .. }), "{refused}");
        assert!(refused.to_string().contains(setting), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_format_that_needs_a_newer_reader_is_refused_and_one_that_does_not_is_read() {
    let database = fresh().await;
    let first = open(database.settings()).await;
    let mut conn = database.connect().await;
    let mut stamp = async |version: i32, min_reader: i32| {
        let stamped = sqlx::query("UPDATE angzarr.format SET version = $1, min_reader = $2")
            .bind(version)
            .bind(min_reader);
        stamped.execute(&mut conn).await.unwrap();
    };
    stamp(7, 1).await;
    assert_eq!(open(database.settings()).await.identity(), first.identity());
    stamp(7, 6).await;
    let refused = refusal(database.settings()).await.to_string();
    assert!(refused.contains("has format 7"), "{refused}");
    assert!(refused.contains("reads format 6"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_the_format_before_are_brought_to_this_one_and_its_release_can_go_on() {
    let database = fresh().await;
    let first = open(database.settings()).await;
    let mut conn = database.connect().await;
    let back = "ALTER TABLE angzarr.outgoing DROP COLUMN may_land_until; UPDATE angzarr.format SET version = 2;
        INSERT INTO angzarr.consumers (name) VALUES ('shop/saga/web');
        INSERT INTO angzarr.outgoing (consumer_id, place, outgoing_id, trigger_domain, trigger_edition, trigger_root)
            SELECT id, 1, 'one', 'till', '', gen_random_uuid() FROM angzarr.consumers;
        DO $$ BEGIN EXECUTE 'DROP FUNCTION ' || 'angzarr.write_v3'::regproc::regprocedure; END $$";
    conn.execute(back).await.unwrap();
    let consumer = ConsumerId {
        namespace: "shop".into(),
        kind: ConsumerKind::Saga,
        name: "web".into(),
    };
    for _ in 0..2 {
        let store = open(database.settings()).await;
        assert_eq!(store.identity(), first.identity());
        let listed = store.list_work(&consumer, WorkState::Waiting, 0, 10).await;
        let listed = listed.unwrap();
        assert_eq!(listed[0].id.0, "one");
        assert_eq!(listed[0].may_land_for, None, "nobody kept account");
    }
    let format = "SELECT version, min_reader, (SELECT proname::text FROM pg_proc WHERE proname = 'write_v2') FROM angzarr.format";
    let format: (i32, i32, String) = sqlx::query_as(format).fetch_one(&mut conn).await.unwrap();
    assert_eq!(format, (3, 2, "write_v2".to_owned()));
    let store = open(database.settings()).await;
    store
        .write(vec![Entry::Proposal(propose(1, "after"))])
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_openings_of_an_empty_database_create_one_store() {
    let database = fresh().await;
    let opening = (0..8).map(|_| open(database.settings()));
    let stores = futures::future::join_all(opening).await;
    for store in &stores {
        assert_eq!(store.identity(), stores[0].identity());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_schema_is_not_touched() {
    let database = fresh().await;
    let mut conn = database.connect().await;
    conn.execute("CREATE SCHEMA theirs; CREATE TABLE theirs.things (id integer)")
        .await
        .unwrap();
    let settings = Postgres {
        schema: "theirs".to_owned(),
        ..database.settings()
    };
    let refused = refusal(settings).await;
    assert!(matches!(refused, OpenError::NotAStore { .. }), "{refused}");
    // Another schema of the same database is another store.
    let ours = open(database.settings()).await;
    let other = Postgres {
        schema: "other".to_owned(),
        ..database.settings()
    };
    assert_ne!(open(other).await.identity(), ours.identity());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_replaced_while_open_fails() {
    let database = fresh().await;
    let store = open(database.settings()).await;
    let mut conn = database.connect().await;
    conn.execute("UPDATE angzarr.format SET incarnation = gen_random_uuid()")
        .await
        .unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    conn.execute(end).await.unwrap();
    let refused = store.write(vec![Entry::Proposal(propose(1, "late"))]).await;
    assert!(matches!(refused, Err(Error::Fatal(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_comes_from_a_file_and_is_read_again() {
    let server = Arc::new(Server::alone(&[]).await);
    let database = server.database().await;
    let folder = tempfile::tempdir().unwrap();
    let write = |key: &str, text: &str| std::fs::write(folder.path().join(key), text).unwrap();
    write("host", "127.0.0.1\n");
    write("port", &server.port().to_string());
    write("username", server.user());
    write("password", server.password());
    write("dbname", &database.name);
    let settings = Postgres::new(Connection::Folder {
        path: folder.path().to_owned(),
        keys: Keys::default(),
    });
    let store = open(settings.clone()).await;
    let mut conn = database.connect().await;
    let change = format!("ALTER USER {} PASSWORD 'sesame'", server.user());
    conn.execute(AssertSqlSafe(change)).await.unwrap();
    write("password", "sesame\n");
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    conn.execute(end).await.unwrap();
    store.probe().await.unwrap();
    write("password", "wrong");
    let refused = refusal(settings).await;
    let said = format!("{refused} {refused:?} {:?}", refused.source());
    assert!(matches!(refused, OpenError::Refused { .. }), "{said}");
    assert!(!said.contains("wrong"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_certificate_is_verified_if_its_authority_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let (key, cert) = (folder.path().join("key"), folder.path().join("cert"));
    make_certificate(&key, &cert);
    let lines = [
        "ssl = on".to_owned(),
        format!("ssl_key_file = '{}'", key.display()),
        format!("ssl_cert_file = '{}'", cert.display()),
    ];
    let server = Arc::new(Server::alone(&lines.each_ref().map(String::as_str)).await);
    let database = server.database().await;
    let secret = tempfile::tempdir().unwrap();
    let write = |key: &str, text: &str| std::fs::write(secret.path().join(key), text).unwrap();
    write("uri", &database.url());
    write("host", "127.0.0.1");
    write("ca.crt", &std::fs::read_to_string(&cert).unwrap());
    let over = Postgres::new(Connection::Folder {
        path: secret.path().to_owned(),
        keys: Keys::default(),
    });
    let _store = open(over.clone()).await;
    let mut conn = database.connect().await;
    let encrypted = sqlx::query_scalar::<_, i64>(
        "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.application_name = 'angzarr' AND s.ssl",
    );
    assert!(encrypted.fetch_one(&mut conn).await.unwrap() > 0);
    let (other_key, other_cert) = (folder.path().join("k2"), folder.path().join("c2"));
    make_certificate(&other_key, &other_cert);
    write("ca.crt", &std::fs::read_to_string(&other_cert).unwrap());
    let refused = refusal(over).await;
    assert!(matches!(refused, OpenError::Refused { .. }), "{refused}");
    assert!(refused.to_string().contains("certificate"), "{refused}");
}

/// Creates a certificate for 127.0.0.1 that the user of the server can read.
fn make_certificate(key: &Path, cert: &Path) {
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(cert)
        .output()
        .expect("openssl creates certificates");
    assert!(made.status.success(), "{made:?}");
    angzarr_servers::postgres::give_to_server_user(key.parent().unwrap()).unwrap();
}
