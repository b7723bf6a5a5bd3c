//! What the resources of each EventStore declare of its domains, kept up to date by each change.
//!
//! # Design
//! Who owns, reads and commands a domain depends on many resources, and a cluster changes one at a time. The index answers such questions without
//! looking at resources that have nothing to do with them, and says after each change which others are concerned.

mod domain;
mod grants;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use angzarr_crds::{self as crds, EventStoreSpec, Kind};
use uuid::Uuid;

use crate::model::{Key, StoreKey, WorkloadKey};
use crate::resource::{Resource, Spec};

use domain::{Claim, Domain};

pub use grants::{Labels, Permission, Scope, Sight};

/// The resources, and what they declare together.
#[derive(Debug, Clone, Default)]
pub struct Index {
    resources: HashMap<Key, Arc<Resource>>,
    members: BTreeMap<StoreKey, Members>,
    /// Who names a workload that exists; the first one has it.
    workloads: BTreeMap<WorkloadKey, BTreeSet<Claim>>,
    /// The ids of the stores on servers, as far as they are known.
    identities: BTreeMap<StoreKey, Uuid>,
    sight: Sight,
}

/// The components of one EventStore.
#[derive(Debug, Clone, Default)]
struct Members {
    components: BTreeSet<Key>,
    /// Those of them in other namespaces: each has a directory of its own.
    abroad: BTreeSet<Key>,
    /// Those that name the store and may not use it.
    refused: BTreeSet<Key>,
    domains: BTreeMap<String, Domain>,
}

/// What becomes of what a resource declares.
#[derive(Debug, Clone, Copy)]
enum Change {
    In,
    Out,
}

impl Change {
    fn make<T: Ord>(self, set: &mut BTreeSet<T>, entry: T) {
        match self {
            Self::In => {
                set.insert(entry);
            }
            Self::Out => {
                set.remove(&entry);
            }
        }
    }
}

/// A domain of a store with its owner.
type Owned = (StoreKey, String, Option<Key>);

/// The keys of resources to look at again.
pub type Concerned = BTreeSet<Key>;

impl Index {
    /// Adds resources of different names.
    pub fn with(mut self, resources: impl IntoIterator<Item = Resource>) -> Self {
        let resources = resources.into_iter().map(Arc::new);
        let (stores, components): (Vec<_>, Vec<_>) =
            resources.partition(|it| it.component().is_none());
        // What a component may use is known once the stores are.
        for resource in stores.into_iter().chain(components) {
            self.enter(resource);
        }
        self
    }

    /// Adds a resource, or replaces the one of the same key; returns it and the others that it concerns.
    pub fn insert(&mut self, resource: Arc<Resource>) -> Concerned {
        let key = resource.key();
        let before = self.resources.get(&key).cloned();
        if before.as_ref().is_some_and(|it| it.is_like(&resource)) {
            self.resources.insert(key.clone(), resource);
            return Concerned::from([key]);
        }
        self.replace(&key, before, Some(resource))
    }

    /// Removes a resource; returns it and the others that it concerned.
    pub fn remove(&mut self, key: &Key) -> Concerned {
        let before = self.resources.get(key).cloned();
        if before.is_none() {
            return Concerned::new();
        }
        self.replace(key, before, None)
    }

    fn replace(
        &mut self,
        key: &Key,
        before: Option<Arc<Resource>>,
        after: Option<Arc<Resource>>,
    ) -> Concerned {
        let both: Vec<_> = before.iter().chain(&after).cloned().collect();
        let owners = self.owners_of(&both);
        let workloads: Vec<_> = both.iter().filter_map(|it| it.workload()).collect();
        let users: Vec<_> = workloads.iter().map(|it| self.user(it).cloned()).collect();
        if let Some(before) = before {
            self.resources.remove(key);
            self.change(&before, Change::Out);
        }
        if let Some(after) = after {
            self.enter(after);
        }
        let mut concerned = Concerned::from([key.clone()]);
        concerned.extend(self.moved(owners));
        for (workload, user) in workloads.iter().zip(users) {
            if self.user(workload) != user.as_ref() {
                concerned.extend(self.users(workload).cloned());
            }
        }
        for resource in &both {
            if resource.component().is_none() {
                concerned.extend(self.reconsider(&resource.store()));
            }
            concerned.extend(self.neighbours(resource));
        }
        concerned
    }

    /// The owners of the domains that resources claim.
    fn owners_of<'a>(&self, resources: impl IntoIterator<Item = &'a Arc<Resource>>) -> Vec<Owned> {
        let claimed = resources.into_iter();
        let claimed = claimed.filter_map(|it| {
            let domain = it.component()?.domain()?.to_owned();
            Some((it.store(), domain))
        });
        claimed
            .map(|(store, domain)| {
                let owner = self.owner(&store, &domain).cloned();
                (store, domain, owner)
            })
            .collect()
    }

    /// Everybody whom it concerns that a domain has another owner than before.
    fn moved(&self, owners: Vec<Owned>) -> Concerned {
        let mut concerned = Concerned::new();
        for (store, domain, owner) in owners {
            if self.owner(&store, &domain) != owner.as_ref() {
                let domain = self.domain(&store, &domain).into_iter();
                concerned.extend(domain.flat_map(Domain::concerned).cloned());
                concerned.insert(store.key());
                let members = self.members.get(&store).into_iter();
                concerned.extend(members.flat_map(|it| &it.abroad).cloned());
            }
        }
        concerned
    }

    fn enter(&mut self, resource: Arc<Resource>) {
        self.change(&resource, Change::In);
        self.resources.insert(resource.key(), resource);
    }

    /// Whom a resource concerns whatever it says: its store or the users of it, and those who wait for it.
    fn neighbours(&self, resource: &Resource) -> Concerned {
        let store = resource.store();
        let Some(declared) = resource.component() else {
            let members = self.members.get(&store).into_iter();
            let named = members.flat_map(|it| it.components.iter().chain(&it.refused));
            return named.cloned().collect();
        };
        let mut neighbours = Concerned::from([store.key()]);
        if is_synchronous(resource) {
            let sources = declared.sources().iter();
            neighbours.extend(sources.filter_map(|it| self.owner(&store, &it.domain).cloned()));
        }
        neighbours
    }

    /// A resource.
    pub fn resource(&self, key: &Key) -> Option<&Arc<Resource>> {
        self.resources.get(key)
    }

    /// The keys of all resources, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.resources.keys()
    }

    /// The spec of a store.
    pub fn store(&self, store: &StoreKey) -> Option<&EventStoreSpec> {
        match &self.resources.get(&store.key())?.spec {
            Spec::EventStore(store) => Some(&store.spec),
            Spec::Aggregate(_) | Spec::Projector(_) | Spec::Saga(_) | Spec::ProcessManager(_) => {
                None
            }
        }
    }

    /// The id that a store on a server must have, once it is known.
    pub fn identity(&self, store: &StoreKey) -> Option<Uuid> {
        self.identities.get(store).copied()
    }

    /// Enters the id of a store; returns whom it concerns.
    pub fn identify(&mut self, store: &StoreKey, id: Option<Uuid>) -> Concerned {
        let before = match id {
            Some(id) => self.identities.insert(store.clone(), id),
            None => self.identities.remove(store),
        };
        if before == id {
            return Concerned::new();
        }
        let mut concerned: Concerned = self.components(store).cloned().collect();
        concerned.insert(store.key());
        concerned
    }

    /// The components that work with a store, in the order of their keys.
    pub fn components(&self, store: &StoreKey) -> impl ExactSizeIterator<Item = &Key> {
        static NONE: BTreeSet<Key> = BTreeSet::new();
        let members = self.members.get(store);
        members.map_or(&NONE, |members| &members.components).iter()
    }

    /// The component that owns a domain of a store.
    pub fn owner(&self, store: &StoreKey, domain: &str) -> Option<&Key> {
        self.domain(store, domain)?.owner()
    }

    /// The owned domains of a store, in the order of their names.
    pub fn owners(&self, store: &StoreKey) -> impl Iterator<Item = (&str, &Key)> {
        let domains = self.members.get(store).into_iter();
        domains
            .flat_map(|members| &members.domains)
            .filter_map(|(name, domain)| Some((name.as_str(), domain.owner()?)))
    }

    /// The projectors of a domain that callers wait for, in the order of their keys.
    pub fn synchronous(&self, store: &StoreKey, domain: &str) -> impl Iterator<Item = &Key> {
        let domain = self.domain(store, domain).into_iter();
        domain.flat_map(|domain| &domain.synchronous)
    }

    /// The component whose pods a workload runs.
    pub fn user(&self, workload: &WorkloadKey) -> Option<&Key> {
        self.users(workload).next()
    }

    /// The components that name a workload, the one that has it first.
    pub fn users(&self, workload: &WorkloadKey) -> impl Iterator<Item = &Key> {
        let claims = self.workloads.get(workload).into_iter().flatten();
        claims.map(|claim| &claim.key)
    }

    fn domain(&self, store: &StoreKey, domain: &str) -> Option<&Domain> {
        self.members.get(store)?.domains.get(domain)
    }

    /// Enters or takes out what a resource declares.
    fn change(&mut self, resource: &Resource, change: Change) {
        let (key, store) = (resource.key(), resource.store());
        let Some(declared) = resource.component() else {
            return;
        };
        self.change_workload(resource, change);
        let is_granted = self.permission(&key.namespace, &store) == Permission::Granted;
        let members = self.members.entry(store.clone()).or_default();
        match change {
            Change::In if !is_granted => {
                members.refused.insert(key);
                return;
            }
            Change::In => {}
            Change::Out => {
                members.refused.remove(&key);
            }
        }
        change.make(&mut members.components, key.clone());
        if key.namespace != store.namespace {
            change.make(&mut members.abroad, key.clone());
        }
        if let Some(domain) = declared.domain() {
            let domain = members.domains.entry(domain.to_owned()).or_default();
            change.make(&mut domain.claims, Claim::of(resource));
        }
        for source in declared.sources() {
            let domain = members.domains.entry(source.domain.clone()).or_default();
            change.make(&mut domain.readers, key.clone());
            if is_synchronous(resource) {
                change.make(&mut domain.synchronous, key.clone());
            }
        }
        for target in declared.targets() {
            let domain = members.domains.entry(target.domain.clone()).or_default();
            change.make(&mut domain.senders, key.clone());
        }
        self.forget_empty(&store, declared);
    }

    fn change_workload(&mut self, resource: &Resource, change: Change) {
        let Some(workload) = resource.workload() else {
            return;
        };
        let claims = self.workloads.entry(workload.clone()).or_default();
        change.make(claims, Claim::of(resource));
        if claims.is_empty() {
            self.workloads.remove(&workload);
        }
    }

    /// Drops what nobody declares any more.
    fn forget_empty(&mut self, store: &StoreKey, declared: &dyn crds::Component) {
        let Some(members) = self.members.get_mut(store) else {
            return;
        };
        let sources = declared.sources().iter().map(|it| it.domain.as_str());
        let targets = declared.targets().iter().map(|it| it.domain.as_str());
        for domain in declared.domain().into_iter().chain(sources).chain(targets) {
            if members.domains.get(domain).is_some_and(Domain::is_empty) {
                members.domains.remove(domain);
            }
        }
        if members.components.is_empty() && members.refused.is_empty() {
            self.members.remove(store);
        }
    }
}

impl FromIterator<Resource> for Index {
    fn from_iter<I: IntoIterator<Item = Resource>>(resources: I) -> Self {
        Self::default().with(resources)
    }
}

/// Whether callers of a command can wait for it.
fn is_synchronous(resource: &Resource) -> bool {
    match &resource.spec {
        Spec::Projector(projector) => projector.spec.mode == crds::Mode::Sync,
        Spec::EventStore(_) | Spec::Aggregate(_) | Spec::Saga(_) | Spec::ProcessManager(_) => false,
    }
}

impl StoreKey {
    /// What the key of its resource names.
    pub fn of(key: &Key) -> Self {
        Self {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        }
    }

    /// The key of its resource.
    pub fn key(&self) -> Key {
        Key {
            namespace: self.namespace.clone(),
            kind: Kind::EventStore,
            name: self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
