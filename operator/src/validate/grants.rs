//! The store of a component: whether it exists, and whether the component may use it.

use angzarr_crds::{AllowedFrom, EventStoreRef, EventStoreSpec, StorageType};
use kube::core::Selector;

use super::{Reason, Report};
use crate::index::{Index, Permission, Scope};
use crate::model::StoreKey;

const NAMESPACE: &str = "spec.eventStoreRef.namespace";

/// The store that a component names, if it may use it.
pub(super) fn store<'a>(
    index: &'a Index,
    key: &StoreKey,
    report: &mut Report,
) -> Option<&'a EventStoreSpec> {
    let own = report.resource.namespace.clone();
    let StoreKey { namespace, name } = key;
    match index.permission(&own, key) {
        Permission::Granted => {}
        Permission::NoStore => {
            missing(key, report);
            return None;
        }
        Permission::InFiles => {
            let sentence = format!(
                "EventStore {name} keeps the events of each component in a file, so only its own namespace {namespace} can use it; use a store on a server"
            );
            report.say(NAMESPACE, sentence);
            return None;
        }
        Permission::Refused => {
            let sentence = format!(
                "EventStore {name} in namespace {namespace} does not allow namespace {own}; whoever provides it sets its spec.allowedNamespaces to from: All, or to from: Selector with labels that namespace {own} has"
            );
            report.find(Reason::ReferenceNotPermitted, NAMESPACE, sentence);
            return None;
        }
        Permission::NoLabels => {
            let sentence = format!(
                "EventStore {name} in namespace {namespace} allows namespaces by their labels, and those of namespace {own} are not in the files; add its Namespace with its labels"
            );
            report.find(Reason::ReferenceNotPermitted, NAMESPACE, sentence);
            return None;
        }
        Permission::NotWatched => {
            report.find(Reason::NamespaceNotWatched, NAMESPACE, not_watched(index));
            return None;
        }
    }
    let store = index.store(key);
    if store.is_none() {
        missing(key, report);
    }
    store
}

fn missing(key: &StoreKey, report: &mut Report) {
    let sentence = format!(
        "EventStore {} does not exist in namespace {}; declare it",
        key.name, key.namespace
    );
    let field = "spec.eventStoreRef.name";
    report.find(Reason::EventStoreNotFound, field, sentence);
}

fn not_watched(index: &Index) -> String {
    let watched = match &index.sight().scope {
        Scope::Namespace(watched) => watched.as_str(),
        Scope::Files | Scope::Cluster => "",
    };
    format!(
        "this operator looks at namespace {watched} only, and at no labels of namespaces; to use stores across namespaces install one with scope cluster"
    )
}

/// Checks what a store says of other namespaces.
pub(super) fn check(index: &Index, spec: &EventStoreSpec, report: &mut Report) {
    let allowed = &spec.allowed_namespaces;
    if let Some(selector) = &allowed.selector
        && let Err(error) = Selector::try_from(selector.clone())
    {
        let sentence = format!("cannot be used: {error}");
        report.say("spec.allowedNamespaces.selector", sentence);
    }
    let is_elsewhere = allowed.from != AllowedFrom::Same;
    if is_elsewhere && matches!(index.sight().scope, Scope::Namespace(_)) {
        let sentence = not_watched(index);
        let field = "spec.allowedNamespaces.from";
        report.find(Reason::NamespaceNotWatched, field, sentence);
    }
}

/// Checks the Secret that a component brings.
pub(super) fn check_secret(
    reference: &EventStoreRef,
    spec: &EventStoreSpec,
    is_replaced: bool,
    report: &mut Report,
) {
    let is_file = spec.storage.type_ == StorageType::Sqlite && !is_replaced;
    if is_file && reference.connection_secret_ref.is_some() {
        let sentence = "has no meaning with SQLite, which needs no credentials; leave it out";
        report.say("spec.eventStoreRef.connectionSecretRef", sentence);
    }
}
