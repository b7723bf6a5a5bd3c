//! The objects that components lead to, as the API server holds them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use angzarr_crds::Kind;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;

use super::instance;
use super::job::JobState;
use super::revision::{Kept, Pin};
pub(super) use super::workload::Workload;
use crate::model::Key;
use crate::plan::names;

/// A kind of object that is made for a component or a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ChildKind {
    ServiceAccount,
    ConfigMap,
    PersistentVolumeClaim,
    Service,
    NetworkPolicy,
    Deployment,
    Job,
    PodTemplate,
    ControllerRevision,
    PodDisruptionBudget,
    HorizontalPodAutoscaler,
    PodMonitor,
}

impl ChildKind {
    /// The kinds that every cluster has.
    pub(super) const ALWAYS: [Self; 11] = [
        Self::ServiceAccount,
        Self::ConfigMap,
        Self::PersistentVolumeClaim,
        Self::Service,
        Self::NetworkPolicy,
        Self::Deployment,
        Self::Job,
        Self::PodTemplate,
        Self::ControllerRevision,
        Self::PodDisruptionBudget,
        Self::HorizontalPodAutoscaler,
    ];

    /// The kind of an object that was planned.
    pub(super) fn of(object: &Value) -> Option<Self> {
        let kind = object["kind"].as_str()?;
        let mut all = Self::ALWAYS.into_iter().chain([Self::PodMonitor]);
        all.find(|it| it.parts().2 == kind)
    }

    fn parts(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::ServiceAccount => ("", "v1", "ServiceAccount", "serviceaccounts"),
            Self::ConfigMap => ("", "v1", "ConfigMap", "configmaps"),
            Self::PersistentVolumeClaim => {
                ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
            }
            Self::Service => ("", "v1", "Service", "services"),
            Self::NetworkPolicy => (
                "networking.k8s.io",
                "v1",
                "NetworkPolicy",
                "networkpolicies",
            ),
            Self::Deployment => ("apps", "v1", "Deployment", "deployments"),
            Self::Job => ("batch", "v1", "Job", "jobs"),
            Self::PodTemplate => ("", "v1", "PodTemplate", "podtemplates"),
            Self::ControllerRevision => ("apps", "v1", "ControllerRevision", "controllerrevisions"),
            Self::PodDisruptionBudget => (
                "policy",
                "v1",
                "PodDisruptionBudget",
                "poddisruptionbudgets",
            ),
            Self::HorizontalPodAutoscaler => (
                "autoscaling",
                "v2",
                "HorizontalPodAutoscaler",
                "horizontalpodautoscalers",
            ),
            Self::PodMonitor => ("monitoring.coreos.com", "v1", "PodMonitor", "podmonitors"),
        }
    }

    /// How the API server names it.
    pub(super) fn api(self) -> ApiResource {
        let (group, version, kind, plural) = self.parts();
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    }

    /// The word in an object's `kind` field.
    pub(super) fn as_str(self) -> &'static str {
        self.parts().2
    }
}

/// Names a child.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ChildKey {
    pub(super) kind: ChildKind,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl ChildKey {
    /// What names an object that was planned for a namespace.
    pub(super) fn of(namespace: &str, object: &Value) -> Option<Self> {
        Some(Self {
            kind: ChildKind::of(object)?,
            namespace: namespace.to_owned(),
            name: object["metadata"]["name"].as_str()?.to_owned(),
        })
    }
}

/// A child as it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Child {
    pub(super) uid: String,
    /// When it was written last, in the order of all writes of its kind; 0 if the API server does not say it as a number.
    pub(super) version: u64,
    /// The id of the resource that owns it.
    pub(super) owner: Option<String>,
    /// The resource that its labels name.
    pub(super) of: Option<Key>,
    /// What it looks like, without what the API server counts and others report.
    pub(super) look: u64,
    /// What its controller reports of a workload.
    pub(super) workload: Option<Workload>,
    /// The installation that its label names.
    pub(super) instance: Option<String>,
    /// Who decides on the number of pods by having applied it.
    pub(super) scaled_by: Vec<String>,
    /// The plan of its pods that a workload names.
    pub(super) pin: Option<Pin>,
    /// The plan that a ControllerRevision holds.
    pub(super) kept: Option<Kept>,
    /// How far a Job has come.
    pub(super) job: Option<JobState>,
    /// The id of a store that an annotation names.
    pub(super) store_id: Option<String>,
}

impl Child {
    /// Reads an object of a kind.
    pub(super) fn read(kind: ChildKind, object: &DynamicObject) -> Self {
        let metadata = &object.metadata;
        let mut owners = metadata.owner_references.iter().flatten();
        let owner = owners.find(|owner| owner.controller == Some(true));
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            version: version(metadata),
            owner: owner.map(|owner| owner.uid.clone()),
            of: labelled(metadata),
            look: look(object),
            workload: (kind == ChildKind::Deployment).then(|| Workload::read(object)),
            instance: instance::label(metadata).cloned(),
            scaled_by: if kind == ChildKind::Deployment {
                scaled_by(metadata)
            } else {
                Vec::new()
            },
            pin: Pin::read(metadata),
            kept: (kind == ChildKind::ControllerRevision).then(|| Kept::read(object)),
            job: (kind == ChildKind::Job).then(|| JobState::read(object)),
            store_id: metadata
                .annotations
                .as_ref()
                .and_then(|all| all.get(&names::store_id()).cloned()),
        }
    }

    /// Whether it differs in nothing that matters here.
    fn is_like(&self, other: &Self) -> bool {
        let version = other.version;
        let mut same = self.clone();
        same.version = version;
        same == *other
    }
}

/// When an object was written last. Versions of one kind of object grow with each write, as numbers.
pub(super) fn version(metadata: &ObjectMeta) -> u64 {
    let version = metadata.resource_version.as_deref();
    version.and_then(|it| it.parse().ok()).unwrap_or(0)
}

fn scaled_by(metadata: &ObjectMeta) -> Vec<String> {
    let managers = metadata.managed_fields.iter().flatten();
    let scaling = managers.filter(|entry| {
        let fields = entry.fields_v1.as_ref().map(|it| &it.0["f:spec"]);
        entry.operation.as_deref() == Some("Apply")
            && fields.is_some_and(|spec| spec.get("f:replicas").is_some())
    });
    scaling.filter_map(|entry| entry.manager.clone()).collect()
}

/// The resource that an object's labels name.
pub(super) fn labelled(metadata: &ObjectMeta) -> Option<Key> {
    let labels = metadata.labels.as_ref()?;
    let namespace = metadata.namespace.clone()?;
    let kind = labels.get("angzarr.io/kind").map(|kind| Kind::parse(kind));
    match kind {
        Some(kind) => Some(Key {
            namespace,
            kind: kind?,
            name: labels.get("angzarr.io/component")?.clone(),
        }),
        // A directory belongs to a store.
        None => Some(Key {
            namespace,
            kind: Kind::EventStore,
            name: labels.get("app.kubernetes.io/part-of")?.clone(),
        }),
    }
}

/// What the controller of Deployments writes into their metadata.
const REVISION: &str = "deployment.kubernetes.io/revision";

fn look(object: &DynamicObject) -> u64 {
    let mut hasher = DefaultHasher::new();
    let metadata = &object.metadata;
    metadata.labels.hash(&mut hasher);
    let annotations = metadata.annotations.iter().flatten();
    for annotation in annotations.filter(|(name, _)| *name != REVISION) {
        annotation.hash(&mut hasher);
    }
    for owner in metadata.owner_references.iter().flatten() {
        (&owner.uid, owner.controller).hash(&mut hasher);
    }
    let fields = object.data.as_object().into_iter().flatten();
    for (name, value) in fields.filter(|(name, _)| *name != "status") {
        (name, value.to_string()).hash(&mut hasher);
    }
    hasher.finish()
}

/// The children that the watches know.
///
/// # Design
/// A write is answered and watched on two connections, so either may come first. The later state counts, whichever way it came; else an edit, or a
/// deletion, right after a write of ours would be hidden by the answer to that write.
#[derive(Debug, Default)]
pub(super) struct Children {
    all: HashMap<ChildKey, Child>,
    of: BTreeMap<Key, BTreeSet<ChildKey>>,
    /// What was written last, and how the object looked then.
    written: HashMap<ChildKey, Written>,
    /// Those that are to be looked at anew before anything is made of what is known of them.
    doubted: HashSet<ChildKey>,
    /// How far the watch of a kind has come.
    watched: HashMap<ChildKind, u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Written {
    desired: u64,
    look: u64,
}

impl Children {
    /// Enters a child as its watch shows it; returns the resource that it concerns, if it changed.
    pub(super) fn insert(&mut self, key: ChildKey, child: Child) -> Option<Key> {
        self.advance(key.kind, child.version);
        self.enter(key, child)
    }

    fn enter(&mut self, key: ChildKey, child: Child) -> Option<Key> {
        let of = child.of.clone();
        if let Some(known) = self.all.get_mut(&key) {
            if known.version > child.version {
                return None;
            }
            if known.is_like(&child) {
                known.version = child.version;
                return None;
            }
        }
        if let Some(of) = &of {
            self.of.entry(of.clone()).or_default().insert(key.clone());
        }
        let before = self.all.insert(key.clone(), child)?.of;
        if before != of {
            self.forget(before.as_ref(), &key);
            return of.or(before);
        }
        of
    }

    /// Enters a child as the API server answered a write of something desired, which its hash stands for.
    pub(super) fn write(&mut self, key: &ChildKey, child: Child, desired: u64) {
        let look = child.look;
        self.written.insert(key.clone(), Written { desired, look });
        self.doubted.remove(key);
        // Else the watch has passed this write already, and knows what came after it.
        if child.version == 0 || child.version > self.watched(key.kind) {
            self.enter(key.clone(), child);
        }
    }

    fn watched(&self, kind: ChildKind) -> u64 {
        self.watched.get(&kind).copied().unwrap_or(0)
    }

    fn advance(&mut self, kind: ChildKind, version: u64) {
        let watched = self.watched.entry(kind).or_default();
        *watched = version.max(*watched);
    }

    /// Whether a child still looks as after a write of the same.
    pub(super) fn is_as_written(&self, key: &ChildKey, desired: u64) -> bool {
        let Some(child) = self.all.get(key) else {
            return false;
        };
        let look = child.look;
        self.written.get(key) == Some(&Written { desired, look })
    }

    /// Takes out a child that its watch saw deleted; returns the resource that it concerned.
    pub(super) fn delete(&mut self, key: &ChildKey, version: u64) -> Option<Key> {
        self.advance(key.kind, version);
        let known = self.all.get(key)?.version;
        if version != 0 && known > version {
            // Another one has taken its place.
            return None;
        }
        self.remove(key)
    }

    /// Takes out a child; returns the resource that it concerned.
    pub(super) fn remove(&mut self, key: &ChildKey) -> Option<Key> {
        self.written.remove(key);
        self.doubted.remove(key);
        let of = self.all.remove(key)?.of;
        self.forget(of.as_ref(), key);
        of
    }

    /// Lets the children of a resource be looked at anew.
    pub(super) fn doubt(&mut self, of: &Key) {
        for key in self.of.get(of).into_iter().flatten() {
            self.written.remove(key);
            self.doubted.insert(key.clone());
        }
    }

    /// A child, unless it is to be looked at anew.
    pub(super) fn trusted(&self, key: &ChildKey) -> Option<&Child> {
        self.all.get(key).filter(|_| !self.doubted.contains(key))
    }

    /// A child.
    pub(super) fn get(&self, key: &ChildKey) -> Option<&Child> {
        self.all.get(key)
    }

    /// The children whose labels name a resource.
    pub(super) fn of(&self, key: &Key) -> impl Iterator<Item = (&ChildKey, &Child)> {
        let keys = self.of.get(key).into_iter().flatten();
        keys.filter_map(|key| Some((key, self.all.get(key)?)))
    }

    /// The keys of all children of a kind.
    pub(super) fn keys(&self, kind: ChildKind) -> Vec<ChildKey> {
        let keys = self.all.keys().filter(|key| key.kind == kind);
        keys.cloned().collect()
    }

    fn forget(&mut self, of: Option<&Key>, key: &ChildKey) {
        let Some(of) = of else { return };
        if let Some(keys) = self.of.get_mut(of) {
            keys.remove(key);
            if keys.is_empty() {
                self.of.remove(of);
            }
        }
    }
}

#[cfg(test)]
mod tests;
