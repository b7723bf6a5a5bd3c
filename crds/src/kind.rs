//! Which kinds exist, and what all components have in common for code that treats them alike.

use std::fmt;

use crate::{
    Aggregate, ComponentSpec, ConsumerSpec, ProcessManager, Projector, Saga, Source, StartType,
    Target,
};

/// The API group of every kind.
pub const GROUP: &str = "angzarr.io";
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

    /// Those that run pods.
    pub const COMPONENTS: [Self; 4] = [
        Self::Aggregate,
        Self::Projector,
        Self::Saga,
        Self::ProcessManager,
    ];

    /// Those that read events.
    pub const CONSUMERS: [Self; 3] = [Self::Projector, Self::Saga, Self::ProcessManager];

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

/// What code that treats all kinds with pods alike reads of them.
pub trait Component {
    /// The fields that all four share.
    fn component(&self) -> &ComponentSpec;

    /// The fields of those that read events; `None` for an Aggregate.
    fn consumer(&self) -> Option<&ConsumerSpec> {
        None
    }

    /// The domain whose events it writes; `None` for a Projector and a Saga.
    fn domain(&self) -> Option<&str> {
        None
    }

    /// The domains that it sends commands to; empty for an Aggregate and a Projector.
    fn targets(&self) -> &[Target] {
        &[]
    }

    /// Where it begins to read if `startFrom` is unset: a view wants all history, while a new saga must not send commands over events long past.
    fn default_start(&self) -> StartType {
        StartType::Now
    }

    /// The domains that it reads; empty for an Aggregate.
    fn sources(&self) -> &[Source] {
        self.consumer()
            .map_or(&[], |consumer| consumer.sources.as_slice())
    }
}

impl Component for Aggregate {
    fn component(&self) -> &ComponentSpec {
        &self.spec.component
    }

    fn domain(&self) -> Option<&str> {
        Some(&self.spec.domain)
    }
}

impl Component for Projector {
    fn component(&self) -> &ComponentSpec {
        &self.spec.component
    }

    fn consumer(&self) -> Option<&ConsumerSpec> {
        Some(&self.spec.consumer)
    }

    fn default_start(&self) -> StartType {
        StartType::Beginning
    }
}

impl Component for Saga {
    fn component(&self) -> &ComponentSpec {
        &self.spec.component
    }

    fn consumer(&self) -> Option<&ConsumerSpec> {
        Some(&self.spec.consumer)
    }

    fn targets(&self) -> &[Target] {
        &self.spec.targets
    }
}

impl Component for ProcessManager {
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
}
