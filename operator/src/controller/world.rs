//! What the watches know: the resources, their children and pods.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use angzarr_config::Mistake;
use angzarr_crds::Kind;
use kube::api::DynamicObject;
use serde_json::Value;

use super::child::Children;
use super::existing::Workloads;
use super::inputs::Inputs;
use super::look::Looks;
use super::pod::Pod;
use super::store;
use super::wishes::Wishes;
use crate::index::{Concerned, Index, Scope, Sight};
use crate::model::{Key, StoreKey};
use crate::resource::Resource;

/// What the watches know, shared by them and the reconciler. No lock is held across an await.
#[derive(Debug, Default)]
pub(super) struct World {
    state: Mutex<State>,
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) index: Index,
    pub(super) subjects: HashMap<Key, Subject>,
    pub(super) children: Children,
    /// Those of others.
    pub(super) workloads: Workloads,
    /// What sidecars say.
    pub(super) looks: Looks,
    pods: HashMap<Key, BTreeMap<String, Pod>>,
}

/// A resource, or why there is none.
type Content = Result<Arc<Resource>, Vec<Mistake>>;

/// A resource as the API server holds it, readable or not.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) uid: String,
    pub(super) generation: i64,
    /// Whether it is being deleted.
    pub(super) is_leaving: bool,
    look: u64,
    /// What in it pods are planned from.
    pub(super) inputs: Arc<Inputs>,
    /// What people ask for.
    pub(super) wishes: Wishes,
    /// Its status, as it is.
    pub(super) status: Value,
    /// What it says, or why it says nothing.
    pub(super) content: Content,
}

impl Subject {
    /// Reads an object of one of our kinds. Its specification is judged only if it is not the one that is known: every change of a status shows it again.
    pub(super) fn read(object: &DynamicObject, known: Option<&Self>) -> Self {
        let metadata = &object.metadata;
        let status = object.data.get("status").cloned().unwrap_or(Value::Null);
        let look = look(object);
        let (content, inputs) = match known.filter(|it| it.look == look) {
            Some(known) => (known.content.clone(), Arc::clone(&known.inputs)),
            None => judged(object),
        };
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
            is_leaving: metadata.deletion_timestamp.is_some(),
            look,
            status,
            wishes: Wishes::read(metadata),
            inputs,
            content,
        }
    }
}

/// Equal for what a person can change of the same object, which is all that is read of it but its status.
fn look(object: &DynamicObject) -> u64 {
    let metadata = &object.metadata;
    let mut hasher = DefaultHasher::new();
    (&metadata.uid, metadata.generation).hash(&mut hasher);
    metadata.labels.hash(&mut hasher);
    metadata.annotations.hash(&mut hasher);
    object.data["spec"].to_string().hash(&mut hasher);
    hasher.finish()
}

fn judged(object: &DynamicObject) -> (Content, Arc<Inputs>) {
    let content = read_resource(object).map(Arc::new);
    let spec = &object.data["spec"];
    let inputs = content.as_ref().ok();
    let inputs = inputs.map(|it| Inputs::read(it.kind(), spec));
    let inputs = Arc::new(inputs.unwrap_or_default());
    (content, inputs)
}

fn read_resource(object: &DynamicObject) -> Result<Resource, Vec<Mistake>> {
    let value = crate::plan::plain(object);
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    match Resource::read(value, namespace)? {
        Some(resource) => Ok(resource),
        None => Err(vec![Mistake::new("apiVersion", "is of another API group")]),
    }
}

impl World {
    /// Knows nothing yet of all namespaces, or of one.
    pub(super) fn seeing(namespace: Option<&str>) -> Self {
        let scope = match namespace {
            Some(namespace) => Scope::Namespace(namespace.to_owned()),
            None => Scope::Cluster,
        };
        let state = State {
            index: Index::seeing(Sight {
                scope,
                ..Sight::default()
            }),
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Looks at what is known, or changes it.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A thread that panicked left what one change in the middle leaves; the next one of its key mends it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Enters a resource; returns whom it concerns.
    pub(super) fn insert(&mut self, key: Key, subject: Subject) -> Concerned {
        let mut concerned = match &subject.content {
            Ok(resource) => self.index.insert(Arc::clone(resource)),
            Err(_) => self.index.remove(&key),
        };
        concerned.insert(key.clone());
        let before = self.subjects.get(&key);
        if before.is_some_and(|before| subject.wishes.asks_since(&before.wishes)) {
            self.children.doubt(&key);
        }
        if key.kind == Kind::EventStore {
            let id = store::identity(&subject);
            concerned.extend(self.index.identify(&StoreKey::of(&key), id));
        }
        self.subjects.insert(key, subject);
        concerned
    }

    /// Takes out a resource; returns whom it concerned.
    pub(super) fn remove(&mut self, key: &Key) -> Concerned {
        self.subjects.remove(key);
        if key.kind == Kind::EventStore {
            self.index.identify(&StoreKey::of(key), None);
        }
        self.looks.forget(key);
        self.index.remove(key)
    }

    /// Enters a pod of a component; returns whether it changed.
    pub(super) fn insert_pod(&mut self, key: &Key, pod: Pod) -> bool {
        let pods = self.pods.entry(key.clone()).or_default();
        let before = pods.insert(pod.name.clone(), pod.clone());
        before != Some(pod)
    }

    /// Takes out a pod of a component.
    pub(super) fn remove_pod(&mut self, key: &Key, name: &str) {
        if let Some(pods) = self.pods.get_mut(key) {
            pods.remove(name);
            if pods.is_empty() {
                self.pods.remove(key);
            }
        }
    }

    /// Everything that is to be looked at once all is known, whether it is still there or not.
    pub(super) fn known(&self) -> Vec<Key> {
        let subjects = self.subjects.keys();
        subjects.chain(self.workloads.stampers()).cloned().collect()
    }

    /// The pods of a component, in the order of their names.
    pub(super) fn pods(&self, key: &Key) -> Vec<Pod> {
        let pods = self.pods.get(key).into_iter().flatten();
        pods.map(|(_, pod)| pod.clone()).collect()
    }

    /// All pods with their components.
    pub(super) fn all_pods(&self) -> impl Iterator<Item = (&Key, &Pod)> {
        let all = self.pods.iter();
        all.flat_map(|(key, pods)| pods.values().map(move |pod| (key, pod)))
    }

    /// Forgets what pods said that are gone.
    pub(super) fn forget_gone_looks(&mut self) {
        let pods = &self.pods;
        let is_there =
            |key: &Key, pod: &str| pods.get(key).is_some_and(|pods| pods.contains_key(pod));
        self.looks.retain(is_there);
    }

    /// The store of a component.
    pub(super) fn store_of(&self, key: &Key) -> Option<StoreKey> {
        let resource = self.subjects.get(key)?.content.as_ref().ok()?;
        Some(resource.store())
    }
}
