//! The types of conditions and their reasons, each word once.

use crate::validate;

/// A type of condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// A person has to act.
    Stalled,
    /// Work is left.
    Reconciling,
    /// It serves; its own observedGeneration is the generation that does.
    Ready,
    /// No pods are wanted.
    Suspended,
    /// Nothing is written to its objects.
    Paused,
    /// The resource is valid.
    Accepted,
    /// Everything that it names exists.
    ReferencesResolved,
    /// Pods are available.
    WorkloadAvailable,
    /// The pods have the declared sidecar.
    WorkloadUpToDate,
    /// All ready pods have the routing that was applied.
    RoutingSynced,
    /// The logic answers its sidecar.
    LogicReachable,
    /// The consumer is not far behind.
    CaughtUp,
    /// The storage answers the sidecars.
    StorageReachable,
    /// The tables can be used.
    SchemaReady,
}

impl Type {
    /// Every type, the most important first.
    pub const ALL: [Self; 14] = [
        Self::Stalled,
        Self::Reconciling,
        Self::Ready,
        Self::Suspended,
        Self::Paused,
        Self::Accepted,
        Self::ReferencesResolved,
        Self::WorkloadAvailable,
        Self::WorkloadUpToDate,
        Self::RoutingSynced,
        Self::LogicReachable,
        Self::CaughtUp,
        Self::StorageReachable,
        Self::SchemaReady,
    ];

    /// The word in the status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stalled => "Stalled",
            Self::Reconciling => "Reconciling",
            Self::Ready => "Ready",
            Self::Suspended => "Suspended",
            Self::Paused => "Paused",
            Self::Accepted => "Accepted",
            Self::ReferencesResolved => "ReferencesResolved",
            Self::WorkloadAvailable => "WorkloadAvailable",
            Self::WorkloadUpToDate => "WorkloadUpToDate",
            Self::RoutingSynced => "RoutingSynced",
            Self::LogicReachable => "LogicReachable",
            Self::CaughtUp => "CaughtUp",
            Self::StorageReachable => "StorageReachable",
            Self::SchemaReady => "SchemaReady",
        }
    }
}

/// Why a condition has its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The resource is valid.
    Valid,
    /// A field has a value that cannot work.
    InvalidSpec,
    /// A field asks for something that is not built yet.
    NotYetSupported,
    /// Another Aggregate of the EventStore owns the domain.
    DomainConflict,
    /// Another component has the workload.
    WorkloadConflict,
    /// The API server refuses an object that the resource leads to.
    InvalidTemplate,
    /// An object of another owner has the name of a child.
    NameTaken,
    /// The objects of the resource belong to another installation.
    ManagedByAnotherOperator,
    /// A quota leaves no room for an object.
    QuotaExceeded,
    /// The operator's role lacks a rule.
    NotPermitted,
    /// Everything that the resource names exists.
    Resolved,
    /// The EventStore does not exist.
    WaitingForEventStore,
    /// The EventStore is not valid.
    EventStoreInvalid,
    /// No Aggregate owns a domain that is read or commanded.
    WaitingForDomain,
    /// The workload does not exist.
    WaitingForWorkload,
    /// The pods of the workload do not ask for the sidecar.
    WaitingForLabel,
    /// Something that the resource names is not there.
    WaitingForDependency,
    /// An object could not be applied several times in a row.
    ApiServerError,
    /// Pods are replaced, added or removed.
    RollingOut,
    /// Pods are replaced when it is their turn.
    RolloutQueued,
    /// The rollout made no progress for longer than its deadline.
    ProgressDeadlineExceeded,
    /// At least one pod is ready.
    Serving,
    /// No pod is ready yet.
    Progressing,
    /// No pods are wanted.
    Suspended,
    /// A person has stopped all writes.
    Paused,
    /// At least one pod is available, or none is wanted.
    PodsAvailable,
    /// No pod is available.
    PodsUnavailable,
    /// All pods have the sidecar.
    UpToDate,
    /// This operator would plan the pods otherwise.
    SidecarUpdateAvailable,
    /// A pod has no sidecar.
    SidecarMissing,
    /// All ready pods have the routing.
    Acknowledged,
    /// A ready pod does not have the routing yet.
    Pending,
    /// Nobody who could tell answers.
    Unverifiable,
    /// The logic answers its sidecar.
    LogicAnswers,
    /// The logic does not answer its sidecar.
    LogicUnreachable,
    /// The consumer is not far behind.
    CaughtUp,
    /// The consumer is far behind.
    Lagging,
    /// The storage answers the sidecars.
    StorageAnswers,
    /// The storage does not answer a sidecar.
    StorageUnreachable,
    /// The tables are made or migrated.
    Migrated,
    /// The tables were checked.
    Verified,
    /// The Job that prepares the tables has not ended.
    SchemaPending,
    /// The tables are missing or too old, and the operator may not change them.
    SchemaOutdated,
    /// The tables could not be prepared.
    SchemaFailed,
    /// There is another store than the expected one.
    StoreIdentityChanged,
    /// The EventStore does not allow the namespace.
    ReferenceNotPermitted,
    /// Something is in a namespace that the operator does not look at.
    NamespaceNotWatched,
}

impl Reason {
    /// Every reason, for documentation and its test.
    pub const ALL: [Self; 47] = [
        Self::Valid,
        Self::InvalidSpec,
        Self::NotYetSupported,
        Self::DomainConflict,
        Self::WorkloadConflict,
        Self::InvalidTemplate,
        Self::NameTaken,
        Self::ManagedByAnotherOperator,
        Self::QuotaExceeded,
        Self::NotPermitted,
        Self::Resolved,
        Self::WaitingForEventStore,
        Self::EventStoreInvalid,
        Self::WaitingForDomain,
        Self::WaitingForWorkload,
        Self::WaitingForLabel,
        Self::WaitingForDependency,
        Self::ApiServerError,
        Self::RollingOut,
        Self::RolloutQueued,
        Self::ProgressDeadlineExceeded,
        Self::Serving,
        Self::Progressing,
        Self::Suspended,
        Self::Paused,
        Self::PodsAvailable,
        Self::PodsUnavailable,
        Self::UpToDate,
        Self::SidecarUpdateAvailable,
        Self::SidecarMissing,
        Self::Acknowledged,
        Self::Pending,
        Self::Unverifiable,
        Self::LogicAnswers,
        Self::LogicUnreachable,
        Self::CaughtUp,
        Self::Lagging,
        Self::StorageAnswers,
        Self::StorageUnreachable,
        Self::Migrated,
        Self::Verified,
        Self::SchemaPending,
        Self::SchemaOutdated,
        Self::SchemaFailed,
        Self::StoreIdentityChanged,
        Self::ReferenceNotPermitted,
        Self::NamespaceNotWatched,
    ];

    /// The word in the status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "Valid",
            Self::InvalidSpec => "InvalidSpec",
            Self::NotYetSupported => "NotYetSupported",
            Self::DomainConflict => "DomainConflict",
            Self::WorkloadConflict => "WorkloadConflict",
            Self::InvalidTemplate => "InvalidTemplate",
            Self::NameTaken => "NameTaken",
            Self::ManagedByAnotherOperator => "ManagedByAnotherOperator",
            Self::QuotaExceeded => "QuotaExceeded",
            Self::NotPermitted => "NotPermitted",
            Self::Resolved => "Resolved",
            Self::EventStoreInvalid => "EventStoreInvalid",
            Self::ApiServerError => "ApiServerError",
            Self::WaitingForEventStore => "WaitingForEventStore",
            Self::WaitingForDomain => "WaitingForDomain",
            Self::WaitingForWorkload => "WaitingForWorkload",
            Self::WaitingForLabel => "WaitingForLabel",
            Self::WaitingForDependency => "WaitingForDependency",
            Self::RollingOut => "RollingOut",
            Self::RolloutQueued => "RolloutQueued",
            Self::ProgressDeadlineExceeded => "ProgressDeadlineExceeded",
            Self::Serving => "Serving",
            Self::Progressing => "Progressing",
            Self::Suspended => "Suspended",
            Self::Paused => "Paused",
            Self::PodsAvailable => "PodsAvailable",
            Self::PodsUnavailable => "PodsUnavailable",
            Self::UpToDate => "UpToDate",
            Self::SidecarUpdateAvailable => "SidecarUpdateAvailable",
            Self::SidecarMissing => "SidecarMissing",
            Self::Acknowledged => "Acknowledged",
            Self::Pending => "Pending",
            Self::Unverifiable => "Unverifiable",
            Self::LogicAnswers => "LogicAnswers",
            Self::LogicUnreachable => "LogicUnreachable",
            Self::CaughtUp => "CaughtUp",
            Self::Lagging => "Lagging",
            Self::StorageAnswers => "StorageAnswers",
            Self::StorageUnreachable => "StorageUnreachable",
            Self::Migrated => "Migrated",
            Self::Verified => "Verified",
            Self::SchemaPending => "SchemaPending",
            Self::SchemaOutdated => "SchemaOutdated",
            Self::SchemaFailed => "SchemaFailed",
            Self::StoreIdentityChanged => "StoreIdentityChanged",
            Self::ReferenceNotPermitted => "ReferenceNotPermitted",
            Self::NamespaceNotWatched => "NamespaceNotWatched",
        }
    }
}

impl From<validate::Reason> for Reason {
    fn from(reason: validate::Reason) -> Self {
        match reason {
            validate::Reason::InvalidSpec => Self::InvalidSpec,
            validate::Reason::NotYetSupported => Self::NotYetSupported,
            validate::Reason::DomainConflict => Self::DomainConflict,
            validate::Reason::EventStoreInvalid => Self::EventStoreInvalid,
            validate::Reason::WorkloadConflict => Self::WorkloadConflict,
            validate::Reason::WorkloadNotFound => Self::WaitingForWorkload,
            validate::Reason::LabelNotFound => Self::WaitingForLabel,
            validate::Reason::EventStoreNotFound => Self::WaitingForEventStore,
            validate::Reason::DomainNotFound => Self::WaitingForDomain,
            validate::Reason::ReferenceNotPermitted => Self::ReferenceNotPermitted,
            validate::Reason::NamespaceNotWatched => Self::NamespaceNotWatched,
        }
    }
}
