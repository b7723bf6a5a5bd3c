//! The watches: what they see goes into the world, and whom it concerns into the queue.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use angzarr_crds::{Kind, WorkloadKind};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod as PodObject;
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Client, ResourceExt};

use super::api;
use super::child::{Child, ChildKey, ChildKind, version};
use super::existing::{self, Existing};
use super::instance::Instance;
use super::pod::{self, Pod};
use super::queue::Requests;
use super::watching::Watching;
use super::world::{Subject, World};
use crate::model::{Key, WorkloadKey};
use crate::plan::names;

/// All that others make.
const OF_OTHERS: &str = "app.kubernetes.io/managed-by!=angzarr";

/// What a watch fills and asks.
#[derive(Clone)]
pub(super) struct Intake {
    pub(super) client: Client,
    pub(super) world: Arc<World>,
    pub(super) requests: Requests,
    /// The namespace to look at; all without one.
    pub(super) namespace: Option<String>,
    /// Whose resources and objects are looked at.
    pub(super) instance: Instance,
    /// How long a watch lasts, and so how long a dead one may go unnoticed.
    pub(super) watch: Duration,
}

/// How many objects are listed at a time; each may have more than a megabyte.
const PAGE: u32 = 100;

/// What becomes of what a watch shows of one kind.
pub(super) trait Entering {
    type Object;
    /// What names an object.
    type Id: Ord;

    /// The word for the kind.
    fn kind(&self) -> &'static str;

    /// Enters an object as it is now; returns what names it, unless it concerns nobody.
    fn enter(&self, object: &Self::Object) -> Option<Self::Id>;

    /// Takes out an object that was deleted.
    fn leave(&self, object: &Self::Object);

    /// What was entered and not taken out.
    fn known(&self) -> Vec<Self::Id>;

    /// Takes out what is not there any more.
    fn remove(&self, id: &Self::Id);
}

/// Enters what a watch shows until it is dropped. What went while nobody watched is not listed any more.
pub(super) async fn follow<E: Entering>(
    entering: E,
    events: impl Stream<Item = Result<Event<E::Object>, watcher::Error>>,
    watching: Watching,
) {
    let mut events = pin!(events);
    let mut listed = BTreeSet::new();
    while let Some(event) = events.next().await {
        match event {
            Err(error) => watching.failed(entering.kind(), &error),
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => listed.extend(entering.enter(&object)),
            Ok(Event::Apply(object)) => {
                entering.enter(&object);
            }
            Ok(Event::Delete(object)) => entering.leave(&object),
            Ok(Event::InitDone) => {
                let known = entering.known().into_iter();
                for gone in known.filter(|it| !listed.contains(it)) {
                    entering.remove(&gone);
                }
                watching.complete(entering.kind());
            }
        }
    }
}

impl Intake {
    /// Watches the resources of a kind until it is dropped.
    pub(super) async fn resources(self, kind: Kind, watching: Watching) {
        let mut of_ours = self.watching();
        if let Some(selector) = self.instance.resources() {
            of_ours = of_ours.labels(&selector);
        }
        let events = watch(self.objects(&api(kind)), of_ours).default_backoff();
        follow(Resources { intake: self, kind }, events, watching).await;
    }

    /// Watches the children of a kind until it is dropped.
    pub(super) async fn children(self, kind: ChildKind, watching: Watching) {
        let of_ours = self.watching().labels(&self.instance.objects());
        let events = watch(self.objects(&kind.api()), of_ours).default_backoff();
        follow(Children { intake: self, kind }, events, watching).await;
    }

    /// Watches the workloads of others until it is dropped.
    pub(super) async fn workloads(self, kind: WorkloadKind, watching: Watching) {
        let of_others = self.watching().labels(OF_OTHERS);
        let events = watch(self.objects(&existing::api(kind)), of_others).default_backoff();
        follow(Existings { intake: self, kind }, events, watching).await;
    }

    /// Watches the pods of components until it is dropped.
    pub(super) async fn pods(self, of: PodsOf, watching: Watching) {
        let pods: Api<PodObject> = match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let of_ours = self.watching().labels(of.labels());
        let events = watch(pods, of_ours).default_backoff();
        follow(Pods { intake: self, of }, events, watching).await;
    }

    pub(super) fn watching(&self) -> watcher::Config {
        let seconds = u32::try_from(self.watch.as_secs()).unwrap_or(u32::MAX);
        // None at all would switch off the search for dead watches.
        let config = watcher::Config::default().timeout(seconds.max(1));
        config.page_size(PAGE)
    }

    fn objects(&self, resource: &kube::api::ApiResource) -> Api<DynamicObject> {
        match &self.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }
}

/// Resources of a kind.
struct Resources {
    intake: Intake,
    kind: Kind,
}

impl Resources {
    fn key(&self, object: &DynamicObject) -> Key {
        Key {
            namespace: object.namespace().unwrap_or_default(),
            kind: self.kind,
            name: object.name_any(),
        }
    }
}

impl Entering for Resources {
    type Object = DynamicObject;
    type Id = Key;

    fn kind(&self) -> &'static str {
        self.kind.as_str()
    }

    fn enter(&self, object: &DynamicObject) -> Option<Key> {
        let key = self.key(object);
        if !self.intake.instance.has(&object.metadata) {
            self.remove(&key);
            return None;
        }
        let known = self.intake.world.state().subjects.get(&key).cloned();
        let subject = Subject::read(object, known.as_ref());
        let concerned = self.intake.world.state().insert(key.clone(), subject);
        self.intake.requests.all(concerned);
        Some(key)
    }

    fn leave(&self, object: &DynamicObject) {
        self.remove(&self.key(object));
    }

    fn known(&self) -> Vec<Key> {
        let state = self.intake.world.state();
        let known = state.subjects.keys().filter(|key| key.kind == self.kind);
        known.cloned().collect()
    }

    fn remove(&self, key: &Key) {
        let concerned = self.intake.world.state().remove(key);
        self.intake.requests.all(concerned);
    }
}

/// Children of a kind.
struct Children {
    intake: Intake,
    kind: ChildKind,
}

impl Children {
    fn key(&self, object: &DynamicObject) -> ChildKey {
        ChildKey {
            kind: self.kind,
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
        }
    }
}

impl Entering for Children {
    type Object = DynamicObject;
    type Id = ChildKey;

    fn kind(&self) -> &'static str {
        self.kind.as_str()
    }

    fn enter(&self, object: &DynamicObject) -> Option<ChildKey> {
        let (key, child) = (self.key(object), Child::read(self.kind, object));
        let mut state = self.intake.world.state();
        let concerned = state.children.insert(key.clone(), child);
        drop(state);
        self.intake.requests.all(concerned);
        Some(key)
    }

    fn leave(&self, object: &DynamicObject) {
        let (key, version) = (self.key(object), version(&object.metadata));
        let concerned = self.intake.world.state().children.delete(&key, version);
        self.intake.requests.all(concerned);
    }

    fn known(&self) -> Vec<ChildKey> {
        self.intake.world.state().children.keys(self.kind)
    }

    fn remove(&self, key: &ChildKey) {
        let concerned = self.intake.world.state().children.remove(key);
        self.intake.requests.all(concerned);
    }
}

/// Workloads of others, of a kind.
struct Existings {
    intake: Intake,
    kind: WorkloadKind,
}

impl Existings {
    fn key(&self, object: &DynamicObject) -> WorkloadKey {
        WorkloadKey {
            namespace: object.namespace().unwrap_or_default(),
            kind: self.kind,
            name: object.name_any(),
        }
    }

    fn read(&self, object: &DynamicObject) -> Existing {
        Existing::read(self.kind, object, &self.intake.instance.injector())
    }
}

impl Entering for Existings {
    type Object = DynamicObject;
    type Id = WorkloadKey;

    fn kind(&self) -> &'static str {
        existing::watched(self.kind)
    }

    fn enter(&self, object: &DynamicObject) -> Option<WorkloadKey> {
        let (key, seen) = (self.key(object), self.read(object));
        let mut state = self.intake.world.state();
        let concerned = state.insert_workload(key.clone(), seen);
        drop(state);
        self.intake.requests.all(concerned);
        Some(key)
    }

    fn leave(&self, object: &DynamicObject) {
        self.remove(&self.key(object));
    }

    fn known(&self) -> Vec<WorkloadKey> {
        self.intake.world.state().workloads.keys(self.kind)
    }

    fn remove(&self, key: &WorkloadKey) {
        let concerned = self.intake.world.state().remove_workload(key);
        self.intake.requests.all(concerned);
    }
}

/// Which pods of components are watched; an API server cannot select by either of two labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PodsOf {
    /// Those of the operator's own workloads.
    Ours,
    /// Those that ask for their sidecar.
    Others,
}

impl PodsOf {
    pub(super) const ALL: [Self; 2] = [Self::Ours, Self::Others];

    /// The word for them.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "Pod",
            Self::Others => "Pod of others",
        }
    }

    const fn labels(self) -> &'static str {
        match self {
            Self::Ours => "angzarr.io/component,!angzarr.io/inject",
            Self::Others => names::INJECT,
        }
    }
}

/// Pods of components.
struct Pods {
    intake: Intake,
    of: PodsOf,
}

impl Entering for Pods {
    type Object = PodObject;
    type Id = (Key, String);

    fn kind(&self) -> &'static str {
        self.of.as_str()
    }

    fn enter(&self, object: &PodObject) -> Option<(Key, String)> {
        let key = pod::component(object)?;
        let pod = Pod::read(object);
        let name = pod.name.clone();
        if self.intake.world.state().insert_pod(&key, pod) {
            self.intake.requests.now(key.clone());
        }
        Some((key, name))
    }

    fn leave(&self, object: &PodObject) {
        if let Some(key) = pod::component(object) {
            self.remove(&(key, object.name_any()));
        }
    }

    fn known(&self) -> Vec<(Key, String)> {
        let state = self.intake.world.state();
        let known = state.all_pods();
        let known = known.filter(|(_, pod)| pod.asks == (self.of == PodsOf::Others));
        known
            .map(|(key, pod)| (key.clone(), pod.name.clone()))
            .collect()
    }

    fn remove(&self, (key, name): &(Key, String)) {
        self.intake.world.state().remove_pod(key, name);
        self.intake.requests.now(key.clone());
    }
}
