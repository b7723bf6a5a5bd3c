//! The chart of the definitions, judged by Helm itself.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says why and ends"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use angzarr_crds::{Kind, crd};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn run(program: impl AsRef<Path>, arguments: &[&str]) -> String {
    let program = program.as_ref();
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let out = String::from_utf8(output.stdout).unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{out}{told}");
    out
}

/// Runs Helm on the chart.
fn helm(arguments: &[&str]) -> String {
    let program = run(root().join("tests/tools/build.sh"), &["helm"]);
    run(
        program.trim(),
        &[arguments, &["charts/angzarr-operator-crds"]].concat(),
    )
}

#[test]
fn helm_finds_nothing_to_complain_about() {
    let said = helm(&["lint", "--strict"]);
    assert!(
        said.contains("1 chart(s) linted, 0 chart(s) failed"),
        "{said}"
    );
}

#[test]
fn the_chart_installs_the_definitions_and_nothing_else() {
    let text = helm(&["template", "lake"]);
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let named = |object: Value| (object["metadata"]["name"].to_string(), object);
    let installed: BTreeMap<_, _> = objects.into_iter().map(named).collect();
    let expected = Kind::ALL.map(|kind| named(serde_json::to_value(crd(kind)).unwrap()));
    assert_eq!(installed.len(), expected.len());
    for (name, object) in expected {
        let read: k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition =
            serde_json::from_value(installed[&name].clone()).unwrap();
        assert!(serde_json::to_value(read).unwrap() == object, "{name}");
        let annotations = &installed[&name]["metadata"]["annotations"];
        assert_eq!(annotations["helm.sh/resource-policy"], "keep", "{name}");
    }
}

#[test]
fn the_chart_has_the_version_of_what_it_installs() {
    let text = helm(&["show", "chart"]);
    let chart: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}
