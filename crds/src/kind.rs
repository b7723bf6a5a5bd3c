//! Which kinds exist, and what all components have in common for code that treats them alike.

use std::fmt;

use kube::ResourceExt;

use crate::{
    Aggregate, ComponentSpec, ComponentStatus, ConsumerSpec, ProcessManager, Projector, Saga,
    Source, StartType, Target,
};

/// The API group of every kind.
pub const GROUP: &str = "angzarr.io";
/// The version of every kind.
pub const VERSION: &str = "v1alpha1";
/// The value of `apiVersion` in every resource.
pub const API_VERSION: &str = "angzarr.io/v1alpha1";

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Where events live.
    EventStore,
    /// A domain with its logic.
    Aggregate,
    /// Reads events and keeps a view.
    Projector,
    /// Answers events with commands.
    Saga,
    /// A saga with a memory and timers.
    ProcessManager,
}

impl Kind {
    /// All kinds, the store first.
    pub const ALL: [Self; 5] = [
        Self::EventStore,
        Self::Aggregate,
        Self::Projector,
        Self::Saga,
        Self::ProcessManager,
    ];

    /// The kind that a resource's `kind` field names, if it is one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The word in a resource's `kind` field.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EventStore => "EventStore",
            Self::Aggregate => "Aggregate",
            Self::Projector => "Projector",
            Self::Saga => "Saga",
            Self::ProcessManager => "ProcessManager",
        }
    }

    /// The plural, as in `kubectl get` and in the name of the definition.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::EventStore => "eventstores",
            Self::Aggregate => "aggregates",
            Self::Projector => "projectors",
            Self::Saga => "sagas",
            Self::ProcessManager => "processmanagers",
        }
    }

    /// The short name, which also ends the names of children.
    pub const fn short(self) -> &'static str {
        match self {
            Self::EventStore => "evs",
            Self::Aggregate => "agg",
            Self::Projector => "prj",
            Self::Saga => "saga",
            Self::ProcessManager => "pm",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Uniform access to the four kinds that run a pod.
pub trait Component {
    /// Which of the four this is.
    fn kind(&self) -> Kind;

    /// `metadata.name`, empty before the API server or a check has seen to it.
    fn name(&self) -> String;

    /// `metadata.namespace`, where one is written.
    fn namespace(&self) -> Option<String>;

    /// The fields that all four share.
    fn component(&self) -> &ComponentSpec;

    /// The fields of those that read events; `None` for an aggregate.
    fn consumer(&self) -> Option<&ConsumerSpec>;

    /// The domain whose events it writes; `None` for a projector and a saga.
    fn domain(&self) -> Option<&str>;

    /// The domains that it sends commands to; empty for an aggregate and a projector.
    fn targets(&self) -> &[Target];

    /// What was reported about it last.
    fn status(&self) -> Option<&ComponentStatus>;

    /// The domains that it reads, none for an aggregate.
    fn sources(&self) -> &[Source] {
        self.consumer()
            .map_or(&[], |consumer| consumer.sources.as_slice())
    }

    /// Where it begins to read if `startFrom` says nothing: a view wants all history, while a
    /// newly added saga must not send commands over events long past.
    fn default_start(&self) -> StartType {
        match self.kind() {
            Kind::Projector => StartType::Beginning,
            Kind::EventStore | Kind::Aggregate | Kind::Saga | Kind::ProcessManager => {
                StartType::Now
            }
        }
    }
}

impl Component for Aggregate {
    fn kind(&self) -> Kind {
        Kind::Aggregate
    }

    fn name(&self) -> String {
        self.name_any()
    }

    fn namespace(&self) -> Option<String> {
        ResourceExt::namespace(self)
    }

    fn component(&self) -> &ComponentSpec {
        &self.spec.component
    }

    fn consumer(&self) -> Option<&ConsumerSpec> {
        None
    }

    fn domain(&self) -> Option<&str> {
        Some(&self.spec.domain)
    }

    fn targets(&self) -> &[Target] {
        &[]
    }

    fn status(&self) -> Option<&ComponentStatus> {
        self.status.as_ref()
    }
}

impl Component for Projector {
    fn kind(&self) -> Kind {
        Kind::Projector
    }

    fn name(&self) -> String {
        self.name_any()
    }

    fn namespace(&self) -> Option<String> {
        ResourceExt::namespace(self)
    }

    fn component(&self) -> &ComponentSpec {
        &self.spec.component
    }

    fn consumer(&self) -> Option<&ConsumerSpec> {
        Some(&self.spec.consumer)
    }

    fn domain(&self) -> Option<&str> {
        None
    }

    fn targets(&self) -> &[Target] {
        &[]
    }

    fn status(&self) -> Option<&ComponentStatus> {
        self.status.as_ref()
    }
}

impl Component for Saga {
    fn kind(&self) -> Kind {
        Kind::Saga
    }

    fn name(&self) -> String {
        self.name_any()
    }

    fn namespace(&self) -> Option<String> {
        ResourceExt::namespace(self)
    }

    fn component(&self) -> &ComponentSpec {
        &self.spec.component
    }

    fn consumer(&self) -> Option<&ConsumerSpec> {
        Some(&self.spec.consumer)
    }

    fn domain(&self) -> Option<&str> {
        None
    }

    fn targets(&self) -> &[Target] {
        &self.spec.targets
    }

    fn status(&self) -> Option<&ComponentStatus> {
        self.status.as_ref()
    }
}

impl Component for ProcessManager {
    fn kind(&self) -> Kind {
        Kind::ProcessManager
    }

    fn name(&self) -> String {
        self.name_any()
    }

    fn namespace(&self) -> Option<String> {
        ResourceExt::namespace(self)
    }

    fn component(&self) -> &ComponentSpec {
        &self.spec.component
    }

    fn consumer(&self) -> Option<&ConsumerSpec> {
        Some(&self.spec.consumer)
    }

    fn domain(&self) -> Option<&str> {
        Some(&self.spec.domain)
    }

    fn targets(&self) -> &[Target] {
        &self.spec.targets
    }

    fn status(&self) -> Option<&ComponentStatus> {
        self.status.as_ref()
    }
}
