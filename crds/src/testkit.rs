//! Input that the rules between fields accept, and input that rules or the shape refuse, for tests on whatever validates resources.

#![allow(clippy::unwrap_used, reason = "the cases are constants")]

mod shape;

use serde_json::{Value, json};

use crate::Kind;
#[cfg(test)]
pub(crate) use shape::aggregate;
pub use shape::misshapen;

/// A rule with its cases.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What holds, as words joined by underscores.
    pub name: &'static str,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// A resource that is created, or that replaces another one.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its kind.
    pub kind: Kind,
    /// The resource.
    pub new: Value,
    /// What it replaces.
    pub old: Option<Value>,
    /// Why it is refused.
    pub refusal: Option<Refusal>,
}

/// What the refusal of a resource says.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The beginning of the field's path; empty if any will do.
    pub field: String,
    /// A part of the rule's sentence.
    pub sentence: String,
}

/// Lists the cases of a rule.
type Listing = fn(&mut Cases);

const RULES: [(&str, Listing); 16] = [
    ("sound_resources_are_accepted", sound_resources_are_accepted),
    (
        "names_are_labels_of_at_most_fifty",
        names_are_labels_of_at_most_fifty,
    ),
    (
        "keys_of_labels_and_annotations_are_names",
        keys_of_labels_and_annotations_are_names,
    ),
    (
        "a_component_has_a_template_or_a_workload",
        a_component_has_a_template_or_a_workload,
    ),
    (
        "replicas_and_autoscaling_exclude_each_other",
        replicas_and_autoscaling_exclude_each_other,
    ),
    (
        "a_component_stays_with_its_store",
        a_component_stays_with_its_store,
    ),
    (
        "another_namespace_needs_credentials_of_its_own",
        another_namespace_needs_credentials_of_its_own,
    ),
    ("a_domain_with_events_stays", a_domain_with_events_stays),
    (
        "a_start_has_what_its_type_needs",
        a_start_has_what_its_type_needs,
    ),
    (
        "a_position_belongs_to_one_source",
        a_position_belongs_to_one_source,
    ),
    (
        "storage_has_the_block_of_its_type",
        storage_has_the_block_of_its_type,
    ),
    (
        "a_bus_has_the_block_of_its_type_and_somebody_who_manages_it",
        a_bus_has_the_block_of_its_type_and_somebody_who_manages_it,
    ),
    (
        "the_direct_bus_has_no_manager",
        the_direct_bus_has_no_manager,
    ),
    ("a_store_stays_what_it_is", a_store_stays_what_it_is),
    (
        "a_default_written_out_is_no_change_of_the_store",
        a_default_written_out_is_no_change_of_the_store,
    ),
    (
        "a_selector_belongs_to_from_selector",
        a_selector_belongs_to_from_selector,
    ),
];

/// All rules.
pub fn rules() -> Vec<Rule> {
    let rule = |(name, list): (_, Listing)| {
        let mut cases = Cases(Vec::new());
        list(&mut cases);
        Rule {
            name,
            cases: cases.0,
        }
    };
    RULES.into_iter().map(rule).collect()
}

struct Cases(Vec<Case>);

impl Cases {
    fn accepted(&mut self, kind: Kind, new: &Value, old: Option<&Value>) {
        self.add(kind, new, old, None);
    }

    /// Adds a case that is refused with a sentence, which may have the field and a colon before it.
    fn refused(&mut self, kind: Kind, new: &Value, old: Option<&Value>, wanted: &str) {
        let (field, sentence) = wanted.split_once(": ").unwrap_or(("", wanted));
        let refusal = Refusal {
            field: field.to_owned(),
            sentence: sentence.to_owned(),
        };
        self.add(kind, new, old, Some(refusal));
    }

    fn add(&mut self, kind: Kind, new: &Value, old: Option<&Value>, refusal: Option<Refusal>) {
        self.0.push(Case {
            kind,
            new: new.clone(),
            old: old.cloned(),
            refusal,
        });
    }
}

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

fn sound_resources_are_accepted(cases: &mut Cases) {
    for kind in Kind::ALL {
        cases.accepted(kind, &sound(kind), None);
        cases.accepted(kind, &sound(kind), Some(&sound(kind)));
    }
}

fn names_are_labels_of_at_most_fifty(cases: &mut Cases) {
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
                true => cases.accepted(kind, &resource, None),
                false => cases.refused(kind, &resource, None, "metadata.name must have at most 50"),
            }
        }
    }
}

fn keys_of_labels_and_annotations_are_names(cases: &mut Cases) {
    let with_key = |pointer: &str, key: &str| {
        let mut new = with(
            Kind::Aggregate,
            &[
                ("/metadata", json!({ "labels": {}, "annotations": {} })),
                ("/network", json!({ "service": { "annotations": {} } })),
                (
                    "/template/metadata",
                    json!({ "labels": {}, "annotations": {} }),
                ),
            ],
        );
        new["spec"].pointer_mut(pointer).unwrap()[key] = json!("x");
        new
    };
    let long = "x".repeat(64);
    let slash = [
        ("example.com/team", true),
        ("exa mple.com/team", false),
        ("/team", false),
        ("a/b/c", false),
    ];
    let names = ["", "a b", "-a", "a.", "ä", &long].map(|key| (key, false));
    for map in [
        "/metadata/labels",
        "/metadata/annotations",
        "/network/service/annotations",
        "/template/metadata/labels",
        "/template/metadata/annotations",
    ] {
        cases.accepted(Kind::Aggregate, &with_key(map, "A.b_c-9"), None);
        for (key, is_good) in names.into_iter().chain(slash) {
            let new = with_key(map, key);
            let wanted = format!("spec{}: ", map.replace('/', "."));
            match is_good {
                true => cases.accepted(Kind::Aggregate, &new, None),
                false => cases.refused(Kind::Aggregate, &new, None, &wanted),
            }
        }
    }
}

fn a_component_has_a_template_or_a_workload(cases: &mut Cases) {
    let workload = json!({ "name": "tern" });
    for kind in Kind::COMPONENTS {
        let both = with(kind, &[("/workloadRef", workload.clone())]);
        cases.refused(
            kind,
            &both,
            None,
            "spec: exactly one of template and workloadRef",
        );
        let neither = with(kind, &[("/template", Value::Null)]);
        cases.refused(
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
        cases.accepted(kind, &other, None);
        cases.accepted(kind, &other, Some(&sound(kind)));
    }
}

fn replicas_and_autoscaling_exclude_each_other(cases: &mut Cases) {
    let range = |least, most| json!({ "minReplicas": least, "maxReplicas": most });
    for kind in Kind::COMPONENTS {
        let both = [("/replicas", json!(1)), ("/autoscaling", range(1, 3))];
        cases.refused(kind, &with(kind, &both), None, "exclude each other");
        cases.accepted(kind, &with(kind, &both[..1]), None);
        cases.accepted(kind, &with(kind, &both[1..]), None);
        let reversed = with(kind, &[("/autoscaling", range(3, 2))]);
        cases.refused(
            kind,
            &reversed,
            None,
            "spec.autoscaling: minReplicas must not be greater",
        );
        let default = with(kind, &[("/autoscaling", json!({ "maxReplicas": 1 }))]);
        cases.accepted(kind, &default, None);
    }
}

fn a_component_stays_with_its_store(cases: &mut Cases) {
    let secret = ("/eventStoreRef/connectionSecretRef", json!({ "name": "s" }));
    let elsewhere = |namespace: &str| ("/eventStoreRef/namespace", json!(namespace));
    for kind in Kind::COMPONENTS {
        let renamed = with(kind, &[("/eventStoreRef/name", json!("pond"))]);
        cases.refused(
            kind,
            &renamed,
            Some(&sound(kind)),
            "eventStoreRef cannot change",
        );
        let moved = with(kind, &[elsewhere("sea"), secret.clone()]);
        cases.refused(
            kind,
            &moved,
            Some(&sound(kind)),
            "eventStoreRef cannot change",
        );
        cases.refused(
            kind,
            &sound(kind),
            Some(&moved),
            "eventStoreRef cannot change",
        );
        let moved_on = with(kind, &[elsewhere("lake"), secret.clone()]);
        cases.refused(kind, &moved_on, Some(&moved), "eventStoreRef cannot change");
        let other_secret = ("/eventStoreRef/connectionSecretRef", json!({ "name": "t" }));
        let rotated = with(kind, &[elsewhere("sea"), other_secret]);
        cases.accepted(kind, &rotated, Some(&moved));
    }
}

fn another_namespace_needs_credentials_of_its_own(cases: &mut Cases) {
    let elsewhere = ("/eventStoreRef/namespace", json!("sea"));
    let secret = ("/eventStoreRef/connectionSecretRef", json!({ "name": "s" }));
    for kind in Kind::COMPONENTS {
        let without = with(kind, std::slice::from_ref(&elsewhere));
        cases.refused(
            kind,
            &without,
            None,
            "namespace needs eventStoreRef.connectionSecretRef",
        );
        cases.accepted(
            kind,
            &with(kind, &[elsewhere.clone(), secret.clone()]),
            None,
        );
        cases.accepted(kind, &with(kind, std::slice::from_ref(&secret)), None);
    }
}

fn a_domain_with_events_stays(cases: &mut Cases) {
    for kind in [Kind::Aggregate, Kind::ProcessManager] {
        let renamed = with(kind, &[("/domain", json!("seal"))]);
        cases.refused(kind, &renamed, Some(&sound(kind)), "domain cannot change");
        cases.accepted(kind, &renamed, None);
    }
}

fn a_start_has_what_its_type_needs(cases: &mut Cases) {
    let starts = [
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
    for kind in Kind::CONSUMERS {
        for (start, wanted) in &starts {
            let resource = with(kind, &[("/startFrom", start.clone())]);
            match wanted {
                Some(wanted) => cases.refused(kind, &resource, None, wanted),
                None => cases.accepted(kind, &resource, None),
            }
        }
    }
}

fn a_position_belongs_to_one_source(cases: &mut Cases) {
    let two = (
        "/sources",
        json!([{ "domain": "egg" }, { "domain": "nest-box" }]),
    );
    let position = ("/startFrom", json!({ "type": "Position", "position": 7 }));
    for kind in Kind::CONSUMERS {
        let both = with(kind, &[two.clone(), position.clone()]);
        cases.refused(kind, &both, None, "needs exactly one source");
        cases.accepted(kind, &with(kind, std::slice::from_ref(&two)), None);
    }
}

fn storage_has_the_block_of_its_type(cases: &mut Cases) {
    let connection = json!({ "connection": { "secretRef": { "name": "s" } } });
    for word in ["postgres", "mongodb", "redis"] {
        let fitting = json!({ "type": word, word: connection });
        cases.accepted(
            Kind::EventStore,
            &with(Kind::EventStore, &[("/storage", fitting)]),
            None,
        );
        let missing = with(Kind::EventStore, &[("/storage", json!({ "type": word }))]);
        let wanted = format!("spec.storage: the block {word} must be set");
        cases.refused(Kind::EventStore, &missing, None, &wanted);
        let foreign = json!({ "type": "sqlite", word: connection });
        let foreign = with(Kind::EventStore, &[("/storage", foreign)]);
        cases.refused(Kind::EventStore, &foreign, None, &wanted);
    }
    for sqlite in [
        json!({ "type": "sqlite" }),
        json!({ "type": "sqlite", "sqlite": {} }),
    ] {
        cases.accepted(
            Kind::EventStore,
            &with(Kind::EventStore, &[("/storage", sqlite)]),
            None,
        );
    }
    let foreign = with(Kind::EventStore, &[("/storage/sqlite", json!({}))]);
    cases.refused(
        Kind::EventStore,
        &foreign,
        None,
        "the block sqlite must be left out",
    );
}

fn with_bus(bus: Value) -> Value {
    with(Kind::EventStore, &[("/bus", bus)])
}

fn a_bus_has_the_block_of_its_type_and_somebody_who_manages_it(cases: &mut Cases) {
    let store = with_bus;
    let connection = json!({ "connection": { "secretRef": { "name": "b" } } });
    let admin = json!({ "name": "a" });
    for word in ["rabbitmq", "kafka", "nats"] {
        let wanted = format!("spec.bus: the block {word} must be set");
        cases.accepted(
            Kind::EventStore,
            &store(json!({ "type": word, word: connection })),
            None,
        );
        cases.refused(
            Kind::EventStore,
            &store(json!({ "type": word })),
            None,
            &wanted,
        );
        let foreign = store(json!({ "type": "direct", word: connection }));
        cases.refused(Kind::EventStore, &foreign, None, &wanted);
        let managed = |extra: Value| {
            let mut bus = json!({ "type": word, word: connection });
            bus.as_object_mut()
                .unwrap()
                .extend(extra.as_object().unwrap().clone());
            store(bus)
        };
        let alone = managed(json!({ "management": "Operator" }));
        cases.refused(
            Kind::EventStore,
            &alone,
            None,
            "management Operator needs adminSecretRef",
        );
        let ready = managed(json!({ "management": "Operator", "adminSecretRef": admin }));
        cases.accepted(Kind::EventStore, &ready, None);
        for other in ["Coordinator", "External"] {
            cases.accepted(
                Kind::EventStore,
                &managed(json!({ "management": other })),
                None,
            );
        }
    }
}

fn the_direct_bus_has_no_manager(cases: &mut Cases) {
    let store = with_bus;
    let admin = json!({ "name": "a" });
    cases.accepted(
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
        cases.refused(
            Kind::EventStore,
            &store(bus),
            None,
            "no meaning for type direct",
        );
    }
    let foreign = with(Kind::EventStore, &[("/bus/direct", json!({}))]);
    cases.refused(
        Kind::EventStore,
        &foreign,
        None,
        "the block direct must be left out",
    );
}

fn a_store_stays_what_it_is(cases: &mut Cases) {
    let kind = Kind::EventStore;
    let connection = json!({ "secretRef": { "name": "s" } });
    let to_sqlite = with(kind, &[("/storage", json!({ "type": "sqlite" }))]);
    cases.refused(
        kind,
        &to_sqlite,
        Some(&sound(kind)),
        "storage.type cannot change",
    );
    let to_direct = with(kind, &[("/bus", json!({ "type": "direct" }))]);
    cases.refused(
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
        cases.refused(
            kind,
            &store(json!("pond")),
            Some(&store(json!("reef"))),
            &wanted,
        );
        cases.refused(
            kind,
            &store(Value::Null),
            Some(&store(json!("reef"))),
            &wanted,
        );
        cases.refused(
            kind,
            &store(json!("reef")),
            Some(&store(Value::Null)),
            &wanted,
        );
        cases.accepted(kind, &store(Value::Null), Some(&store(Value::Null)));
    }
    let pointer = "/storage/postgres/connection/secretRef/name";
    let rotated = with(kind, &[(pointer, json!("t"))]);
    cases.accepted(kind, &rotated, Some(&sound(kind)));
}

fn a_default_written_out_is_no_change_of_the_store(cases: &mut Cases) {
    let kind = Kind::EventStore;
    let written = with(kind, &[("/storage/postgres/schema", json!("angzarr"))]);
    cases.accepted(kind, &written, Some(&sound(kind)));
}

fn a_selector_belongs_to_from_selector(cases: &mut Cases) {
    let kind = Kind::EventStore;
    let store = |allowed| with(kind, &[("/allowedNamespaces", allowed)]);
    let selector = json!({ "matchLabels": { "team": "sea" } });
    cases.accepted(kind, &store(json!({ "from": "All" })), None);
    cases.accepted(
        kind,
        &store(json!({ "from": "Selector", "selector": selector })),
        None,
    );
    let wanted = "spec.allowedNamespaces: selector must be set";
    cases.refused(kind, &store(json!({ "from": "Selector" })), None, wanted);
    cases.refused(kind, &store(json!({ "selector": selector })), None, wanted);
}
