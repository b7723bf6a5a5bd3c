//! Resources that were found valid, with everything that they name resolved.

use std::collections::BTreeMap;
use std::time::Duration;

use angzarr_config::boot::{Mode, Source, Start};
use angzarr_crds::Kind;

/// What a set of resources declares.
#[derive(Debug, Clone, PartialEq)]
pub struct System {
    /// The components, in the order of their keys.
    pub components: BTreeMap<Key, Component>,
}

/// Names a component.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

impl Key {
    /// The base name of everything that belongs to the component: an aggregate and a saga may share a name.
    pub fn base_name(&self) -> String {
        format!("{}-{}", self.name, self.kind.short())
    }
}

/// Names an EventStore.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A component.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    /// Where its events live and come from.
    pub store: StoreKey,
    /// What it does.
    pub role: Role,
    /// The image of its logic's container.
    pub image: String,
    /// How events are delivered to it, as far as its resource says.
    pub delivery: Delivery,
    /// What its resource allows, as far as it says.
    pub limits: Limits,
}

/// What a component does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// It takes the commands of a domain.
    Aggregate {
        /// The domain.
        domain: String,
        /// The version of its snapshots.
        snapshot_version: u32,
    },
    /// It makes a view.
    Projector {
        /// Which rpc of its logic is called.
        mode: Mode,
        /// What it reads.
        reads: Reads,
    },
    /// It sends commands.
    Saga {
        /// What it reads.
        reads: Reads,
    },
}

/// What a consumer reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reads {
    /// The domains.
    pub sources: Vec<Source>,
    /// Where it starts.
    pub start: Start,
}

/// Delivery settings that a resource may leave to the defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivery {
    /// Attempts before a root is parked.
    pub max_attempts: Option<u32>,
    /// The first and the longest pause.
    pub backoff: Option<(Duration, Duration)>,
    /// How long a call may take.
    pub timeout: Option<Duration>,
}

/// Limits that a resource may leave to the defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// How long the synchronous stage may take.
    pub sync: Option<Duration>,
}
