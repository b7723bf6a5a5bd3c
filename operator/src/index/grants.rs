//! Which namespaces may use a store, by the word of the store alone.
//!
//! # Design
//! A component that may not use the store it names is no member of it: it owns, reads and commands nothing there, however old it is, and nobody is told of
//! it. So each change of a store or of a namespace's labels lets components in or takes them out, as if they came or went.

use std::collections::{BTreeMap, BTreeSet};

use angzarr_crds::{AllowedFrom, StorageType};
use kube::core::{Selector, SelectorExt};

use super::{Change, Concerned, Index};
use crate::model::{Key, StoreKey};

/// The labels of a namespace.
pub type Labels = BTreeMap<String, String>;

/// What is known beyond resources.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    /// How far it reaches.
    pub scope: Scope,
    /// The labels of the namespaces that are known.
    pub namespaces: BTreeMap<String, Labels>,
    /// The stores that are files only on this machine, where every namespace reaches them.
    pub replaced: BTreeSet<StoreKey>,
}

/// How far somebody sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Scope {
    /// Files, which may or may not hold namespaces.
    #[default]
    Files,
    /// All namespaces of a cluster.
    Cluster,
    /// One namespace of a cluster.
    Namespace(String),
}

/// Whether a component may use a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// It may.
    Granted,
    /// There is no such store.
    NoStore,
    /// The store keeps its events in files, which nothing elsewhere can use.
    InFiles,
    /// The store does not allow the namespace.
    Refused,
    /// The store allows namespaces by their labels, and those of this one are not known.
    NoLabels,
    /// The store is in a namespace that nobody looks at.
    NotWatched,
}

impl Index {
    /// Begins with what is known beyond resources.
    pub fn seeing(sight: Sight) -> Self {
        Self {
            sight,
            ..Self::default()
        }
    }

    /// What is known beyond resources.
    pub fn sight(&self) -> &Sight {
        &self.sight
    }

    /// Whether components in a namespace may use a store. Those in the namespace of the store may, whether it exists or not.
    pub fn permission(&self, namespace: &str, store: &StoreKey) -> Permission {
        if namespace == store.namespace {
            return Permission::Granted;
        }
        if let Scope::Namespace(watched) = &self.sight.scope
            && *watched != store.namespace
        {
            return Permission::NotWatched;
        }
        let Some(spec) = self.store(store) else {
            return Permission::NoStore;
        };
        let is_file = spec.storage.type_ == StorageType::Sqlite;
        let allowed = &spec.allowed_namespaces;
        let is_allowed = match (allowed.from, &allowed.selector) {
            (AllowedFrom::Same, _) | (AllowedFrom::Selector, None) => false,
            (AllowedFrom::All, _) => true,
            (AllowedFrom::Selector, Some(selector)) => {
                let Some(labels) = self.sight.namespaces.get(namespace) else {
                    return match self.sight.scope {
                        Scope::Files => Permission::NoLabels,
                        // It is gone, or not seen yet.
                        Scope::Cluster | Scope::Namespace(_) => Permission::Refused,
                    };
                };
                Selector::try_from(selector.clone()).is_ok_and(|it| it.matches(labels))
            }
        };
        match (is_allowed, is_file) {
            (false, _) => Permission::Refused,
            (true, true) if !self.sight.replaced.contains(store) => Permission::InFiles,
            (true, _) => Permission::Granted,
        }
    }

    /// Enters the labels of a namespace, or that it is gone; returns whom it concerns.
    pub fn label(&mut self, namespace: &str, labels: Option<Labels>) -> Concerned {
        let before = match labels.clone() {
            Some(labels) => self.sight.namespaces.insert(namespace.to_owned(), labels),
            None => self.sight.namespaces.remove(namespace),
        };
        if before == labels {
            return Concerned::new();
        }
        let mut stores: Vec<_> = self.members.iter().collect();
        stores.retain(|(_, members)| {
            let mut all = members.abroad.iter().chain(&members.refused);
            all.any(|it| it.namespace == namespace)
        });
        let stores: Vec<_> = stores.into_iter().map(|(store, _)| store.clone()).collect();
        stores.iter().flat_map(|it| self.reconsider(it)).collect()
    }

    /// Lets in and takes out the components of a store by what it allows now; returns whom that concerns.
    pub(super) fn reconsider(&mut self, store: &StoreKey) -> Concerned {
        let Some(members) = self.members.get(store) else {
            return Concerned::new();
        };
        let all = members.abroad.iter().chain(&members.refused);
        let foreign: Vec<Key> = all.cloned().collect();
        let mut concerned = Concerned::new();
        for key in foreign {
            let is_member = self.is_member(store, &key);
            let is_granted = self.permission(&key.namespace, store) == Permission::Granted;
            if is_member == is_granted {
                continue;
            }
            let Some(resource) = self.resource(&key).cloned() else {
                continue;
            };
            let owners = self.owners_of([&resource]);
            self.change(&resource, Change::Out);
            self.change(&resource, Change::In);
            concerned.extend(self.moved(owners));
            concerned.extend(self.neighbours(&resource));
            concerned.insert(key);
        }
        concerned
    }

    fn is_member(&self, store: &StoreKey, key: &Key) -> bool {
        let members = self.members.get(store);
        members.is_some_and(|members| members.components.contains(key))
    }
}
