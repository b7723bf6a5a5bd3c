//! The objects that resources lead to.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use angzarr_cluster::{ControlPlane, built, repository, until};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;

/// What `angzarr render` prints for a folder of resources or a file.
fn render(resources: &Path, namespace: &str) -> String {
    let ran = Command::new(built("angzarr"))
        .args(["render", "--namespace", namespace, "--folder"])
        .arg(resources)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    String::from_utf8(ran.stdout).unwrap()
}

/// The resources of the shop with the store of a file.
fn shop_with(store: &str) -> tempfile::TempDir {
    let examples = repository().join("examples");
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(examples.join("shop")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let own = folder.path().join("event-store.yaml");
    fs::copy(examples.join(store), own).unwrap();
    folder
}

/// What the server says to objects, as output and as warnings.
#[track_caller]
fn apply(plane: &ControlPlane, objects: &str, options: &[&str]) -> (String, String) {
    let arguments = [&["apply", "--server-side", "--filename", "-"], options];
    let ran = plane.try_kubectl(&arguments.concat(), objects);
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{said}");
    (String::from_utf8(ran.stdout).unwrap(), said)
}

#[track_caller]
fn apply_without_warning(plane: &ControlPlane, objects: &str, options: &[&str]) -> String {
    plane.kubectl_with(&[&["apply", "--filename", "-"], options].concat(), objects)
}

#[tokio::test]
async fn the_objects_of_the_shop_are_accepted_with_each_store() {
    let plane = ControlPlane::shared().await;
    let namespace = plane.namespace("shop").await;
    for store in ["shop/event-store.yaml", "postgres/event-store.yaml"] {
        let objects = render(shop_with(store).path(), &namespace);
        let printed =
            apply_without_warning(plane, &objects, &["--server-side", "--dry-run=server"]);
        assert_eq!(
            printed.lines().count(),
            objects.lines().filter(|line| *line == "---").count()
        );
        assert_eq!(printed.matches("deployment.apps/").count(), 7, "{printed}");
    }
}

#[tokio::test]
async fn the_restricted_profile_admits_the_pods_of_the_shop_and_a_second_apply_changes_nothing() {
    let plane = ControlPlane::shared().await;
    let namespace = plane.namespace("shop").await;
    let objects = render(&repository().join("examples/shop"), &namespace);
    apply_without_warning(plane, &objects, &["--server-side"]);
    let pods: Api<Pod> = Api::namespaced(plane.client().await, &namespace);
    until("the admission of the pods", async || {
        let found = pods.list(&ListParams::default()).await.unwrap().items;
        match found.len() {
            7 => Ok(()),
            count => Err(format!(
                "{count} pods, events:\n{}",
                events(plane, &namespace)
            )),
        }
    })
    .await;
    let versions = |printed: String| -> Vec<(String, i64)> {
        let list: Value = serde_json::from_str(&printed).unwrap();
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| {
                let metadata = &item["metadata"];
                // A version also counts the changes of the status, which belong to the controllers.
                let generation = metadata["generation"].as_i64().unwrap_or_default();
                (format!("{} {}", item["kind"], metadata["name"]), generation)
            })
            .collect()
    };
    let all = || {
        let kinds = "deployments,services,configmaps,serviceaccounts,persistentvolumeclaims";
        versions(plane.kubectl(&["get", kinds, "--namespace", &namespace, "--output=json"]))
    };
    let before = all();
    let diff = ["diff", "--server-side", "--filename", "-"];
    assert_eq!(plane.kubectl_with(&diff, &objects), "");
    apply_without_warning(plane, &objects, &["--server-side"]);
    assert_eq!(all(), before);
}

fn events(plane: &ControlPlane, namespace: &str) -> String {
    plane.kubectl(&["get", "events", "--namespace", namespace])
}

#[tokio::test]
async fn the_objects_of_every_golden_case_are_accepted() {
    let plane = ControlPlane::shared().await;
    let cases = repository().join("operator/tests/golden");
    let mut seen = 0;
    for case in fs::read_dir(cases).unwrap() {
        let case = case.unwrap().path();
        // It has fields that no server knows, on purpose.
        if case.ends_with("own-pod") {
            continue;
        }
        let file = case.join("objects.yaml");
        let text = fs::read_to_string(&file).unwrap();
        let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        // That kind belongs to another operator, which is not there.
        let objects = objects
            .into_iter()
            .filter(|object| object["kind"] != "PodMonitor");
        let objects: Vec<_> = objects.collect();
        let spaces: BTreeSet<_> = objects
            .iter()
            .filter_map(|object| object["metadata"]["namespace"].as_str())
            .collect();
        for space in spaces {
            plane.ensure_namespace(space).await;
        }
        let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        let (printed, warnings) = apply(plane, &list.to_string(), &["--dry-run=server"]);
        // Containers of a case have no more fields than it needs.
        let mut unexpected = warnings
            .lines()
            .filter(|line| !line.starts_with("Warning: would violate PodSecurity"));
        assert_eq!(unexpected.next(), None, "{}", file.display());
        assert_eq!(printed.lines().count(), objects.len(), "{}", file.display());
        seen += 1;
    }
    assert!(seen > 5, "{seen} cases");
}

#[tokio::test]
async fn a_second_plain_apply_of_the_objects_changes_nothing() {
    let plane = ControlPlane::shared().await;
    let namespace = plane.namespace("shop").await;
    let objects = render(&repository().join("examples/shop"), &namespace);
    let created = apply_without_warning(plane, &objects, &[]);
    assert!(created.lines().all(|line| line.ends_with(" created")));
    assert_eq!(
        plane.kubectl_with(&["diff", "--filename", "-"], &objects),
        ""
    );
    let again = apply_without_warning(plane, &objects, &[]);
    assert!(
        again.lines().all(|line| line.ends_with(" unchanged")),
        "{again}"
    );
}
