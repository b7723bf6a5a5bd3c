//! The namespaces of a cluster with their labels, by which stores can allow them.

use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::{WatchStreamExt, watcher};

use super::intake::{Entering, Intake, follow};
use super::watching::Watching;

/// The word for the kind.
pub(super) const KIND: &str = "Namespace";

impl Intake {
    /// Watches the labels of all namespaces until it is dropped.
    pub(super) async fn namespaces(self, watching: Watching) {
        let all: Api<PartialObjectMeta<Namespace>> = Api::all(self.client.clone());
        let events = watcher(all, self.watching()).default_backoff();
        follow(Namespaces(self), events, watching).await;
    }
}

struct Namespaces(Intake);

impl Entering for Namespaces {
    type Object = PartialObjectMeta<Namespace>;
    type Id = String;

    fn kind(&self) -> &'static str {
        KIND
    }

    fn enter(&self, object: &Self::Object) -> Option<String> {
        let (name, labels) = (object.name_any(), object.labels().clone());
        let concerned = self.0.world.state().index.label(&name, Some(labels));
        self.0.requests.all(concerned);
        Some(name)
    }

    fn leave(&self, object: &Self::Object) {
        self.remove(&object.name_any());
    }

    fn known(&self) -> Vec<String> {
        let state = self.0.world.state();
        state.index.sight().namespaces.keys().cloned().collect()
    }

    fn remove(&self, name: &String) {
        let concerned = self.0.world.state().index.label(name, None);
        self.0.requests.all(concerned);
    }
}
