//! The watches: what they see goes into the world, and whom it concerns into the queue.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use angzarr_crds::Kind;
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod as PodObject;
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Client, ResourceExt};

use super::api;
use super::child::{Child, ChildKey, ChildKind, labelled, version};
use super::instance::Instance;
use super::pod::Pod;
use super::queue::Requests;
use super::watching::Watching;
use super::world::{Subject, World};
use crate::model::Key;

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
trait Entering {
    type Object;
    /// What names an object.
    type Id: Ord;

    /// The word for the kind.
    fn kind(&self) -> &'static str;

    /// Enters an object as it is now; returns what names it, unless it concerns nobody.
    fn enter(&self, object: &Self::Object) -> Option<Self::Id>;

    /// Takes out an object that was deleted.
    fn leave(&self, object: &Self::Object);

    /// Takes out whatever is not among all that there is.
    fn retain(&self, listed: &BTreeSet<Self::Id>);
}

/// Enters what a watch shows until it is dropped. What went while nobody watched is not listed any more.
async fn follow<E: Entering>(
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
                entering.retain(&listed);
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

    /// Watches the pods of components until it is dropped.
    pub(super) async fn pods(self, watching: Watching) {
        let pods: Api<PodObject> = match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let of_ours = self.watching().labels("angzarr.io/component");
        let events = watch(pods, of_ours).default_backoff();
        follow(Pods(self), events, watching).await;
    }

    fn watching(&self) -> watcher::Config {
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

    fn remove(&self, key: &Key) {
        let concerned = self.intake.world.state().remove(key);
        self.intake.requests.all(concerned);
    }
}

impl Entering for Resources {
    type Object = DynamicObject;
    type Id = Key;

    fn kind(&self) -> &'static str {
        self.kind.as_str()
    }

    fn enter(&self, object: &DynamicObject) -> Option<Key> {
        let (key, subject) = (self.key(object), Subject::read(object));
        if !self.intake.instance.has(&object.metadata) {
            self.remove(&key);
            return None;
        }
        let concerned = self.intake.world.state().insert(key.clone(), subject);
        self.intake.requests.all(concerned);
        Some(key)
    }

    fn leave(&self, object: &DynamicObject) {
        self.remove(&self.key(object));
    }

    fn retain(&self, listed: &BTreeSet<Key>) {
        let gone: Vec<_> = {
            let state = self.intake.world.state();
            let known = state.subjects.keys().filter(|key| key.kind == self.kind);
            known.filter(|key| !listed.contains(key)).cloned().collect()
        };
        gone.iter().for_each(|key| self.remove(key));
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

    fn retain(&self, listed: &BTreeSet<ChildKey>) {
        let known = self.intake.world.state().children.keys(self.kind);
        for gone in known.iter().filter(|key| !listed.contains(key)) {
            let concerned = self.intake.world.state().children.remove(gone);
            self.intake.requests.all(concerned);
        }
    }
}

/// Pods of components.
struct Pods(Intake);

impl Entering for Pods {
    type Object = PodObject;
    type Id = (Key, String);

    fn kind(&self) -> &'static str {
        "Pod"
    }

    fn enter(&self, object: &PodObject) -> Option<(Key, String)> {
        let key = labelled(&object.metadata)?;
        let pod = Pod::read(object);
        let name = pod.name.clone();
        if self.0.world.state().insert_pod(&key, pod) {
            self.0.requests.now(key.clone());
        }
        Some((key, name))
    }

    fn leave(&self, object: &PodObject) {
        if let Some(key) = labelled(&object.metadata) {
            self.0.world.state().remove_pod(&key, &object.name_any());
            self.0.requests.now(key);
        }
    }

    fn retain(&self, listed: &BTreeSet<(Key, String)>) {
        let gone = self.0.world.state().retain_pods(listed);
        self.0.requests.all(gone);
    }
}
