use serde_json::{Value, json};

use super::*;

fn resource(kind: &str, name: &str, created: Option<&str>, spec: &Value) -> Arc<Resource> {
    let mut fields = json!({
        "eventStoreRef": {"name": "heron"},
        "template": {"spec": {"containers": [{"name": "logic", "image": "egg:1"}]}},
    });
    if let (Some(fields), Some(own)) = (fields.as_object_mut(), spec.as_object()) {
        fields.extend(own.clone());
    }
    let mut value = json!({
        "apiVersion": "angzarr.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "lake"},
        "spec": fields,
    });
    if let Some(created) = created {
        value["metadata"]["creationTimestamp"] = created.into();
    }
    Arc::new(Resource::read(value, "lake").unwrap().unwrap())
}

fn aggregate(name: &str, domain: &str, created: Option<&str>) -> Arc<Resource> {
    resource("Aggregate", name, created, &json!({ "domain": domain }))
}

fn reader(kind: &str, name: &str, mode: &str, domain: &str) -> Arc<Resource> {
    let mut spec = json!({"mode": mode, "sources": [{"domain": domain}]});
    if kind == "Saga" {
        spec["targets"] = json!([{"domain": "reed"}]);
    }
    resource(kind, name, None, &spec)
}

fn store() -> StoreKey {
    StoreKey {
        namespace: "lake".to_owned(),
        name: "heron".to_owned(),
    }
}

fn names(concerned: Concerned) -> Vec<String> {
    concerned.into_iter().map(|key| key.base_name()).collect()
}

const EARLY: Option<&str> = Some("2026-01-01T00:00:00Z");
const LATE: Option<&str> = Some("2026-02-02T00:00:00Z");

#[test]
fn a_domain_belongs_to_the_older_claim_then_to_the_name_that_is_first() {
    let mut index = Index::default();
    let owner = |index: &Index| index.owner(&store(), "brood").unwrap().name.clone();
    index.insert(aggregate("young", "brood", LATE));
    assert_eq!(owner(&index), "young");
    index.insert(aggregate("zebra", "brood", EARLY));
    assert_eq!(owner(&index), "zebra");
    index.insert(aggregate("adder", "brood", EARLY));
    assert_eq!(owner(&index), "adder");
    index.remove(&aggregate("adder", "brood", EARLY).key());
    index.remove(&aggregate("zebra", "brood", EARLY).key());
    assert_eq!(owner(&index), "young");
}

#[test]
fn a_change_concerns_those_who_depend_on_it_and_nobody_else() {
    let mut index = Index::default();
    index.insert(aggregate("reed", "reed", EARLY));
    index.insert(reader("Projector", "map", "Async", "brood"));
    index.insert(reader("Saga", "feed", "Async", "reed"));
    let first = index.insert(aggregate("nest", "brood", EARLY));
    assert_eq!(names(first), ["heron-evs", "nest-agg", "map-prj"]);
    let newcomer = index.insert(aggregate("other", "brood", LATE));
    assert_eq!(names(newcomer), ["heron-evs", "other-agg"]);
    let synchronous = index.insert(reader("Projector", "view", "Sync", "brood"));
    assert_eq!(names(synchronous), ["heron-evs", "nest-agg", "view-prj"]);
    let gone = index.remove(&aggregate("nest", "brood", EARLY).key());
    let expected = ["heron-evs", "nest-agg", "other-agg", "map-prj", "view-prj"];
    assert_eq!(names(gone), expected);
}

#[test]
fn a_resource_that_says_the_same_concerns_itself_only() {
    let mut index = Index::default();
    index.insert(aggregate("nest", "brood", EARLY));
    index.insert(reader("Projector", "map", "Sync", "brood"));
    let again = index.insert(reader("Projector", "map", "Sync", "brood"));
    assert_eq!(names(again), ["map-prj"]);
}

#[test]
fn what_was_removed_leaves_nothing_behind() {
    let mut index = Index::default();
    let all = [
        aggregate("nest", "brood", EARLY),
        reader("Projector", "map", "Sync", "brood"),
        reader("Saga", "feed", "Async", "brood"),
    ];
    for resource in &all {
        index.insert(Arc::clone(resource));
    }
    for resource in &all {
        index.remove(&resource.key());
    }
    assert!(index.members.is_empty() && index.resources.is_empty());
}

/// A store of the lake that allows other namespaces.
fn allowing(allowed: &Value) -> Arc<Resource> {
    let value = json!({
        "apiVersion": "angzarr.io/v1alpha1",
        "kind": "EventStore",
        "metadata": {"name": "heron", "namespace": "lake"},
        "spec": {
            "storage": {"type": "postgres", "postgres": {"connection": {"secretRef": {"name": "reeds"}}}},
            "bus": {"type": "direct"},
            "allowedNamespaces": allowed,
        },
    });
    Arc::new(Resource::read(value, "lake").unwrap().unwrap())
}

/// An aggregate of another namespace, older than all others.
fn stranger() -> Arc<Resource> {
    let value = json!({
        "apiVersion": "angzarr.io/v1alpha1",
        "kind": "Aggregate",
        "metadata": {"name": "fox", "namespace": "wood", "creationTimestamp": EARLY},
        "spec": {
            "eventStoreRef": {"name": "heron", "namespace": "lake", "connectionSecretRef": {"name": "key"}},
            "domain": "brood",
            "template": {"spec": {"containers": [{"name": "logic", "image": "egg:1"}]}},
        },
    });
    Arc::new(Resource::read(value, "wood").unwrap().unwrap())
}

#[test]
fn who_may_not_use_a_store_owns_nothing_there_until_it_may() {
    let mut index = Index::seeing(Sight {
        scope: Scope::Cluster,
        ..Sight::default()
    });
    let owner = |index: &Index| index.owner(&store(), "brood").map(|it| it.name.clone());
    index.insert(stranger());
    index.insert(aggregate("nest", "brood", LATE));
    assert_eq!(owner(&index).as_deref(), Some("nest"));
    let selector = json!({"from": "Selector", "selector": {"matchLabels": {"team": "fox"}}});
    index.insert(allowing(&json!({})));
    assert_eq!(index.components(&store()).len(), 1);
    let changed = index.insert(allowing(&selector));
    assert_eq!(names(changed), ["heron-evs", "nest-agg", "fox-agg"]);
    assert_eq!(owner(&index).as_deref(), Some("nest"));
    let labels = Labels::from([("team".to_owned(), "fox".to_owned())]);
    let granted = index.label("wood", Some(labels));
    assert_eq!(names(granted), ["heron-evs", "nest-agg", "fox-agg"]);
    assert_eq!(owner(&index).as_deref(), Some("fox"));
    let gone = index.label("wood", None);
    assert_eq!(names(gone), ["heron-evs", "nest-agg", "fox-agg"]);
    assert_eq!(owner(&index).as_deref(), Some("nest"));
    assert_eq!(names(index.label("marsh", None)), [""; 0]);
}
