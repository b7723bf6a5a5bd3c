//! Documents as people and the operator write them: what is accepted, and how each mistake is reported.
#![allow(clippy::unwrap_used, reason = "a failed assumption fails the test")]

use std::time::Duration;

use angzarr_config::boot::{Component, Mode, Server, Sqlite, Start, Storage};
use angzarr_config::postgres::{Connection, Postgres};
use angzarr_config::routing::Timeouts;
use angzarr_config::{Boot, Error, Routing, handwritten};

fn postgres(boot: &Boot) -> &Postgres {
    match &boot.storage {
        Storage::Server(server) => match &**server {
            Server::Postgres(settings) => settings,
        },
        Storage::File(file) => unreachable!("{file:?}"),
    }
}

/// An error with its causes, as it is shown.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

#[track_caller]
fn assert_says(error: &Error, expected: &str) {
    let said = chain(error);
    assert!(
        said.contains(expected),
        "{said:?} does not say {expected:?}"
    );
}

const LOCAL: &str = "
storage:
  type: sqlite
  path: ./data/events.db
bus:
  type: direct # gRPC calls, no message broker
business_logic:
  - domain: inventory
    address: localhost:50051
projectors:
  - name: inventory-summary
    address: localhost:50052
    synchronous: true
sagas:
  - name: order-fulfillment
    address: localhost:50053
";

#[test]
fn a_file_written_by_hand_runs_all_it_lists_in_one_process() {
    let boot = handwritten::parse(LOCAL).unwrap();
    assert_eq!(boot.storage, Storage::File(Sqlite::new("./data/events.db")));
    assert_eq!(boot.ports.grpc, 9000);
    let [
        Component::Aggregate(aggregate),
        Component::Projector(projector),
        Component::Saga(saga),
    ] = &boot.components[..]
    else {
        unreachable!("{:?}", boot.components)
    };
    assert_eq!(
        (aggregate.domain.as_str(), aggregate.logic.as_str()),
        ("inventory", "http://localhost:50051")
    );
    assert_eq!(
        (projector.mode, projector.start_from),
        (Mode::Sync, Start::Beginning)
    );
    assert_eq!(projector.sources[0].domain, "inventory");
    assert_eq!(
        (saga.start_from, saga.sources[0].domain.as_str()),
        (Start::Now, "inventory")
    );
}

#[test]
fn each_mistake_by_hand_is_named_with_its_place() {
    let cases = [
        ("", "", ".: the document is empty"),
        ("- a\n", "", ".: the document must be a mapping"),
        (
            LOCAL,
            "storage:\n  type: sqlite|storage:\n  type: sqlit",
            "storage.type: is \"sqlit\"; this version has sqlite and postgres",
        ),
        (
            LOCAL,
            "type: sqlite|type: mongodb",
            "storage.type: is \"mongodb\"; this version has sqlite and postgres",
        ),
        (
            LOCAL,
            "type: direct|type: amqp",
            "bus.type: is \"amqp\"; this version has direct",
        ),
        (
            LOCAL,
            "  path: ./data/events.db\n|",
            "storage.path: is missing",
        ),
        (
            LOCAL,
            "synchronous|synchronus",
            "projectors[0].synchronus: is not a known key; did you mean synchronous?",
        ),
        (
            LOCAL,
            "sagas:|saga:",
            "saga: is not a known key; did you mean sagas?",
        ),
        (
            LOCAL,
            "address: localhost:50051|address: localhost",
            "business_logic[0].address: \"localhost\" is not an address",
        ),
        (
            LOCAL,
            "synchronous: true|synchronous: 7",
            "projectors[0].synchronous: invalid type",
        ),
        (
            LOCAL,
            "name: inventory-summary\n|name: inventory-summary\n    sources: 3\n",
            "projectors[0].sources: invalid type",
        ),
    ];
    for (text, change, expected) in cases {
        let (from, to) = change.split_once('|').unwrap_or_default();
        let text = text.replacen(from, to, usize::from(!from.is_empty()));
        assert_says(&handwritten::parse(&text).unwrap_err(), expected);
    }
}

#[test]
fn all_unknown_keys_are_named_at_once() {
    let text = "schemaVersion: 1\nowner: {}\nlimits: {pageByte: 3}\ntimeouts: {frob: 1s}\n";
    let error = Routing::parse(text).unwrap_err().to_string();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 3, "{error}");
    assert!(lines[0].starts_with("owner: is not a known key; did you mean owners?"));
    assert!(lines[1].starts_with("limits.pageByte: is not a known key; did you mean pageBytes?"));
    assert!(lines[2].starts_with("timeouts.frob: is not a known key; known are"));
}

#[test]
fn every_number_and_time_of_routing_has_bounds() {
    let huge = "4000000000000000000";
    let cases = [
        ("limits", "pageBytes", "0", "is 0; give 1 to 20971520"),
        ("limits", "pageBytes", huge, "give 1 to 20971520"),
        ("limits", "appendBytes", huge, "give 1 to 20971520"),
        ("limits", "appendPages", "1001", "is 1001; give 1 to 1000"),
        ("limits", "historyBytes", huge, "give 1 to 20971520"),
        (
            "limits",
            "historyBytes",
            "16777217",
            "are 20971521 together",
        ),
        ("limits", "inFlightPerRoot", huge, "give 1 to 65536"),
        ("limits", "inFlight", huge, "give 1 to 65536"),
        (
            "limits",
            "inFlightBytes",
            "1",
            "give 33554432 to 1099511627776",
        ),
        (
            "limits",
            "queryBytes",
            huge,
            "give 33554432 to 1099511627776",
        ),
        ("delivery", "maxAttempts", "4000000000", "give 1 to 1000000"),
        ("delivery", "concurrency", huge, "give 1 to 10000"),
        ("delivery", "credit", "0", "give 1 to 65536"),
        ("delivery", "backoffInitial", "0s", "must be longer than 0s"),
        ("delivery", "backoffMax", "10000years", "to 24h"),
        ("outgoing", "perTarget", "0", "is 0; give 1 to 10000"),
        ("outgoing", "targetBytes", "0", "give 1 to 1099511627776"),
        ("outgoing", "bytes", huge, "give 1 to 1099511627776"),
        ("outgoing", "waiting", "0", "give 1 to 1000000"),
        ("outgoing", "waitingBytes", huge, "give 1 to 1099511627776"),
        ("timeouts", "command", "0s", "must be longer than 0s"),
        ("timeouts", "command", "25h", "to 24h"),
        ("timeouts", "logic", "25h", "to 24h"),
        ("timeouts", "sync", "25h", "to 24h"),
        ("timeouts", "drain", "25h", "to 24h"),
        ("timeouts", "client", "0s", "must be longer than 0s"),
        ("timeouts", "client", "25h", "to 24h"),
        ("timeouts", "lease", "10ms", "is 10ms; give 1s to 24h"),
    ];
    for (part, key, value, expected) in cases {
        let text = format!("schemaVersion: 1\n{part}: {{{key}: {value}}}\n");
        let error = Routing::parse(&text).unwrap_err().to_string();
        let field = format!("{part}.{key}: ");
        assert!(
            error.starts_with(&field) || error.starts_with(&field.replace(": ", " ")),
            "{error}"
        );
        assert!(
            error.contains(expected),
            "{error:?} does not say {expected:?}"
        );
    }
}

#[test]
fn the_hash_of_routing_follows_its_meaning() {
    let short = Routing::parse(
        "schemaVersion: 1\nowners: {b: ['localhost:2'], a: ['http://localhost:1']}\n",
    )
    .unwrap();
    let long = Routing::parse(
        "timeouts: {command: 30000ms}\nowners: {a: ['localhost:1'], b: ['localhost:2']}\nschemaVersion: 1\n",
    )
    .unwrap();
    assert_eq!(short.hash(), long.hash());
    assert_eq!(Routing::parse(&short.canonical()).unwrap(), short);
    assert_ne!(short.hash(), Routing::default().hash());
}

#[test]
fn routing_of_another_version_is_refused() {
    let error = Routing::parse("schemaVersion: 2\n")
        .unwrap_err()
        .to_string();
    assert_eq!(error, "schemaVersion: is 2; this sidecar reads 1");
}

#[test]
fn routing_with_the_wrong_types_is_refused() {
    let cases = [
        ("owners: {}", "missing field `schemaVersion`"),
        ("owners: {a: [b]}", "owners.a[0]: \"b\" is not an address"),
        ("timeouts: {command: soon}", "timeouts.command: "),
    ];
    for (field, expected) in cases {
        let version = if field == "owners: {}" {
            ""
        } else {
            "schemaVersion: 1\n"
        };
        let error = Routing::parse(&format!("{version}{field}\n")).unwrap_err();
        assert_says(&error, expected);
    }
}

const SOUND: &str = "
namespace: shop
storage: {type: sqlite, path: /data/events.db}
bus: {type: direct}
ports: {bind: 127.0.0.1, grpc: 0}
components:
  - {kind: aggregate, domain: cart, logic: 'localhost:50051'}
  - {kind: projector, name: pond, sources: [{domain: cart}], logic: 'localhost:50052'}
";

#[test]
fn the_wait_for_a_file_is_longer_than_a_drain_unless_it_is_set() {
    let wait = |boot: Boot| match boot.storage {
        Storage::File(file) => file.wait,
        Storage::Server(_) => unreachable!("it is a file"),
    };
    let seconds = Duration::from_secs;
    assert!(wait(Boot::parse(SOUND).unwrap()) > Timeouts::default().drain);
    for (text, expected) in [("0s", 0), ("40s", 40), ("1m", 60)] {
        let set = SOUND.replacen("type: sqlite,", &format!("type: sqlite, wait: {text},"), 1);
        assert_eq!(wait(Boot::parse(&set).unwrap()), seconds(expected));
        let by_hand = LOCAL.replacen("  path:", &format!("  wait: {text}\n  path:"), 1);
        let by_hand = handwritten::parse(&by_hand).unwrap();
        assert_eq!(wait(by_hand), seconds(expected));
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_boot_document_names_its_mistakes() {
    assert_eq!(Boot::parse(SOUND).unwrap().namespace, "shop");
    let cases = [
        (
            "namespace: shop|namespaces: shop",
            "missing field `namespace`",
        ),
        ("namespace: shop|namespace: [a]", "namespace: invalid type"),
        ("namespace: shop|namespace: a/b", "namespace: is \"a/b\""),
        ("namespace: shop|namespace: ''", "namespace: is \"\""),
        ("grpc: 0|grpc: many", "ports.grpc: invalid type"),
        ("grpc: 0|grpc: 70000", "ports.grpc: invalid value"),
        ("grpc: 0|grpc: -1", "ports.grpc: invalid value"),
        (
            "grpc: 0|gprc: 0",
            "ports.gprc: is not a known key; did you mean grpc?",
        ),
        ("bind: 127.0.0.1|bind: everywhere", "ports.bind: "),
        (
            "type: sqlite|type: oracle",
            "unknown variant `oracle`, expected `sqlite`",
        ),
        (
            "type: direct|type: pigeons",
            "unknown variant `pigeons`, expected `direct`",
        ),
        (
            "kind: aggregate|kind: agregate",
            "unknown variant `agregate`, expected one of `aggregate`",
        ),
        (
            "domain: cart, logic|domian: cart, logic",
            "the keys given here are kind, domian",
        ),
        (
            "kind: aggregate, |kind: aggregate, domian: x, ",
            "components[0].domian: is not a known key; did you mean domain?",
        ),
        (
            "domain: cart, logic|domain: '', logic",
            "components[0].domain: is \"\"",
        ),
        ("name: pond|name: a/b", "components[1].name: is \"a/b\""),
        (
            "name: pond|name: \"a\\0b\"",
            "components[1].name: is \"a\\0b\"",
        ),
        (
            "[{domain: cart}]|[]",
            "components[1].sources: is empty; name at least one domain",
        ),
        (
            "[{domain: cart}]|[{domain: cart}, {domain: cart}]",
            "components[1].sources[1]: names cart a second time",
        ),
        (
            "[{domain: cart}]|[{domain: cart, evenTypes: [a]}]",
            "components[1].sources[0].evenTypes: is not a known key; did you mean eventTypes?",
        ),
        (
            "name: pond|name: pond, startFrom: yesterday",
            "unknown variant `yesterday`",
        ),
        (
            "name: pond|name: pond, mode: slow",
            "unknown variant `slow`",
        ),
        (
            "'localhost:50051'|'nowhere'",
            "\"nowhere\" is not an address; write host:port",
        ),
        (
            "  - {kind: aggregate|  - {kind: aggregate, domain: cart, logic: 'localhost:1'}\n  - {kind: aggregate",
            "components[1]: is a second aggregate cart",
        ),
        (
            "components:|components: 7\nothers:",
            "components: invalid type",
        ),
        (
            "type: sqlite,|type: sqlite, wait: 25h,",
            "storage.wait: is 90000s; give 0s to 24h",
        ),
        (
            "type: sqlite,|type: sqlite, wait: soon,",
            "storage: invalid value",
        ),
        ("bus: {type: direct}|bus: [", "not valid YAML: "),
        ("namespace: shop|\u{0}", "not valid YAML: "),
    ];
    for (change, expected) in cases {
        let (from, to) = change.split_once('|').unwrap();
        let error = Boot::parse(&SOUND.replacen(from, to, 1)).unwrap_err();
        assert_says(&error, expected);
    }
    assert_says(&Boot::parse("# nothing\n").unwrap_err(), "is empty");
}

#[test]
fn mistakes_next_to_secrets_do_not_show_them() {
    for text in [
        "storage: {type: sqlite, path: a, password: hunter2\nbus: [\n",
        "storage: {type: sqlite, path: a}\npassword: \"hunter2\n",
        "storage: 'postgres://u:hunter2@h/db'\nbus: {type: direct}\n",
        "storage: {type: oracle, url: 'oracle://u:hunter2@h/db'}\nbus: {type: direct}\n",
        "storage: {type: sqlite, path: a}\nbus: {type: pigeons, url: 'amqp://u:hunter2@h'}\n",
        "components: []\nnamespace: a\nstorage: 'postgres://u:hunter2@h/db'\n",
        "components: []\nnamespace: a\nstorage: {type: 'sqlite://u:hunter2@h/db'}\n",
        "components: [{kind: saga, logic: 'http://u:hunter2@h:1'}]\n",
    ] {
        let error = handwritten::parse(text).unwrap_err();
        assert!(!chain(&error).contains("hunter2"), "{}", chain(&error));
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

const SHARED: &str = "
namespace: shop
storage:
  type: postgres
  connection: {type: folder, path: /etc/angzarr/store, keys: {password: token}}
  schema: events
bus: {type: direct}
components:
  - {kind: aggregate, domain: cart, logic: 'localhost:50051'}
";

#[test]
fn a_server_store_by_hand_has_its_credentials_in_the_url() {
    let text = LOCAL.replace(
        "type: sqlite\n  path: ./data/events.db",
        "type: postgres\n  path: postgres://till:sesame@db:5432/shop\n  database: events",
    );
    let boot = handwritten::parse(&text).unwrap();
    let postgres = postgres(&boot);
    assert_eq!(postgres.database.as_deref(), Some("events"));
    assert_eq!(postgres.schema, "angzarr");
    let Connection::Url { url } = &postgres.connection else {
        unreachable!("{:?}", postgres.connection)
    };
    assert_eq!(url.reveal(), "postgres://till:sesame@db:5432/shop");
    assert!(!format!("{boot:?}").contains("sesame"));
    let missing = LOCAL.replace("type: sqlite\n  path: ./data/events.db", "type: postgres");
    let error = handwritten::parse(&missing).unwrap_err().to_string();
    assert!(error.contains("storage.path: is missing; write postgres://"));
}

#[test]
fn a_server_store_of_an_operator_has_them_in_files() {
    let boot = Boot::parse(SHARED).unwrap();
    let postgres = postgres(&boot);
    let Connection::Folder { path, keys } = &postgres.connection else {
        unreachable!("{:?}", postgres.connection)
    };
    assert_eq!(path.to_str(), Some("/etc/angzarr/store"));
    assert_eq!(keys.password.as_deref(), Some("token"));
    assert_eq!(postgres.max_connections.get(), 8);
}

#[test]
fn mistakes_around_a_server_store_are_named_and_show_no_secret() {
    let cases = [
        (
            "schema: events|schema: 1st",
            "storage.schema: must be 1 to 63",
        ),
        (
            "schema: events|shema: events",
            "storage.shema: is not a known key; did you mean schema?",
        ),
        (
            "schema: events|maxConnections: 0",
            "storage: invalid value: integer `0`",
        ),
        (
            "schema: events|statementTimeout: 10ms",
            "storage.statementTimeout: is 10ms; give 1s to 24h",
        ),
        (
            "{type: folder, path: /etc/angzarr/store, keys: {password: token}}|postgres://till:sesame@db/shop",
            "storage: invalid type",
        ),
    ];
    for (change, expected) in cases {
        let (from, to) = change.split_once('|').unwrap();
        let error = Boot::parse(&SHARED.replacen(from, to, 1)).unwrap_err();
        assert_says(&error, expected);
        assert!(!chain(&error).contains("sesame"), "{error}");
    }
}
