use serde_json::json;

use super::*;

fn service() -> ChildKey {
    ChildKey {
        kind: ChildKind::Service,
        namespace: "reed".to_owned(),
        name: "nest-agg".to_owned(),
    }
}

fn nest() -> Key {
    Key {
        namespace: "reed".to_owned(),
        kind: Kind::Aggregate,
        name: "nest".to_owned(),
    }
}

/// A service of nest with a version and a content.
fn child(version: u64, port: u16) -> Child {
    Child::read(
        ChildKind::Service,
        &object(&json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": "nest-agg",
                "namespace": "reed",
                "uid": "1",
                "resourceVersion": version.to_string(),
                "labels": {
                    "angzarr.io/kind": "Aggregate",
                    "angzarr.io/component": "nest",
                },
            },
            "spec": { "port": port },
        })),
    )
}

fn object(value: &Value) -> DynamicObject {
    serde_json::from_value(value.clone()).expect("it is an object")
}

const DESIRED: u64 = 7;

#[test]
fn what_looks_as_it_was_written_is_current() {
    let mut children = Children::default();
    children.write(&service(), child(5, 9000), DESIRED);
    assert!(children.is_as_written(&service(), DESIRED));
    assert!(!children.is_as_written(&service(), DESIRED + 1));
    assert_eq!(children.insert(service(), child(5, 9000)), None);
    assert!(children.is_as_written(&service(), DESIRED));
}

#[test]
fn an_edit_concerns_its_resource_and_is_not_current() {
    let mut children = Children::default();
    children.write(&service(), child(5, 9000), DESIRED);
    assert_eq!(children.insert(service(), child(6, 80)), Some(nest()));
    assert!(!children.is_as_written(&service(), DESIRED));
}

#[test]
fn an_edit_that_is_seen_before_the_answer_to_a_write_is_not_hidden_by_it() {
    let mut children = Children::default();
    children.insert(service(), child(4, 9000));
    children.insert(service(), child(6, 80));
    children.write(&service(), child(5, 9000), DESIRED);
    assert!(!children.is_as_written(&service(), DESIRED));
}

#[test]
fn a_deletion_that_is_seen_before_the_answer_to_a_write_is_not_hidden_by_it() {
    let mut children = Children::default();
    children.insert(service(), child(4, 9000));
    assert_eq!(children.delete(&service(), 6), Some(nest()));
    children.write(&service(), child(5, 9000), DESIRED);
    assert_eq!(children.get(&service()), None);
    assert!(!children.is_as_written(&service(), DESIRED));
}

#[test]
fn what_a_slow_watch_shows_late_changes_nothing() {
    let mut children = Children::default();
    children.write(&service(), child(5, 9000), DESIRED);
    assert_eq!(children.insert(service(), child(4, 80)), None);
    assert_eq!(children.delete(&service(), 3), None);
    assert!(children.is_as_written(&service(), DESIRED));
    assert_eq!(children.of(&nest()).count(), 1);
}

#[test]
fn a_deleted_child_is_forgotten_entirely() {
    let mut children = Children::default();
    children.write(&service(), child(5, 9000), DESIRED);
    assert_eq!(children.delete(&service(), 8), Some(nest()));
    assert_eq!(children.of(&nest()).count(), 0);
    assert!(children.keys(ChildKind::Service).is_empty());
    // It comes back as it was, by another hand.
    children.insert(service(), child(9, 9000));
    assert!(!children.is_as_written(&service(), DESIRED));
}

#[test]
fn without_versions_the_last_word_counts() {
    let mut children = Children::default();
    children.write(&service(), child(0, 9000), DESIRED);
    assert!(children.is_as_written(&service(), DESIRED));
    children.insert(service(), child(0, 80));
    assert!(!children.is_as_written(&service(), DESIRED));
    assert_eq!(children.delete(&service(), 0), Some(nest()));
}

#[test]
fn labels_that_go_take_the_child_from_its_resource() {
    let mut children = Children::default();
    children.insert(service(), child(5, 9000));
    let bare = Child {
        of: None,
        ..child(6, 9000)
    };
    assert_eq!(children.insert(service(), bare), Some(nest()));
    assert_eq!(children.of(&nest()).count(), 0);
}

#[test]
fn who_applied_the_number_of_pods_decides_on_it() {
    let deployment = |manager: &str, operation: &str| {
        let object = object(&json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": "nest-agg", "managedFields": [{
                "manager": manager,
                "operation": operation,
                "fieldsV1": { "f:spec": { "f:replicas": {} } },
            }] },
            "spec": { "replicas": 3 },
        }));
        Child::read(ChildKind::Deployment, &object).scaled_by
    };
    assert_eq!(deployment("heron", "Apply"), ["heron"]);
    assert!(deployment("heron", "Update").is_empty());
}
