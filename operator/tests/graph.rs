//! The graph of a system: what is drawn, and what is found in it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says why and ends"
)]

use std::path::Path;
use std::process::Command;

use angzarr_config::boot::Mode;
use angzarr_operator::graph::{analyse, draw, unheard};
use angzarr_operator::manifest::read_text;
use angzarr_operator::validate::validate;
use angzarr_operator::{Role, System};

const STORE: &str = "
apiVersion: angzarr.io/v1alpha1
kind: EventStore
metadata: {name: heron}
spec: {storage: {type: sqlite}, bus: {type: direct}}
";

fn component(kind: &str, name: &str, fields: &str) -> String {
    format!(
        "---\napiVersion: angzarr.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n  eventStoreRef: {{name: heron}}\n  template: {{spec: {{containers: [{{name: logic, image: {name}:1}}]}}}}\n  {fields}\n"
    )
}

fn system(parts: &[String]) -> System {
    let found = read_text(Path::new("lake.yaml"), &parts.concat()).unwrap();
    validate(&found.resources).unwrap()
}

fn saga(name: &str, from: &str, to: &str) -> String {
    component(
        "Saga",
        name,
        &format!("sources: [{{domain: {from}}}]\n  targets: [{{domain: {to}}}]"),
    )
}

fn lake() -> Vec<String> {
    vec![
        STORE.to_owned(),
        component(
            "Aggregate",
            "nest",
            "domain: brood\n  contract: {events: [lake.v1.Laid]}",
        ),
        component("Aggregate", "reed", "domain: thicket"),
        component(
            "Projector",
            "map",
            "mode: Sync\n  sources: [{domain: brood, eventTypes: [lake.v1.Laid, lake.v1.Hatched]}]",
        ),
        saga("grow", "brood", "thicket"),
    ]
}

fn told(system: &System) -> Vec<String> {
    analyse(system)
}

#[test]
fn a_system_is_drawn_with_its_readers_and_commands() {
    let expected = "\
%% default/Projector/map waits for lake.v1.Hatched, which contract.events of brood does not list; it lists lake.v1.Laid
%% an event of default/Aggregate/nest reaches the most: 2 readers, 3 components including those that their commands lead to
flowchart LR
  subgraph store0[\"EventStore default/heron\"]
    default_nest_agg[(\"nest<br/>domain brood\")]
    default_reed_agg[(\"reed<br/>domain thicket\")]
    default_map_prj[/\"map\"/]
    default_grow_saga{{\"grow\"}}
  end
  default_nest_agg ==>|Laid<br/>Hatched| default_map_prj
  default_nest_agg --> default_grow_saga
  default_grow_saga -.->|commands| default_reed_agg
";
    assert_eq!(draw(&system(&lake())), expected);
}

#[test]
fn a_type_that_is_not_listed_is_reported_with_the_one_that_is_meant() {
    let mut parts = lake();
    let events = "[lake.v1.Laid, lake.v2.Hatched, lake.v1.A, lake.v1.B, lake.v1.C, lake.v1.D]";
    parts[1] = component(
        "Aggregate",
        "nest",
        &format!("domain: brood\n  contract: {{events: {events}}}"),
    );
    let cases = [
        ("lake.v1.Layd", "did you mean lake.v1.Laid?"),
        ("lake.v1.Hatched", "did you mean lake.v2.Hatched?"),
        ("Hatched", "did you mean lake.v2.Hatched?"),
        (
            "lake.v1.Moulted",
            "it lists lake.v1.Laid, lake.v2.Hatched, lake.v1.A, lake.v1.B, lake.v1.C, and 1 more",
        ),
    ];
    for (name, hint) in cases {
        let sources = format!("sources: [{{domain: brood, eventTypes: [{name}, lake.v1.Laid]}}]");
        parts[3] = component("Projector", "map", &sources);
        let expected = format!(
            "default/Projector/map waits for {name}, which contract.events of brood does not list; {hint}"
        );
        assert_eq!(unheard(&system(&parts)), [expected]);
    }
}

#[test]
fn render_warns_of_a_type_that_is_not_listed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("lake.yaml"), lake().concat()).unwrap();
    let mut angzarr = Command::new(env!("CARGO_BIN_EXE_angzarr"));
    let output = angzarr.args(["render", "-f"]).arg(folder.path());
    let output = output.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    let expected = "angzarr: default/Projector/map waits for lake.v1.Hatched, which contract.events of brood does not list; it lists lake.v1.Laid\n";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_domain_that_says_nothing_about_its_events_may_emit_any() {
    let mut parts = lake();
    parts[1] = component("Aggregate", "nest", "domain: brood");
    assert!(
        !told(&system(&parts))
            .iter()
            .any(|line| line.contains("waits for"))
    );
}

#[test]
fn a_cycle_is_reported_once_and_says_whether_callers_wait_in_it() {
    let mut parts = lake();
    parts.push(saga("wither", "thicket", "brood"));
    let mut system = system(&parts);
    let cycles = |system: &System| -> Vec<String> {
        let lines = told(system).into_iter();
        lines.filter(|line| line.contains("cycle")).collect()
    };
    assert_eq!(
        cycles(&system),
        [
            "default/Saga/grow → default/Saga/wither: a cycle, which must end by the logic's own rules"
        ]
    );
    for component in system.components.values_mut() {
        if let Role::Saga { mode, .. } = &mut component.role {
            *mode = Mode::Sync;
        }
    }
    assert!(cycles(&system)[0].contains("a synchronous cycle"));
}

#[test]
fn a_saga_that_commands_what_it_reads_is_a_cycle_by_itself() {
    let mut parts = lake();
    parts.push(saga("moult", "brood", "brood"));
    let lines = told(&system(&parts));
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("default/Saga/moult: a cycle"))
    );
}

#[test]
fn a_system_without_readers_has_nothing_to_tell() {
    assert_eq!(told(&system(&lake()[..3])), Vec::<String>::new());
}
