//! The custom resources of Angzarr: types, definitions and checks, without a client.
//!
//! ```text
//!   Rust types with doc comments ── derive ──▶ schema + rules ──▶ crd(kind) ──▶ *.yaml for kubectl
//!        ▲        unbuilt: what does not work yet ┤
//!        │ serde                                  ├─▶ validate_structure(kind, value)   shape, names, bounds
//!   a resource, as JSON ──────────────────────────┴─▶ validate_cel(kind, value, old)    rules between fields
//! ```
//!
//! An API server validates a resource by the schema; the two checks here do the same for files that
//! never reach one. What needs a second resource (does the EventStore exist, has a domain one
//! Aggregate) is left to the operator.

mod aggregate;
mod bus;
mod columns;
mod component;
mod crd;
mod duration;
mod event_store;
mod form;
mod kind;
mod manual;
mod process_manager;
mod projector;
mod quantity;
mod rules;
mod saga;
mod secret;
mod sidecar;
mod source;
mod status;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
mod unbuilt;
mod validate;
mod workload;

pub use aggregate::{
    Aggregate, AggregateSpec, Concurrency, Contract, DescriptorRef, Limits, MergeStrategy,
    Snapshots, Sync, SyncMode, Upcaster,
};
pub use bus::{Bus, BusType, Direct, Kafka, Management, Nats, Rabbitmq};
pub use component::{ComponentSpec, EventStoreRef, Logic, Metadata, Protocol};
pub use crd::{crd, file_name, schema, yaml};
pub use duration::{Duration, DurationError};
pub use event_store::{
    AllowedFrom, AllowedNamespaces, EventStore, EventStoreSpec, Mongodb, Postgres, Redis, Restore,
    SchemaPolicy, SchemaSettings, Sqlite, Storage, StorageType, Tls,
};
pub use form::Form;
pub use kind::{API_VERSION, Component, GROUP, Kind};
pub use manual::manual;
pub use process_manager::{Correlation, CorrelationBy, ProcessManager, ProcessManagerSpec, Timers};
pub use projector::{Projector, ProjectorSpec, Rebuild, RebuildStrategy};
pub use quantity::Quantity;
pub use saga::{Compensation, OnExhausted, Saga, SagaSpec, Timeouts};
pub use secret::{Connection, NamedSecretRef, SecretKeys, SecretRef};
pub use sidecar::{
    LogLevel, Monitoring, Network, NetworkPolicyMode, Otel, OtelProtocol, ServiceSpec, ServiceType,
    Sidecar, UpdatePolicy,
};
pub use source::{Backoff, ConsumerSpec, Delivery, Mode, Source, StartFrom, StartType, Target};
pub use status::{ComponentStatus, EventStoreStatus, UsedBy};
pub use unbuilt::{Accepted, NOT_BUILT, UNBUILT, Unbuilt, refuse_unbuilt};
pub use validate::{Mistake, validate_cel, validate_structure};
pub use workload::{
    AccessMode, Autoscaling, Availability, PodTemplate, Resources, Rollout, Strategy, Switch,
    TopologySpread, Volume, WorkloadKind, WorkloadRef,
};

/// Whether a block equals its default, so that it can be left out.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
