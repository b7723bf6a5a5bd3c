//! The watches: what they see goes into the world, and whom it concerns into the queue.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use angzarr_crds::Kind;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod as PodObject;
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Client, ResourceExt};

use super::api;
use super::child::{Child, ChildKey, ChildKind, labelled, version};
use super::pod::Pod;
use super::queue::Requests;
use super::watching::Watching;
use super::world::{Subject, World};
use crate::model::Key;

/// The label of everything that the operator makes.
const OURS: &str = "app.kubernetes.io/managed-by=angzarr";

/// What a watch fills and asks.
#[derive(Clone)]
pub(super) struct Intake {
    pub(super) client: Client,
    pub(super) world: Arc<World>,
    pub(super) requests: Requests,
    /// The namespace to look at; all without one.
    pub(super) namespace: Option<String>,
    /// How long a watch lasts, and so how long a dead one may go unnoticed.
    pub(super) watch: Duration,
}

/// How many objects are listed at a time; each may have more than a megabyte.
const PAGE: u32 = 100;

impl Intake {
    /// Watches the resources of a kind until it is dropped.
    pub(super) async fn resources(self, kind: Kind, watching: Watching) {
        let objects = self.objects(&api(kind));
        let watched = watch(objects, self.watching()).default_backoff();
        let mut watched = pin!(watched.inspect_err(|error| watching.failed(kind.as_str(), error)));
        let mut listed = BTreeSet::new();
        let key = |object: &DynamicObject| Key {
            namespace: object.namespace().unwrap_or_default(),
            kind,
            name: object.name_any(),
        };
        while let Some(event) = watched.next().await {
            let Ok(event) = event else { continue };
            match event {
                Event::Init => listed.clear(),
                Event::InitApply(object) => {
                    listed.insert(key(&object));
                    self.enter(key(&object), &object);
                }
                Event::Apply(object) => self.enter(key(&object), &object),
                Event::Delete(object) => self.leave(&key(&object)),
                Event::InitDone => {
                    let known = self.known(kind);
                    for gone in known.difference(&listed) {
                        self.leave(gone);
                    }
                    watching.complete(kind.as_str());
                }
            }
        }
    }

    fn known(&self, kind: Kind) -> BTreeSet<Key> {
        let state = self.world.state();
        let keys = state.subjects.keys().filter(|key| key.kind == kind);
        keys.cloned().collect()
    }

    fn enter(&self, key: Key, object: &DynamicObject) {
        let concerned = self.world.state().insert(key, Subject::read(object));
        self.requests.all(concerned);
    }

    fn leave(&self, key: &Key) {
        let concerned = self.world.state().remove(key);
        self.requests.all(concerned);
    }

    /// Watches the children of a kind until it is dropped.
    pub(super) async fn children(self, kind: ChildKind, watching: Watching) {
        let objects = self.objects(&kind.api());
        let watched = watch(objects, self.watching().labels(OURS)).default_backoff();
        let mut watched = pin!(watched.inspect_err(|error| watching.failed(kind.as_str(), error)));
        let mut listed = BTreeSet::new();
        let key = |object: &DynamicObject| ChildKey {
            kind,
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
        };
        while let Some(event) = watched.next().await {
            let Ok(event) = event else { continue };
            match event {
                Event::Init => listed.clear(),
                Event::InitApply(object) => {
                    listed.insert(key(&object));
                    self.enter_child(key(&object), &object);
                }
                Event::Apply(object) => self.enter_child(key(&object), &object),
                Event::Delete(object) => {
                    let version = version(&object.metadata);
                    let concerned = self.world.state().children.delete(&key(&object), version);
                    self.requests.all(concerned);
                }
                Event::InitDone => {
                    let known: BTreeSet<_> =
                        self.world.state().children.keys(kind).into_iter().collect();
                    for gone in known.difference(&listed) {
                        self.leave_child(gone);
                    }
                    watching.complete(kind.as_str());
                }
            }
        }
    }

    fn enter_child(&self, key: ChildKey, object: &DynamicObject) {
        let child = Child::read(key.kind, object);
        let concerned = self.world.state().children.insert(key, child);
        self.requests.all(concerned);
    }

    fn leave_child(&self, key: &ChildKey) {
        let concerned = self.world.state().children.remove(key);
        self.requests.all(concerned);
    }

    /// Watches the pods of components until it is dropped.
    pub(super) async fn pods(self, watching: Watching) {
        let pods: Api<PodObject> = match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let of_ours = self.watching().labels("angzarr.io/component");
        let watched = watch(pods, of_ours).default_backoff();
        let mut watched = pin!(watched.inspect_err(|error| watching.failed("Pod", error)));
        let mut listed = BTreeSet::new();
        while let Some(event) = watched.next().await {
            let Ok(event) = event else { continue };
            match event {
                Event::Init => listed.clear(),
                Event::InitApply(object) => {
                    listed.extend(self.enter_pod(&object));
                }
                Event::Apply(object) => {
                    self.enter_pod(&object);
                }
                Event::Delete(object) => {
                    if let Some(key) = component(&object) {
                        self.world.state().remove_pod(&key, &object.name_any());
                        self.requests.now(key);
                    }
                }
                Event::InitDone => {
                    let gone = self.world.state().retain_pods(&listed);
                    self.requests.all(gone);
                    watching.complete("Pod");
                }
            }
        }
    }

    fn enter_pod(&self, object: &PodObject) -> Option<(Key, String)> {
        let key = component(object)?;
        let pod = Pod::read(object);
        let name = pod.name.clone();
        if self.world.state().insert_pod(&key, pod) {
            self.requests.now(key.clone());
        }
        Some((key, name))
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

fn component(object: &PodObject) -> Option<Key> {
    labelled(&object.metadata)
}
