//! Every name, label and selector, each defined once.

use std::collections::BTreeMap;

use angzarr_config::boot::Ports;
use angzarr_crds::{GROUP, Kind, Metadata};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use uuid::Uuid;

use super::Scope;
use super::documents::DirectoryKey;
use crate::model::{Key, StoreKey};

/// The name of the sidecar's container.
pub(crate) const SIDECAR: &str = "angzarr";
/// The name of the container that prepares the tables of a store.
pub(crate) const PREPARING: &str = "angzarr-store";
/// How the names of the sidecar's volumes begin.
pub(crate) const RESERVED_VOLUMES: &str = "angzarr-";

/// The Service for clients; it bears the base name, as the workload does.
pub(super) fn clients(key: &Key) -> String {
    key.base_name()
}

/// The headless Service for sidecars.
pub(super) fn peers(key: &Key) -> String {
    format!("{}-peers", key.base_name())
}

/// The ConfigMap with the boot document of a content.
pub(super) fn boot(key: &Key, hash: &str) -> String {
    format!("{}-boot-{hash}", key.base_name())
}

/// The ControllerRevision with the plan of pods of a content.
pub(crate) fn plan(key: &Key, hash: &str) -> String {
    format!("{}-plan-{hash}", key.base_name())
}

/// Whether a ConfigMap holds a boot document of a component.
pub(crate) fn is_boot(key: &Key, name: &str) -> bool {
    name.starts_with(&boot(key, ""))
}

/// Where clients reach a component inside the cluster.
pub(crate) fn address(key: &Key) -> String {
    inside(&clients(key), key)
}

/// Where sidecars reach each of its pods.
pub(super) fn address_of_peers(key: &Key) -> String {
    inside(&peers(key), key)
}

fn inside(service: &str, key: &Key) -> String {
    let port = Ports::default().grpc;
    format!("{service}.{}.svc:{port}", key.namespace)
}

pub(super) fn routing(key: &Key) -> String {
    format!("{}-routing", key.base_name())
}

pub(super) fn data(key: &Key) -> String {
    format!("{}-data", key.base_name())
}

/// The ConfigMap with the directory of an EventStore in its namespace.
pub(crate) fn directory(store: &StoreKey) -> String {
    format!("{}-directory", store.key().base_name())
}

/// The ConfigMap with the directory that a component reads: elsewhere than the store is, each has its own.
pub(super) fn directory_of(key: &Key, store: &StoreKey) -> String {
    if store.namespace == key.namespace {
        directory(store)
    } else {
        format!("{}-directory", key.base_name())
    }
}

/// The Job that prepares the tables of a store, by a hash over what it does.
pub(super) fn store_job(store: &StoreKey, hash: &str) -> String {
    format!("{}-{hash}", store.key().base_name())
}

/// The annotation that holds the id of a store: of an EventStore, the one that a person sets; of a directory, the one that was seen first.
pub(crate) fn store_id() -> String {
    own("store-id")
}

/// The label by which pods of a workload that exists ask for their sidecar.
pub(crate) const INJECT: &str = "angzarr.io/inject";
/// The annotation that says what is injected: on what holds it, and on the pod template of the workload, which rolls when it changes.
pub(crate) const INJECTION: &str = "angzarr.io/injection";
/// The annotation of a pod that says what was injected, or why nothing was.
pub(crate) const INJECTED: &str = "angzarr.io/injected";
/// The annotation that names the container of the logic, where that is not the first one.
pub(crate) const CONTAINER: &str = "angzarr.io/container";

/// The value of the label by which pods ask for their sidecar.
pub(crate) fn injection(key: &Key) -> String {
    format!("{}-{}", key.kind.short(), key.name)
}

/// What names the content that pods get which ask by a label.
pub(super) fn stamp(asked: &str, hash: &str) -> String {
    format!("{asked}.{hash}")
}

/// The component that pods of a namespace ask for.
pub(crate) fn asked(namespace: &str, label: &str) -> Option<Key> {
    let (kind, name) = label.split_once('-')?;
    let mut kinds = Kind::COMPONENTS.into_iter();
    Some(Key {
        namespace: namespace.to_owned(),
        kind: kinds.find(|it| it.short() == kind)?,
        name: name.to_owned(),
    })
}

/// The component that a stamp names.
pub(crate) fn stamped(namespace: &str, stamp: &str) -> Option<Key> {
    asked(namespace, stamp.rsplit_once('.')?.0)
}

fn own(name: &str) -> String {
    format!("{GROUP}/{name}")
}

/// The labels that pods are found by; these exactly, since a selector cannot change.
pub(super) fn selector(key: &Key) -> BTreeMap<String, String> {
    BTreeMap::from([
        (own("kind"), key.kind.to_string()),
        (own("component"), key.name.clone()),
    ])
}

/// The selector as commands want it.
pub(crate) fn selector_text(key: &Key) -> String {
    let pairs = selector(key).into_iter();
    let pairs = pairs.map(|(label, value)| format!("{label}={value}"));
    pairs.collect::<Vec<_>>().join(",")
}

/// The selector as objects want it.
pub(super) fn label_selector(key: &Key) -> LabelSelector {
    LabelSelector {
        match_labels: Some(selector(key)),
        ..LabelSelector::default()
    }
}

/// The labels that Kubernetes recommends.
fn recommended(
    name: &str,
    instance: &str,
    component: &str,
    store: &StoreKey,
) -> [(String, String); 5] {
    [
        ("name", name),
        ("instance", instance),
        ("component", component),
        ("part-of", &store.name),
        ("managed-by", "angzarr"),
    ]
    .map(|(label, value)| (format!("app.kubernetes.io/{label}"), value.to_owned()))
}

impl Scope<'_> {
    /// The metadata of an object of this component.
    pub(super) fn metadata(&self, name: String) -> ObjectMeta {
        self.metadata_with(name, &[])
    }

    /// The same with further annotations; those for all objects win over them.
    pub(super) fn metadata_with(&self, name: String, further: &[(&String, &String)]) -> ObjectMeta {
        let Metadata {
            labels,
            annotations,
        } = self.merged(&Metadata {
            labels: BTreeMap::new(),
            annotations: further
                .iter()
                .map(|(key, value)| ((*key).clone(), (*value).clone()))
                .collect(),
        });
        ObjectMeta {
            name: Some(name),
            namespace: Some(self.key.namespace.clone()),
            labels: Some(labels),
            annotations: (!annotations.is_empty()).then_some(annotations),
            ..ObjectMeta::default()
        }
    }

    /// Labels and annotations with those for all objects, and over them those that are ours.
    pub(super) fn merged(&self, own: &Metadata) -> Metadata {
        let for_all = &self.component.metadata;
        let mut merged = own.clone();
        merged.labels.extend(for_all.labels.clone());
        merged.annotations.extend(for_all.annotations.clone());
        merged.labels.extend(selector(self.key));
        let (name, kind) = (&self.key.name, self.key.kind.as_str().to_lowercase());
        let base = self.key.base_name();
        let recommended = recommended(name, &base, &kind, &self.component.store);
        merged.labels.extend(recommended);
        merged
    }
}

/// The metadata of the Job of a store, and of its pods.
pub(super) fn store_job_metadata(store: &StoreKey) -> ObjectMeta {
    let instance = store.key().base_name();
    let mut labels = BTreeMap::from(recommended(&store.name, &instance, "schema", store));
    labels.extend(selector(&store.key()));
    ObjectMeta {
        namespace: Some(store.namespace.clone()),
        labels: Some(labels),
        ..ObjectMeta::default()
    }
}

/// The metadata of a directory, which belongs to a store and to no component.
pub(super) fn directory_metadata(key: &DirectoryKey, id: Option<Uuid>) -> ObjectMeta {
    let store = &key.store;
    let instance = store.key().base_name();
    let labels = recommended(&store.name, &instance, "directory", store);
    ObjectMeta {
        name: Some(directory(store)),
        namespace: Some(key.namespace.clone()),
        labels: Some(BTreeMap::from(labels)),
        annotations: id.map(|id| BTreeMap::from([(store_id(), id.to_string())])),
        ..ObjectMeta::default()
    }
}
