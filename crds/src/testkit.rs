use serde_json::{Value, json};

use super::*;

/// A resource of a kind that breaks no rule.
fn sound(kind: Kind) -> Value {
    let spec = match kind {
        Kind::EventStore => json!({
            "storage": {
                "type": "postgres",
                "postgres": { "connection": { "secretRef": { "name": "s" } }, "database": "reef" },
            },
            "bus": { "type": "rabbitmq", "rabbitmq": { "connection": { "secretRef": { "name": "b" } } } },
        }),
        Kind::Aggregate => json!({ "domain": "walrus" }),
        Kind::Projector | Kind::Saga => json!({ "sources": [{ "domain": "egg" }] }),
        Kind::ProcessManager => json!({ "domain": "nest", "sources": [{ "domain": "egg" }] }),
    };
    let mut resource = json!({
        "apiVersion": "angzarr.io/v1alpha1",
        "kind": kind.as_str(),
        "metadata": { "name": "tern" },
        "spec": spec,
    });
    if kind != Kind::EventStore {
        resource["spec"]["eventStoreRef"] = json!({ "name": "lagoon" });
        resource["spec"]["template"] = json!({ "spec": { "containers": [{ "name": "l" }] } });
    }
    resource
}

/// A sound resource with values put in at pointers below `spec`.
fn with(kind: Kind, changes: &[(&str, Value)]) -> Value {
    let mut resource = sound(kind);
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = resource.pointer_mut(&format!("/spec{parent}")).unwrap();
        parent[key] = value.clone();
    }
    resource
}

fn messages(kind: Kind, new: &Value, old: Option<&Value>) -> Vec<String> {
    assert_eq!(
        crate::validate_structure(kind, new),
        [],
        "the case itself is sound"
    );
    let found = validate_cel(kind, new, old);
    found.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn accepted(kind: Kind, new: &Value, old: Option<&Value>) {
    assert_eq!(messages(kind, new, old), Vec::<String>::new());
}

#[track_caller]
fn refused(kind: Kind, new: &Value, old: Option<&Value>, wanted: &str) {
    let found = messages(kind, new, old);
    assert!(
        matches!(found.as_slice(), [one] if one.contains(wanted)),
        "wanted {wanted:?}, found {found:#?}"
    );
}

const COMPONENTS: [Kind; 4] = [
    Kind::Aggregate,
    Kind::Projector,
    Kind::Saga,
    Kind::ProcessManager,
];
const CONSUMERS: [Kind; 3] = [Kind::Projector, Kind::Saga, Kind::ProcessManager];

#[test]
fn every_rule_compiles_and_can_be_evaluated() {
    for kind in Kind::ALL {
        let errors = compile_schema(schema(kind));
        assert!(
            !errors.has_errors(),
            "{kind}: {:?}",
            errors.compilation_errors()
        );
        accepted(kind, &sound(kind), None);
        accepted(kind, &sound(kind), Some(&sound(kind)));
    }
}

#[test]
fn names_are_labels_of_at_most_fifty() {
    for kind in Kind::ALL {
        for (name, fits) in [
            ("a", true),
            ("tern-2", true),
            (&"a".repeat(50), true),
            (&"a".repeat(51), false),
            ("2tern", false),
            ("tern-", false),
            ("Tern", false),
            ("tern.egg", false),
        ] {
            let mut resource = sound(kind);
            resource["metadata"]["name"] = json!(name);
            match fits {
                true => accepted(kind, &resource, None),
                false => refused(kind, &resource, None, "metadata.name must have at most 50"),
            }
        }
    }
}

#[test]
fn keys_of_labels_and_annotations_are_names() {
    let found = |pointer: &str, key: &str| {
        let new = with(
            Kind::Aggregate,
            &[
                ("/metadata", json!({ "labels": {}, "annotations": {} })),
                ("/network", json!({ "service": { "annotations": {} } })),
                (
                    "/template/metadata",
                    json!({ "labels": {}, "annotations": {} }),
                ),
                (&format!("{pointer}/{key}"), json!("x")),
            ],
        );
        validate_cel(Kind::Aggregate, &new, None)
    };
    let maps = [
        "/metadata/labels",
        "/metadata/annotations",
        "/network/service/annotations",
        "/template/metadata/labels",
        "/template/metadata/annotations",
    ];
    let long = "x".repeat(64);
    for map in maps {
        assert_eq!(found(map, "A.b_c-9"), []);
        for key in ["", "a b", "-a", "a.", "ä", &long] {
            let found = found(map, key);
            assert_eq!(found.len(), 1, "{map} {key:?}");
            assert_eq!(found[0].path, format!("spec{}", map.replace('/', ".")));
        }
    }
    for (key, is_good) in [
        ("example.com/team", true),
        ("exa mple.com/team", false),
        ("/team", false),
        ("a/b/c", false),
    ] {
        let labels = json!({ "labels": { key: "x" } });
        let new = with(Kind::Aggregate, &[("/metadata", labels)]);
        assert_eq!(
            validate_cel(Kind::Aggregate, &new, None).is_empty(),
            is_good,
            "{key}"
        );
    }
}

#[test]
fn a_component_has_a_template_or_a_workload() {
    let workload = json!({ "name": "tern" });
    for kind in COMPONENTS {
        let both = with(kind, &[("/workloadRef", workload.clone())]);
        refused(
            kind,
            &both,
            None,
            "spec: exactly one of template and workloadRef",
        );
        let neither = with(kind, &[("/template", Value::Null)]);
        refused(
            kind,
            &neither,
            None,
            "exactly one of template and workloadRef",
        );
        let other = with(
            kind,
            &[
                ("/template", Value::Null),
                ("/workloadRef", workload.clone()),
            ],
        );
        accepted(kind, &other, None);
        accepted(kind, &other, Some(&sound(kind)));
    }
}

#[test]
fn replicas_and_autoscaling_exclude_each_other() {
    let range = |least, most| json!({ "minReplicas": least, "maxReplicas": most });
    for kind in COMPONENTS {
        let both = [("/replicas", json!(1)), ("/autoscaling", range(1, 3))];
        refused(kind, &with(kind, &both), None, "exclude each other");
        accepted(kind, &with(kind, &both[..1]), None);
        accepted(kind, &with(kind, &both[1..]), None);
        let reversed = with(kind, &[("/autoscaling", range(3, 2))]);
        refused(
            kind,
            &reversed,
            None,
            "spec.autoscaling: minReplicas must not be greater",
        );
        let default = with(kind, &[("/autoscaling", json!({ "maxReplicas": 1 }))]);
        accepted(kind, &default, None);
    }
}

#[test]
fn a_component_stays_with_its_store() {
    let secret = ("/eventStoreRef/connectionSecretRef", json!({ "name": "s" }));
    let elsewhere = |namespace: &str| ("/eventStoreRef/namespace", json!(namespace));
    for kind in COMPONENTS {
        let renamed = with(kind, &[("/eventStoreRef/name", json!("pond"))]);
        refused(
            kind,
            &renamed,
            Some(&sound(kind)),
            "eventStoreRef cannot change",
        );
        let moved = with(kind, &[elsewhere("sea"), secret.clone()]);
        refused(
            kind,
            &moved,
            Some(&sound(kind)),
            "eventStoreRef cannot change",
        );
        refused(
            kind,
            &sound(kind),
            Some(&moved),
            "eventStoreRef cannot change",
        );
        let moved_on = with(kind, &[elsewhere("lake"), secret.clone()]);
        refused(kind, &moved_on, Some(&moved), "eventStoreRef cannot change");
        let other_secret = ("/eventStoreRef/connectionSecretRef", json!({ "name": "t" }));
        let rotated = with(kind, &[elsewhere("sea"), other_secret]);
        accepted(kind, &rotated, Some(&moved));
    }
}

#[test]
fn another_namespace_needs_credentials_of_its_own() {
    let elsewhere = ("/eventStoreRef/namespace", json!("sea"));
    let secret = ("/eventStoreRef/connectionSecretRef", json!({ "name": "s" }));
    for kind in COMPONENTS {
        let without = with(kind, std::slice::from_ref(&elsewhere));
        refused(
            kind,
            &without,
            None,
            "namespace needs eventStoreRef.connectionSecretRef",
        );
        accepted(
            kind,
            &with(kind, &[elsewhere.clone(), secret.clone()]),
            None,
        );
        accepted(kind, &with(kind, std::slice::from_ref(&secret)), None);
    }
}

#[test]
fn a_domain_with_events_stays() {
    for kind in [Kind::Aggregate, Kind::ProcessManager] {
        let renamed = with(kind, &[("/domain", json!("seal"))]);
        refused(kind, &renamed, Some(&sound(kind)), "domain cannot change");
        accepted(kind, &renamed, None);
    }
}

#[test]
fn a_start_has_what_its_type_needs() {
    let cases = [
        (json!({ "type": "Beginning" }), None),
        (json!({ "type": "Now" }), None),
        (json!({ "type": "Position", "position": 7 }), None),
        (
            json!({ "type": "Time", "time": "2026-01-31T00:00:00Z" }),
            None,
        ),
        (json!({ "type": "Position" }), Some("position must be set")),
        (json!({ "type": "Time" }), Some("time must be set")),
        (
            json!({ "type": "Now", "position": 7 }),
            Some("position must be set"),
        ),
        (
            json!({ "type": "Beginning", "time": "2026-01-31T00:00:00Z" }),
            Some("time must be set"),
        ),
    ];
    for kind in CONSUMERS {
        for (start, wanted) in &cases {
            let resource = with(kind, &[("/startFrom", start.clone())]);
            match wanted {
                Some(wanted) => refused(kind, &resource, None, wanted),
                None => accepted(kind, &resource, None),
            }
        }
    }
}

#[test]
fn a_position_belongs_to_one_source() {
    let two = (
        "/sources",
        json!([{ "domain": "egg" }, { "domain": "nest-box" }]),
    );
    let position = ("/startFrom", json!({ "type": "Position", "position": 7 }));
    for kind in CONSUMERS {
        let both = with(kind, &[two.clone(), position.clone()]);
        refused(kind, &both, None, "needs exactly one source");
        accepted(kind, &with(kind, std::slice::from_ref(&two)), None);
    }
}

#[test]
fn storage_has_the_block_of_its_type() {
    let connection = json!({ "connection": { "secretRef": { "name": "s" } } });
    for word in ["postgres", "mongodb", "redis"] {
        let fitting = json!({ "type": word, word: connection });
        accepted(
            Kind::EventStore,
            &with(Kind::EventStore, &[("/storage", fitting)]),
            None,
        );
        let missing = with(Kind::EventStore, &[("/storage", json!({ "type": word }))]);
        let wanted = format!("spec.storage: the block {word} must be set");
        refused(Kind::EventStore, &missing, None, &wanted);
        let foreign = json!({ "type": "sqlite", word: connection });
        let foreign = with(Kind::EventStore, &[("/storage", foreign)]);
        refused(Kind::EventStore, &foreign, None, &wanted);
    }
    for sqlite in [
        json!({ "type": "sqlite" }),
        json!({ "type": "sqlite", "sqlite": {} }),
    ] {
        accepted(
            Kind::EventStore,
            &with(Kind::EventStore, &[("/storage", sqlite)]),
            None,
        );
    }
    let foreign = with(Kind::EventStore, &[("/storage/sqlite", json!({}))]);
    refused(
        Kind::EventStore,
        &foreign,
        None,
        "the block sqlite must be left out",
    );
}

fn with_bus(bus: Value) -> Value {
    with(Kind::EventStore, &[("/bus", bus)])
}

#[test]
fn a_bus_has_the_block_of_its_type_and_somebody_who_manages_it() {
    let store = with_bus;
    let connection = json!({ "connection": { "secretRef": { "name": "b" } } });
    let admin = json!({ "name": "a" });
    for word in ["rabbitmq", "kafka", "nats"] {
        let wanted = format!("spec.bus: the block {word} must be set");
        accepted(
            Kind::EventStore,
            &store(json!({ "type": word, word: connection })),
            None,
        );
        refused(
            Kind::EventStore,
            &store(json!({ "type": word })),
            None,
            &wanted,
        );
        let foreign = store(json!({ "type": "direct", word: connection }));
        refused(Kind::EventStore, &foreign, None, &wanted);
        let managed = |extra: Value| {
            let mut bus = json!({ "type": word, word: connection });
            bus.as_object_mut()
                .unwrap()
                .extend(extra.as_object().unwrap().clone());
            store(bus)
        };
        let alone = managed(json!({ "management": "Operator" }));
        refused(
            Kind::EventStore,
            &alone,
            None,
            "management Operator needs adminSecretRef",
        );
        let ready = managed(json!({ "management": "Operator", "adminSecretRef": admin }));
        accepted(Kind::EventStore, &ready, None);
        for other in ["Coordinator", "External"] {
            accepted(
                Kind::EventStore,
                &managed(json!({ "management": other })),
                None,
            );
        }
    }
}

#[test]
fn the_direct_bus_has_no_manager() {
    let store = with_bus;
    let admin = json!({ "name": "a" });
    accepted(
        Kind::EventStore,
        &store(json!({ "type": "direct", "direct": {} })),
        None,
    );
    for extra in [
        json!({ "management": "External" }),
        json!({ "adminSecretRef": admin }),
    ] {
        let mut bus = extra;
        bus["type"] = json!("direct");
        refused(
            Kind::EventStore,
            &store(bus),
            None,
            "no meaning for type direct",
        );
    }
    let foreign = with(Kind::EventStore, &[("/bus/direct", json!({}))]);
    refused(
        Kind::EventStore,
        &foreign,
        None,
        "the block direct must be left out",
    );
}

#[test]
fn a_store_stays_what_it_is() {
    let kind = Kind::EventStore;
    let connection = json!({ "secretRef": { "name": "s" } });
    let to_sqlite = with(kind, &[("/storage", json!({ "type": "sqlite" }))]);
    refused(
        kind,
        &to_sqlite,
        Some(&sound(kind)),
        "storage.type cannot change",
    );
    let to_direct = with(kind, &[("/bus", json!({ "type": "direct" }))]);
    refused(
        kind,
        &to_direct,
        Some(&sound(kind)),
        "bus.type cannot change",
    );
    for (block, field) in [
        ("postgres", "database"),
        ("postgres", "schema"),
        ("mongodb", "database"),
        ("redis", "prefix"),
    ] {
        let store = |value: Value| {
            let storage =
                json!({ "type": block, block: { "connection": connection, field: value } });
            with(kind, &[("/storage", storage)])
        };
        let wanted = format!("storage.{block}.{field} cannot change");
        refused(
            kind,
            &store(json!("pond")),
            Some(&store(json!("reef"))),
            &wanted,
        );
        refused(
            kind,
            &store(Value::Null),
            Some(&store(json!("reef"))),
            &wanted,
        );
        refused(
            kind,
            &store(json!("reef")),
            Some(&store(Value::Null)),
            &wanted,
        );
        accepted(kind, &store(Value::Null), Some(&store(Value::Null)));
    }
    let pointer = "/storage/postgres/connection/secretRef/name";
    let rotated = with(kind, &[(pointer, json!("t"))]);
    accepted(kind, &rotated, Some(&sound(kind)));
}

#[test]
fn a_default_written_out_is_no_change_of_the_store() {
    let kind = Kind::EventStore;
    let written = with(kind, &[("/storage/postgres/schema", json!("angzarr"))]);
    accepted(kind, &written, Some(&sound(kind)));
}

#[test]
fn a_selector_belongs_to_from_selector() {
    let kind = Kind::EventStore;
    let store = |allowed| with(kind, &[("/allowedNamespaces", allowed)]);
    let selector = json!({ "matchLabels": { "team": "sea" } });
    accepted(kind, &store(json!({ "from": "All" })), None);
    accepted(
        kind,
        &store(json!({ "from": "Selector", "selector": selector })),
        None,
    );
    let wanted = "spec.allowedNamespaces: selector must be set";
    refused(kind, &store(json!({ "from": "Selector" })), None, wanted);
    refused(kind, &store(json!({ "selector": selector })), None, wanted);
}
