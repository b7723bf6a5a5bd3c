//! The custom resource definitions.

use angzarr_cluster::{ControlPlane, repository};
use angzarr_crds::{Kind, schema};

fn folder() -> String {
    let folder = repository().join("crds");
    folder.to_str().unwrap().to_owned()
}

/// The first word after the name in each line that kubectl prints.
fn verdicts(printed: &str) -> Vec<&str> {
    let lines = printed.lines();
    lines
        .map(|line| line.split(' ').nth(1).unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn a_plain_apply_establishes_the_definitions_and_a_second_one_changes_nothing() {
    let plane = ControlPlane::start().await;
    let folder = folder();
    let created = plane.kubectl(&["apply", "--filename", &folder]);
    assert_eq!(verdicts(&created), ["created"; 5], "{created}");
    let waited = plane.kubectl(&["wait", "crd", "--all", "--for=condition=Established"]);
    assert_eq!(waited.matches("condition met").count(), 5, "{waited}");
    let again = plane.kubectl(&["apply", "--filename", &folder]);
    assert_eq!(verdicts(&again), ["unchanged"; 5], "{again}");
    assert_eq!(plane.kubectl(&["diff", "--filename", &folder]), "");
}

#[tokio::test]
async fn a_second_server_side_apply_of_the_definitions_changes_nothing() {
    let plane = ControlPlane::shared().await;
    let folder = folder();
    let versions = || {
        plane.kubectl(&[
            "get",
            "crd",
            "--output=jsonpath={.items[*].metadata.resourceVersion}",
        ])
    };
    let before = versions();
    assert_eq!(before.split(' ').count(), 5, "{before}");
    plane.kubectl(&["apply", "--server-side", "--filename", &folder]);
    assert_eq!(versions(), before);
    let difference = plane.kubectl(&["diff", "--server-side", "--filename", &folder]);
    assert_eq!(difference, "");
}

#[tokio::test]
async fn explain_reads_as_the_manual_of_every_field() {
    let plane = ControlPlane::shared().await;
    for kind in Kind::ALL {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for (place, pointer) in [
            ("spec", "/properties/spec"),
            ("status", "/properties/status"),
        ] {
            let resource = format!("{}.{place}", kind.plural());
            let said = words(&plane.kubectl(&["explain", &resource]));
            let schema = schema(kind).pointer(pointer).unwrap();
            let description = schema["description"].as_str().unwrap();
            assert!(said.contains(&words(description)), "{resource}: {said}");
            for (field, schema) in schema["properties"].as_object().unwrap() {
                let description = words(schema["description"].as_str().unwrap());
                assert!(said.contains(&description), "{resource}.{field}: {said}");
            }
        }
    }
}
