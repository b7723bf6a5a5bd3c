//! Resources as people write them, with the mistakes that people make.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says why and ends"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use angzarr_config::Mistake;
use angzarr_config::boot::Ports;
use angzarr_config::endpoint::Endpoint;
use angzarr_crds::Kind;
use angzarr_operator::manifest::read_text;
use angzarr_operator::plan::{Place, documents};
use angzarr_operator::validate::validate;
use angzarr_operator::{Key, System};

const STORE: &str = "
apiVersion: angzarr.io/v1alpha1
kind: EventStore
metadata: {name: heron}
spec: {storage: {type: sqlite}, bus: {type: direct}}
";

fn component(kind: &str, name: &str, fields: &str) -> String {
    format!(
        "---\napiVersion: angzarr.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n  eventStoreRef: {{name: heron}}\n  template: {{spec: {{containers: [{{name: logic, image: {name}:1}}]}}}}\n{fields}\n"
    )
}

fn judge(text: &str) -> Result<System, Vec<Mistake>> {
    validate(&read_text(Path::new("lake.yaml"), text)?.resources)
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let mistakes = judge(text).unwrap_err();
    let said: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
    assert!(
        said.iter().any(|line| line.contains(expected)),
        "{expected}\nis missing in\n{}",
        said.join("\n")
    );
}

/// A store and an aggregate with only the fields given.
fn nest(fields: &str) -> String {
    format!(
        "{STORE}---\napiVersion: angzarr.io/v1alpha1\nkind: Aggregate\nmetadata: {{name: nest}}\nspec:\n  eventStoreRef: {{name: heron}}\n  domain: nest\n{fields}\n"
    )
}

fn lake() -> String {
    let parts = [
        STORE.to_owned(),
        component("Aggregate", "nest", "  domain: nest"),
        component("Aggregate", "reed", "  domain: reed"),
        component(
            "Saga",
            "nest",
            "  sources: [{domain: nest, eventTypes: [heron.Laid]}]\n  targets: [{domain: reed}]",
        ),
        component(
            "Projector",
            "map",
            "  mode: Sync\n  sources: [{domain: nest}]\n  delivery: {maxAttempts: 3}",
        ),
    ];
    parts.concat()
}

#[test]
fn each_mistake_is_named_with_file_resource_and_field() {
    let cases = [
        ("a: 1", "lake.yaml: document 1: has no apiVersion and kind"),
        (
            "apiVersion: angzarr.io/v1alpha1\nkind: Sagga\nmetadata: {name: a}",
            "lake.yaml: Sagga/a: kind: is not a kind of angzarr.io; write one of",
        ),
        (
            &component("Aggregate", "nest", "  domian: nest"),
            "lake.yaml: Aggregate/nest: spec.domian: is not a field; did you mean domain?",
        ),
        (
            &component("Aggregate", "nest", "  domain: nest"),
            "lake.yaml: Aggregate/nest: spec.eventStoreRef.name: EventStore heron does not exist in namespace default; declare it",
        ),
        (
            &(lake() + &component("Aggregate", "sedge", "  domain: reed")),
            "lake.yaml: Aggregate/sedge: spec.domain: reed belongs to Aggregate/reed already",
        ),
        (
            &(lake() + &component("Projector", "map", "  sources: [{domain: nest}]")),
            "lake.yaml: Projector/map: metadata.name: is also defined in lake.yaml",
        ),
        (
            &(lake()
                + &component(
                    "Saga",
                    "away",
                    "  sources: [{domain: nest}, {domain: pond}]",
                )),
            "lake.yaml: Saga/away: spec.sources[1].domain: pond is not a domain of EventStore heron",
        ),
        (
            &component("Aggregate", "nest", "  domain: nest\n  sync: {timeout: 0s}"),
            "lake.yaml: Aggregate/nest: spec.sync.timeout: must be longer than 0s",
        ),
        (
            &component(
                "Aggregate",
                "nest",
                "  domain: nest\n  limits: {clientTimeout: 25h}",
            ),
            "lake.yaml: Aggregate/nest: spec.limits.clientTimeout: must be at most 24h",
        ),
        (
            &(lake()
                + &component(
                    "Projector",
                    "now",
                    "  sources: [{domain: nest}]\n  delivery: {backoff: {initial: 0s}}",
                )),
            "lake.yaml: Projector/now: spec.delivery.backoff.initial: must be longer than 0s",
        ),
        (
            &(lake() + &component("Aggregate", "many", "  domain: many\n  replicas: 3")),
            "lake.yaml: Aggregate/many: spec.replicas: must be 1 with SQLite",
        ),
    ];
    for (text, expected) in cases {
        refused(text, expected);
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let text = lake()
        + &component(
            "Saga",
            "far",
            "  sources: [{domain: pond}]\n  targets: [{domain: sea}]",
        )
        + &component("Aggregate", "many", "  domain: many\n  replicas: 3");
    assert_eq!(judge(&text).unwrap_err().len(), 3);
}

#[test]
fn resources_of_others_are_left_to_them() {
    let text = lake() + "---\napiVersion: v1\nkind: Service\nmetadata: {name: a}\n";
    assert_eq!(judge(&text).unwrap().components.len(), 4);
}

#[test]
fn a_list_holds_resources() {
    let text = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {}",
        STORE.trim().replace('\n', "\n  ")
    );
    assert_eq!(judge(&text).unwrap().components.len(), 0);
}

#[test]
fn a_sidecar_reads_its_own_slice_and_the_directory_of_its_store() {
    let system = judge(&lake()).unwrap();
    let place = |index: usize, key: &Key| {
        let at = |port: usize| Endpoint::try_from(format!("localhost:{port}")).unwrap();
        let place = Place {
            grpc: at(7_000 + index),
            peers: at(6_000 + index),
            logic: at(8_000 + index),
            ports: Ports::default(),
            store: key.base_name().into(),
            connection: PathBuf::new(),
        };
        (key.clone(), place)
    };
    let places: BTreeMap<_, _> = system
        .components
        .keys()
        .enumerate()
        .map(|(index, key)| place(index, key))
        .collect();
    let planned = documents(&system, &places);
    assert_eq!(planned.components.len(), 4);
    assert_eq!(planned.directories.len(), 1);
    for directory in planned.directories.values() {
        let owners: Vec<_> = directory.owners.keys().collect();
        assert_eq!(owners, ["nest", "reed"]);
    }
    let of = |kind: Kind, name: &str| {
        let found = planned
            .components
            .iter()
            .find(|(key, _)| key.kind == kind && key.name == name);
        &found.unwrap().1.routing
    };
    let (nest, reed) = (of(Kind::Aggregate, "nest"), of(Kind::Aggregate, "reed"));
    assert!(nest.projectors["nest"].contains_key("map"));
    assert!(nest.owners.is_empty() && reed.projectors.is_empty());
    let saga = of(Kind::Saga, "nest");
    assert_eq!(saga.owners["reed"][0].as_str(), "http://localhost:7001");
    assert_eq!(saga.sources["nest"][0].as_str(), "http://localhost:6000");
    assert_eq!(of(Kind::Projector, "map").delivery.max_attempts, 3);
}

#[test]
fn a_list_has_items() {
    let text = "apiVersion: v1\nkind: List\nitems: {a: 1}\n";
    refused(text, "lake.yaml: List in document 1: items: must be a list");
}

#[test]
fn a_pod_that_the_sidecar_cannot_enter_is_refused_with_the_place() {
    let cases = [
        ("{containers: egg}", "containers: must be a list"),
        ("{}", "containers: is empty"),
        ("{containers: [egg]}", "containers[0]: must be a container"),
        (
            "{containers: [{image: egg:3}]}",
            "containers[0].name: is missing",
        ),
        (
            "{containers: [{name: egg}]}",
            "containers[0].image: is missing",
        ),
        (
            "{containers: [{name: angzarr, image: a:1}]}",
            "containers[0].name: angzarr is the sidecar's own",
        ),
        (
            "{containers: [{name: egg, image: a:1, ports: [{containerPort: 9000}]}]}",
            "containers[0].ports[0].containerPort: 9000 is the sidecar's",
        ),
        (
            "{containers: [{name: egg, image: a:1, env: {A: b}}]}",
            "containers[0].env: must be a list",
        ),
        (
            "{containers: [{name: egg, image: a:1, lifecycle: no}]}",
            "containers[0].lifecycle: must be an object",
        ),
        (
            "{containers: [{name: egg, image: a:1}], initContainers: 3}",
            "initContainers: must be a list",
        ),
        (
            "{containers: [{name: egg, image: a:1}], volumes: [{name: angzarr-boot}]}",
            "volumes[0].name: must not begin with angzarr-",
        ),
        (
            "{containers: [{name: egg, image: a:1}], securityContext: 3}",
            "securityContext: must be an object",
        ),
        (
            "{containers: [{name: egg, image: a:1}], terminationGracePeriodSeconds: soon}",
            "terminationGracePeriodSeconds: must be a whole number",
        ),
    ];
    for (spec, expected) in cases {
        refused(
            &nest(&format!("  template: {{spec: {spec}}}")),
            &format!("spec.template.spec.{expected}"),
        );
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn names_in_a_pod_that_an_api_server_refuses_are_named() {
    let logic = |fields: &str| format!("containers: [{{name: egg, image: a:1, {fields}}}]");
    let plain = logic("stdin: false");
    let cases = [
        (
            "containers: [{name: Egg, image: a:1}]".to_owned(),
            "containers[0].name: ",
        ),
        (
            "containers: [{name: 7, image: a:1}]".to_owned(),
            "containers[0].name: must be a string",
        ),
        (
            format!("{plain}, initContainers: [{{name: egg, image: a:1}}]"),
            "containers[0].name: repeats egg",
        ),
        (
            logic("ports: [{containerPort: 1, name: Page}]"),
            "containers[0].ports[0].name: ",
        ),
        (
            logic("ports: [{containerPort: 1, name: p}, {containerPort: 2, name: p}]"),
            "containers[0].ports[1].name: repeats p",
        ),
        (
            logic("ports: [{name: page}]"),
            "containers[0].ports[0].containerPort: must be a whole number",
        ),
        (
            logic("ports: [{containerPort: 70000}]"),
            "containers[0].ports[0].containerPort: must be a whole number",
        ),
        (
            logic("ports: [{containerPort: 1, protocol: udp}]"),
            "containers[0].ports[0].protocol: \"udp\" is not one of TCP",
        ),
        (logic("env: [{name: 'A=B'}]"), "containers[0].env[0].name: "),
        (
            logic("env: [{value: b}]"),
            "containers[0].env[0].name: is missing",
        ),
        (
            format!("{plain}, volumes: [{{name: a_b}}]"),
            "volumes[0].name: ",
        ),
        (
            format!("{plain}, volumes: [{{name: a}}, {{name: a}}]"),
            "volumes[1].name: repeats a",
        ),
        (
            format!("{plain}, serviceAccountName: A"),
            "serviceAccountName: ",
        ),
        (
            format!("{plain}, nodeSelector: {{a b: c}}"),
            "nodeSelector[\"a b\"]: ",
        ),
        (
            format!("{plain}, nodeSelector: {{a: true}}"),
            "nodeSelector[\"a\"]: must be a string",
        ),
    ];
    for (spec, expected) in cases {
        let text = nest(&format!("  template: {{spec: {{{spec}}}}}"));
        refused(&text, &format!("spec.template.spec.{expected}"));
    }
}

#[test]
fn a_port_of_the_sidecar_is_taken_for_its_protocol_in_every_container() {
    let port = |number: u16, rest: &str| format!("ports: [{{containerPort: {number}{rest}}}]");
    let logic = |fields: &str| format!("containers: [{{name: egg, image: a:1, {fields}}}]");
    let plain = logic("stdin: false");
    let cases = [
        (logic(&port(9090, ", protocol: UDP")), None),
        (logic(&port(9000, ", protocol: SCTP")), None),
        (logic(&port(9090, ", protocol: TCP")), Some("containers[0]")),
        (
            format!(
                "{plain}, initContainers: [{{name: edge, image: e:1, restartPolicy: Always, {}}}]",
                port(9000, "")
            ),
            Some("initContainers[0]"),
        ),
        (
            format!(
                "{plain}, initContainers: [{{name: edge, image: e:1, restartPolicy: Always, {}}}]",
                port(9000, ", protocol: UDP")
            ),
            None,
        ),
    ];
    for (spec, expected) in cases {
        let text = nest(&format!("  template: {{spec: {{{spec}}}}}"));
        match expected {
            None => drop(judge(&text).unwrap()),
            Some(place) => refused(&text, &format!("{place}.ports[0].containerPort: 9")),
        }
    }
}

#[test]
fn what_is_not_built_yet_is_refused_with_advice() {
    let template = "  template: {spec: {containers: [{name: egg, image: egg:3}]}}";
    let cases = [
        ("upcaster: {}", "upcaster: is not built yet; leave it out"),
        (
            "concurrency: {mergeStrategy: Manual}",
            "concurrency.mergeStrategy: Manual is not built yet; write Strict",
        ),
        (
            "limits: {commandTimeout: 1s}",
            "limits.commandTimeout: is not built yet; write 30s or leave it out",
        ),
        (
            "logic: {protocol: Stream}",
            "logic.protocol: Stream is not built yet; write Auto or Unary",
        ),
    ];
    for (field, expected) in cases {
        refused(
            &nest(&format!("  {field}\n{template}")),
            &format!("Aggregate/nest: spec.{expected}"),
        );
    }
    let manager = "  domain: egg\n  sources: [{domain: nest}]";
    refused(
        &(lake() + &component("ProcessManager", "egg", manager)),
        "ProcessManager/egg: ProcessManager is not built yet; remove the resource",
    );
    let defaults = "  snapshots: {keep: 1}\n  concurrency: {mergeStrategy: Strict}\n  limits: {commandTimeout: 30s}\n  logic: {protocol: Unary}";
    judge(&nest(&format!("{defaults}\n{template}"))).unwrap();
}

#[test]
fn a_workload_that_exists_keeps_its_own_fields() {
    let text = nest("  workloadRef: {name: old}\n  replicas: 1\n  suspend: true");
    refused(&text, "spec.replicas: belongs to Deployment old");
    refused(&text, "spec.suspend: belongs to Deployment old");
}

/// A store of the namespace lake with what it allows, and a component of the namespace wood that uses it.
fn abroad(storage: &str, allowed: &str) -> String {
    format!(
        "
apiVersion: angzarr.io/v1alpha1
kind: EventStore
metadata: {{name: heron, namespace: lake}}
spec: {{storage: {storage}, bus: {{type: direct}}, allowedNamespaces: {allowed}}}
---
apiVersion: angzarr.io/v1alpha1
kind: Aggregate
metadata: {{name: fox, namespace: wood}}
spec:
  eventStoreRef: {{name: heron, namespace: lake, connectionSecretRef: {{name: key}}}}
  domain: hunt
  template: {{spec: {{containers: [{{name: logic, image: fox:1}}]}}}}
"
    )
}

#[test]
fn files_grant_what_a_cluster_grants() {
    let server = "{type: postgres, postgres: {connection: {secretRef: {name: reeds}}}}";
    refused(
        &abroad(server, "{from: Same}"),
        "lake.yaml: Aggregate/fox: spec.eventStoreRef.namespace: EventStore heron in namespace lake does not allow namespace wood",
    );
    refused(
        &abroad("{type: sqlite}", "{from: All}"),
        "only its own namespace lake can use it",
    );
    let by_labels = "{from: Selector, selector: {matchLabels: {team: fox}}}";
    refused(
        &abroad(server, by_labels),
        "add its Namespace with its labels",
    );
    let system = judge(&abroad(server, "{from: All}")).unwrap();
    assert_eq!(system.components.len(), 1);
    let local = STORE.to_owned()
        + &component("Aggregate", "nest", "  domain: nest").replace(
            "{name: heron}",
            "{name: heron, connectionSecretRef: {name: key}}",
        );
    refused(
        &local,
        "spec.eventStoreRef.connectionSecretRef: has no meaning with SQLite",
    );
}
