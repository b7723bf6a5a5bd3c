//! A resource of one of our kinds, as a file or an API server holds it.

use std::time::SystemTime;

use angzarr_config::Mistake;
use angzarr_crds::{
    API_VERSION, Aggregate, Component, EventStore, GROUP, Kind, ProcessManager, Projector, Saga,
    validate_cel, validate_structure,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::model::{Key, StoreKey, WorkloadKey};

/// A resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its name.
    pub name: String,
    /// Its namespace; the chosen one if it names none.
    pub namespace: String,
    /// Its content.
    pub spec: Spec,
}

/// A resource of one of the kinds.
#[derive(Debug, Clone, PartialEq)]
pub enum Spec {
    /// An event store.
    EventStore(Box<EventStore>),
    /// An aggregate.
    Aggregate(Box<Aggregate>),
    /// A projector.
    Projector(Box<Projector>),
    /// A saga.
    Saga(Box<Saga>),
    /// A process manager.
    ProcessManager(Box<ProcessManager>),
}

impl Resource {
    /// Reads a resource of one of our kinds; `None` if it belongs to another API group.
    ///
    /// # Errors
    /// Every mistake that shows without another resource.
    pub fn read(value: Value, default_namespace: &str) -> Result<Option<Self>, Vec<Mistake>> {
        let Some(kind) = kind_of(&value).map_err(|mistake| vec![mistake])? else {
            return Ok(None);
        };
        validate(kind, &value)?;
        let namespace = match word(&value, "/metadata/namespace") {
            "" => default_namespace,
            namespace => namespace,
        };
        Ok(Some(Self {
            name: word(&value, "/metadata/name").to_owned(),
            namespace: namespace.to_owned(),
            spec: typed(kind, value).map_err(|mistake| vec![mistake])?,
        }))
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self.spec {
            Spec::EventStore(_) => Kind::EventStore,
            Spec::Aggregate(_) => Kind::Aggregate,
            Spec::Projector(_) => Kind::Projector,
            Spec::Saga(_) => Kind::Saga,
            Spec::ProcessManager(_) => Kind::ProcessManager,
        }
    }

    /// What names it.
    pub fn key(&self) -> Key {
        Key {
            namespace: self.namespace.clone(),
            kind: self.kind(),
            name: self.name.clone(),
        }
    }

    /// The fields that all components share; none for an event store.
    pub fn component(&self) -> Option<&dyn Component> {
        match &self.spec {
            Spec::EventStore(_) => None,
            Spec::Aggregate(spec) => Some(&**spec),
            Spec::Projector(spec) => Some(&**spec),
            Spec::Saga(spec) => Some(&**spec),
            Spec::ProcessManager(spec) => Some(&**spec),
        }
    }

    /// The workload that runs its pods, if somebody else made it.
    pub fn workload(&self) -> Option<WorkloadKey> {
        let reference = self.component()?.component().workload_ref.as_ref()?;
        Some(WorkloadKey {
            namespace: self.namespace.clone(),
            kind: reference.kind,
            name: reference.name.clone(),
        })
    }

    /// The store that it is, or that it works with.
    pub fn store(&self) -> StoreKey {
        let Some(declared) = self.component() else {
            return StoreKey {
                namespace: self.namespace.clone(),
                name: self.name.clone(),
            };
        };
        let reference = &declared.component().event_store_ref;
        let namespace = reference.namespace.as_ref();
        StoreKey {
            namespace: namespace.unwrap_or(&self.namespace).clone(),
            name: reference.name.clone(),
        }
    }

    /// Which version of its spec it holds; `None` where no API server counts them.
    pub fn generation(&self) -> Option<i64> {
        self.metadata().generation
    }

    /// When an API server made it; `None` in a file.
    pub fn created(&self) -> Option<SystemTime> {
        let created = self.metadata().creation_timestamp.as_ref()?;
        Some(created.0.into())
    }

    /// Whether its spec is that of another one.
    pub fn is_like(&self, other: &Self) -> bool {
        match (&self.spec, &other.spec) {
            (Spec::EventStore(own), Spec::EventStore(its)) => own.spec == its.spec,
            (Spec::Aggregate(own), Spec::Aggregate(its)) => own.spec == its.spec,
            (Spec::Projector(own), Spec::Projector(its)) => own.spec == its.spec,
            (Spec::Saga(own), Spec::Saga(its)) => own.spec == its.spec,
            (Spec::ProcessManager(own), Spec::ProcessManager(its)) => own.spec == its.spec,
            _ => false,
        }
    }

    /// What the API server knows of it.
    pub fn metadata(&self) -> &ObjectMeta {
        match &self.spec {
            Spec::EventStore(spec) => &spec.metadata,
            Spec::Aggregate(spec) => &spec.metadata,
            Spec::Projector(spec) => &spec.metadata,
            Spec::Saga(spec) => &spec.metadata,
            Spec::ProcessManager(spec) => &spec.metadata,
        }
    }
}

/// The text at a pointer; empty where there is none.
pub(crate) fn word<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// Which of our kinds a resource is; `None` for another API group.
fn kind_of(value: &Value) -> Result<Option<Kind>, Mistake> {
    let (version, kind) = (word(value, "/apiVersion"), word(value, "/kind"));
    if version.is_empty() || kind.is_empty() {
        let message = format!("has no apiVersion and kind; write {API_VERSION} and a kind");
        return Err(Mistake::new("", message));
    }
    if version.split('/').next() != Some(GROUP) {
        return Ok(None);
    }
    let Some(kind) = Kind::parse(kind) else {
        let kinds = Kind::ALL.map(Kind::as_str).join(", ");
        let message = format!("is not a kind of {GROUP}; write one of {kinds}");
        return Err(Mistake::new("kind", message));
    };
    Ok(Some(kind))
}
/// Finds every mistake in one resource; rules between fields are checked once each field has its shape.
fn validate(kind: Kind, value: &Value) -> Result<(), Vec<Mistake>> {
    let mut mistakes = validate_structure(kind, value);
    if mistakes.is_empty() {
        mistakes = validate_cel(kind, value, None);
    }
    if mistakes.is_empty() {
        return Ok(());
    }
    Err(mistakes)
}
fn typed(kind: Kind, value: Value) -> Result<Spec, Mistake> {
    fn boxed<T: DeserializeOwned>(value: Value) -> Result<Box<T>, Mistake> {
        serde_path_to_error::deserialize(value)
            .map(Box::new)
            .map_err(|error| Mistake::new(error.path().to_string(), error.inner().to_string()))
    }
    Ok(match kind {
        Kind::EventStore => Spec::EventStore(boxed(value)?),
        Kind::Aggregate => Spec::Aggregate(boxed(value)?),
        Kind::Projector => Spec::Projector(boxed(value)?),
        Kind::Saga => Spec::Saga(boxed(value)?),
        Kind::ProcessManager => Spec::ProcessManager(boxed(value)?),
    })
}
