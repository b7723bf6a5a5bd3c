//! What is found about one resource, without the others being harmed by it.

use angzarr_config::Mistake;

use crate::model::{Component, Key, Store};

/// What is found about a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The resource.
    pub object: Key,
    /// The version of its spec that was judged; `None` where no API server counts them.
    pub generation: Option<i64>,
    /// What is wrong or missing.
    pub findings: Vec<Finding>,
    /// What it means, unless it is invalid or its store is not known.
    pub resolved: Option<Resolved>,
}

/// Something wrong or missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Of which kind it is.
    pub reason: Reason,
    /// The field; empty is the whole resource.
    pub field: String,
    /// What is wrong and what would be right.
    pub sentence: String,
}

/// A kind of finding, as the conditions of a resource name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A field has a value that cannot work.
    InvalidSpec,
    /// A field asks for something that is not built yet.
    NotYetSupported,
    /// Another Aggregate owns the domain.
    DomainConflict,
    /// Another component names the workload.
    WorkloadConflict,
    /// The EventStore does not exist yet.
    EventStoreNotFound,
    /// The EventStore is not valid.
    EventStoreInvalid,
    /// No Aggregate owns a domain that is read or commanded yet.
    DomainNotFound,
    /// The workload does not exist yet.
    WorkloadNotFound,
    /// The pods of the workload do not ask for the sidecar yet.
    LabelNotFound,
    /// The EventStore does not allow the namespace.
    ReferenceNotPermitted,
    /// Something is in a namespace that the operator does not look at.
    NamespaceNotWatched,
}

/// A valid resource, with its references resolved.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolved {
    /// An EventStore.
    Store(Store),
    /// A component, and its store.
    Component(Box<Component>, Store),
}

impl Reason {
    /// Whether another object can end it: nothing has to be changed in the resource.
    pub fn is_waiting(self) -> bool {
        match self {
            Self::EventStoreNotFound
            | Self::EventStoreInvalid
            | Self::DomainNotFound
            | Self::WorkloadNotFound
            | Self::LabelNotFound => true,
            Self::InvalidSpec
            | Self::NotYetSupported
            | Self::DomainConflict
            | Self::WorkloadConflict
            | Self::ReferenceNotPermitted
            | Self::NamespaceNotWatched => false,
        }
    }

    /// Whether it is about what the resource names, and not about the resource itself.
    pub fn is_of_reference(self) -> bool {
        match self {
            Self::EventStoreNotFound
            | Self::EventStoreInvalid
            | Self::DomainNotFound
            | Self::WorkloadNotFound
            | Self::LabelNotFound
            | Self::ReferenceNotPermitted
            | Self::NamespaceNotWatched => true,
            Self::InvalidSpec
            | Self::NotYetSupported
            | Self::DomainConflict
            | Self::WorkloadConflict => false,
        }
    }
}

impl Verdict {
    /// Adds what was found elsewhere.
    pub fn find(&mut self, finding: Finding) {
        self.findings.push(finding);
        if !self.is_valid() {
            self.resolved = None;
        }
    }

    /// Whether the resource itself is valid, whatever is wrong with what it names.
    pub fn is_valid(&self) -> bool {
        self.findings.iter().all(|it| it.reason.is_of_reference())
    }
}

impl From<Mistake> for Finding {
    fn from(mistake: Mistake) -> Self {
        Self {
            reason: Reason::InvalidSpec,
            field: mistake.path,
            sentence: mistake.message,
        }
    }
}
