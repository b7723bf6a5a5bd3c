//! Names, stores and the owner of each domain.

use std::collections::{BTreeMap, HashMap};

use angzarr_config::Mistake;
use angzarr_crds::{self as crds, EventStoreSpec};

use super::{Report, key, key_of_store, store_key};
use crate::manifest::{Resource, Spec};
use crate::model::{Key, StoreKey};

/// What resources refer to.
pub(super) struct Index<'a> {
    stores: HashMap<StoreKey, &'a EventStoreSpec>,
    owners: HashMap<(StoreKey, &'a str), &'a Resource>,
}

impl<'a> Index<'a> {
    /// Indexes all resources; a name is unique per kind and namespace, a domain has one owner per EventStore.
    pub(super) fn new(resources: &'a [Resource], mistakes: &mut Vec<Mistake>) -> Self {
        let mut seen = HashMap::new();
        let mut index = Self {
            stores: HashMap::new(),
            owners: HashMap::new(),
        };
        for resource in resources {
            if let Some(first) = seen.insert(key(resource), resource) {
                let message = format!(
                    "is also defined in {}; give each a name of its own",
                    first.file.display()
                );
                mistakes.push(resource.mistake("metadata.name", message));
            }
            if let Spec::EventStore(store) = &resource.spec {
                index.stores.insert(key_of_store(resource), &store.spec);
            }
            index.own(resource, mistakes);
        }
        index
    }

    fn own(&mut self, resource: &'a Resource, mistakes: &mut Vec<Mistake>) {
        let Some(declared) = resource.component() else {
            return;
        };
        let Some(domain) = declared.domain() else {
            return;
        };
        let owned = (store_key(resource, declared), domain);
        if let Some(first) = self.owners.insert(owned, resource) {
            let message = format!(
                "{domain} belongs to {}/{} already; a domain has one owner per EventStore",
                first.kind(),
                first.name
            );
            mistakes.push(resource.mistake("spec.domain", message));
        }
    }

    /// The owner of each domain.
    pub(super) fn owners(&self) -> BTreeMap<(StoreKey, String), Key> {
        self.owners
            .iter()
            .map(|((store, domain), owner)| ((store.clone(), (*domain).to_owned()), key(owner)))
            .collect()
    }

    /// The store that a component names.
    pub(super) fn store(&self, key: &StoreKey, report: &mut Report) -> Option<&'a EventStoreSpec> {
        let Some(store) = self.stores.get(key) else {
            let message = format!(
                "EventStore {} does not exist in namespace {}; declare it",
                key.name, key.namespace
            );
            report.say("spec.eventStoreRef.name", message);
            return None;
        };
        if key.namespace != report.resource.namespace {
            report.say(
                "spec.eventStoreRef.namespace",
                "another namespace is not supported yet; use an EventStore of the same namespace",
            );
        }
        Some(*store)
    }

    /// The domains that a component reads and commands must have owners.
    pub(super) fn references(
        &self,
        declared: &dyn crds::Component,
        store: &StoreKey,
        report: &mut Report,
    ) {
        let sources = declared.sources().iter().map(|source| &source.domain);
        let targets = declared.targets().iter().map(|target| &target.domain);
        let sources = sources.enumerate().map(|named| ("sources", named));
        let targets = targets.enumerate().map(|named| ("targets", named));
        for (list, (place, domain)) in sources.chain(targets) {
            if !self.owners.contains_key(&(store.clone(), domain.as_str())) {
                let message = format!(
                    "{domain} is not a domain of EventStore {}; declare its Aggregate",
                    store.name
                );
                report.say(&format!("spec.{list}[{place}].domain"), message);
            }
        }
    }
}
