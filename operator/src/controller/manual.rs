//! The manual of the conditions: where each reason is seen, what it means, and what to do about it.

mod stores;

use super::reasons::{Reason, Type};
use stores::{
    MIGRATED, NAMESPACE_NOT_WATCHED, REFERENCE_NOT_PERMITTED, SCHEMA_FAILED, SCHEMA_OUTDATED,
    SCHEMA_PENDING, STORE_IDENTITY_CHANGED, VERIFIED,
};

/// The value of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// What the type says holds.
    True,
    /// It does not hold.
    False,
    /// Nobody can tell.
    Unknown,
}

use Type::{
    Accepted, CaughtUp, LogicReachable, Ready, Reconciling, ReferencesResolved, RoutingSynced,
    Stalled, StorageReachable, WorkloadAvailable, WorkloadUpToDate,
};
use Value::{False, True, Unknown};

/// What is said of a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The conditions that have it, and their values then.
    pub seen: &'static [(Type, Value)],
    /// What it means.
    pub meaning: &'static str,
    /// What to do; `None` where nothing is wrong.
    pub fix: Option<&'static str>,
}

impl Value {
    /// Every value.
    pub(super) const ALL: [Self; 3] = [True, False, Unknown];

    /// The word in the status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }

    /// Reads the word in a status.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value| value.as_str() == word)
    }
}

impl Type {
    /// Whether somebody looks for the cause when a condition of this type has a value.
    pub const fn is_trouble(self, value: Value) -> bool {
        match (self, value) {
            (Self::Stalled | Self::Reconciling, value) => matches!(value, True),
            (Self::Suspended | Self::Paused, _) => false,
            (_, value) => !matches!(value, True),
        }
    }

    /// What it says when it is `True`.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Stalled => "A person has to act. Absent when nobody has to.",
            Self::Reconciling => {
                "Work is left, and goes on by itself. Absent when none is. Never `True` together with Stalled."
            }
            Self::Ready => {
                "At least one pod serves. Its own `observedGeneration` is the generation that serves, so `kubectl wait --for=condition=Ready` waits for the \
                 newest one. Of an EventStore: components can use it. Absent while the component is suspended."
            }
            Self::Suspended => "No pods are wanted. Absent otherwise.",
            Self::Paused => {
                "A person has paused the resource by the annotation `angzarr.io/paused`: its objects stay as they are, and are only looked at. Absent otherwise."
            }
            Self::Accepted => "The resource is valid.",
            Self::ReferencesResolved => {
                "Everything that the resource names exists, and it may use it."
            }
            Self::WorkloadAvailable => "Pods are available, or none are wanted.",
            Self::WorkloadUpToDate => "All pods have the declared sidecar.",
            Self::RoutingSynced => {
                "All ready pods have the routing and the directory of this generation; the operator asks them every 30 s, and more often while one has not."
            }
            Self::LogicReachable => {
                "The logic answers its sidecar, in all ready pods, or in all pods while none is ready."
            }
            Self::CaughtUp => {
                "A consumer is at most 100 events behind. One that was further behind is caught up again at 50. `status.lag` shows the lag by powers of ten."
            }
            Self::StorageReachable => {
                "Of an EventStore: its storage answers the sidecars of all components that were asked."
            }
            Self::SchemaReady => {
                "Of an EventStore: its tables are as the sidecars need them. Absent with SQLite and with `schema.policy: External`, where nothing looks."
            }
        }
    }
}

impl Reason {
    /// What to do about it; `None` where nothing is wrong.
    pub const fn fix(self) -> Option<&'static str> {
        self.entry().fix
    }

    /// What is said of it.
    pub const fn entry(self) -> Entry {
        match self {
            Self::Valid => VALID,
            Self::Resolved => RESOLVED,
            Self::Serving => SERVING,
            Self::Suspended => SUSPENDED,
            Self::Paused => PAUSED,
            Self::QuotaExceeded => QUOTA_EXCEEDED,
            Self::NotPermitted => NOT_PERMITTED,
            Self::EventStoreInvalid => EVENT_STORE_INVALID,
            Self::ApiServerError => API_SERVER_ERROR,
            Self::PodsAvailable => PODS_AVAILABLE,
            Self::UpToDate => UP_TO_DATE,
            Self::InvalidSpec => INVALID_SPEC,
            Self::NotYetSupported => NOT_YET_SUPPORTED,
            Self::DomainConflict => DOMAIN_CONFLICT,
            Self::WorkloadConflict => WORKLOAD_CONFLICT,
            Self::InvalidTemplate => INVALID_TEMPLATE,
            Self::NameTaken => NAME_TAKEN,
            Self::ManagedByAnotherOperator => MANAGED_BY_ANOTHER_OPERATOR,
            Self::ProgressDeadlineExceeded => PROGRESS_DEADLINE_EXCEEDED,
            Self::WaitingForEventStore => WAITING_FOR_EVENT_STORE,
            Self::WaitingForDomain => WAITING_FOR_DOMAIN,
            Self::WaitingForWorkload => WAITING_FOR_WORKLOAD,
            Self::WaitingForLabel => WAITING_FOR_LABEL,
            Self::WaitingForDependency => WAITING_FOR_DEPENDENCY,
            Self::RollingOut => ROLLING_OUT,
            Self::RolloutQueued => ROLLOUT_QUEUED,
            Self::Progressing => PROGRESSING,
            Self::PodsUnavailable => PODS_UNAVAILABLE,
            Self::SidecarUpdateAvailable => SIDECAR_UPDATE_AVAILABLE,
            Self::SidecarMissing => SIDECAR_MISSING,
            Self::Acknowledged => ACKNOWLEDGED,
            Self::Pending => PENDING,
            Self::Unverifiable => UNVERIFIABLE,
            Self::LogicAnswers => LOGIC_ANSWERS,
            Self::LogicUnreachable => LOGIC_UNREACHABLE,
            Self::CaughtUp => CAUGHT_UP,
            Self::Lagging => LAGGING,
            Self::StorageAnswers => STORAGE_ANSWERS,
            Self::StorageUnreachable => STORAGE_UNREACHABLE,
            Self::Migrated => MIGRATED,
            Self::Verified => VERIFIED,
            Self::SchemaPending => SCHEMA_PENDING,
            Self::SchemaOutdated => SCHEMA_OUTDATED,
            Self::SchemaFailed => SCHEMA_FAILED,
            Self::StoreIdentityChanged => STORE_IDENTITY_CHANGED,
            Self::ReferenceNotPermitted => REFERENCE_NOT_PERMITTED,
            Self::NamespaceNotWatched => NAMESPACE_NOT_WATCHED,
        }
    }
}

const VALID: Entry = fine(&[(Accepted, True)], "The resource is valid.");
const RESOLVED: Entry = fine(
    &[(ReferencesResolved, True)],
    "Everything that the resource names exists.",
);
const SERVING: Entry = fine(
    &[(Ready, True)],
    "At least one pod is ready; an EventStore can be used.",
);
const SUSPENDED: Entry = fine(
    &[(Type::Suspended, True)],
    "No pods are wanted, since `suspend` is true or `replicas` is 0. Stored data is kept.",
);
const PAUSED: Entry = trouble(
    &[(Type::Paused, True), (Ready, False)],
    "The annotation `angzarr.io/paused` is `true`, so nothing is written to the objects of the resource, nor is any removed. The status goes on, and so does a deletion.",
    "Remove the annotation: `kubectl annotate KIND/NAME angzarr.io/paused-`.",
);
const QUOTA_EXCEEDED: Entry = trouble(
    &[(Stalled, True)],
    "A ResourceQuota of the namespace leaves no room for an object of the resource. The objects before it were written.",
    "Raise the quota that the message names, or remove something that it counts. The operator tries again by itself.",
);
const NOT_PERMITTED: Entry = trouble(
    &[(Stalled, True)],
    "The role of the operator's ServiceAccount lacks a rule that an object of the resource needs.",
    "Add the rule that the message names, or upgrade the chart `angzarr-operator`, which has the rules of its version. The operator tries again by itself.",
);
const EVENT_STORE_INVALID: Entry = trouble(
    &[(Reconciling, True), (ReferencesResolved, False)],
    "The EventStore that `eventStoreRef` names is not valid. Running pods go on.",
    "See the condition Accepted of the EventStore.",
);
const API_SERVER_ERROR: Entry = trouble(
    &[(Reconciling, True)],
    "An object could not be read or written several times in a row, for a reason outside of the resource, such as a webhook that fails. The operator goes on trying, at least once a minute.",
    "Look for the cause that the message names. If it speaks of a webhook, look at the workload that serves it.",
);
const PODS_AVAILABLE: Entry = fine(
    &[(WorkloadAvailable, True)],
    "At least one pod is available, or none is wanted.",
);
const UP_TO_DATE: Entry = fine(
    &[(WorkloadUpToDate, True)],
    "All pods have the declared sidecar.",
);
const INVALID_SPEC: Entry = trouble(
    &[(Stalled, True), (Accepted, False), (Ready, False)],
    "A field has a value that cannot work. Pods of an earlier generation go on; nothing of this one is applied.",
    "Change the field that the message names as it says, and apply the resource again.",
);
const NOT_YET_SUPPORTED: Entry = trouble(
    &[(Stalled, True), (Accepted, False)],
    "A field asks for something that is not built yet.",
    "Leave out the field that the message names, or write one of the values that it lists.",
);
const DOMAIN_CONFLICT: Entry = trouble(
    &[(Stalled, True), (Accepted, False)],
    "Another Aggregate of the EventStore owns the domain. The older one keeps it.",
    "Give this Aggregate another `domain`, or delete the owner that the message names.",
);
const WORKLOAD_CONFLICT: Entry = trouble(
    &[(Stalled, True), (Accepted, False)],
    "Another component names the workload of `workloadRef`. The older one keeps it.",
    "Give this component another workload, or delete the component that the message names.",
);
const INVALID_TEMPLATE: Entry = trouble(
    &[(Stalled, True), (Accepted, False)],
    "The API server refuses an object that the resource leads to. It was asked before anything of this generation was applied.",
    "Change the field of `template` or `workloadRef` that the message names. If the message speaks of a policy, a quota or a permission, ask whoever administers it.",
);
const NAME_TAKEN: Entry = trouble(
    &[(Stalled, True)],
    "An object of somebody else has the name of an object of this resource; it is not touched.",
    "Remove or rename the object that the message names, or give the resource another name.",
);
const MANAGED_BY_ANOTHER_OPERATOR: Entry = trouble(
    &[(Stalled, True)],
    "The resource belongs to this installation of the operator, and an object of it to another one, as the label `angzarr.io/instance` says; without it that is `angzarr`. Nothing is touched.",
    "Give the resource its label back, or hand its objects over: set the same label on all of them (`kubectl label`), or take it away for `angzarr`.",
);
const PROGRESS_DEADLINE_EXCEEDED: Entry = trouble(
    &[(Stalled, True)],
    "The new pods made no progress for longer than `rollout.progressDeadlineSeconds`. Old pods go on, and the rollout ends by itself if the cause goes.",
    "Read in the message why a pod does not become ready, look at it with `kubectl describe pod` and `kubectl logs`, then change the template.",
);
const WAITING_FOR_EVENT_STORE: Entry = trouble(
    &[(Reconciling, True), (ReferencesResolved, False)],
    "The EventStore that `eventStoreRef` names does not exist. Running pods go on.",
    "Apply the EventStore, or correct `eventStoreRef`.",
);
const WAITING_FOR_DOMAIN: Entry = trouble(
    &[(Reconciling, True), (ReferencesResolved, False)],
    "No Aggregate of the EventStore owns a domain that is read or commanded. The other domains work.",
    "Apply the Aggregate of the domain that the message names, or correct `sources` or `targets`.",
);
const WAITING_FOR_WORKLOAD: Entry = trouble(
    &[(Reconciling, True), (ReferencesResolved, False)],
    "The workload that `workloadRef` names does not exist. What its pods will get is there already.",
    "Apply the workload, or correct `workloadRef`.",
);
const WAITING_FOR_LABEL: Entry = trouble(
    &[(Reconciling, True), (ReferencesResolved, False)],
    "The pods of the workload do not ask for the sidecar of this component.",
    "Add the label that the message names to the labels of the pod template of the workload.",
);
const WAITING_FOR_DEPENDENCY: Entry = trouble(
    &[(Ready, False)],
    "Nothing serves, since something that the resource names is not there.",
    "See the condition ReferencesResolved.",
);
const ROLLING_OUT: Entry = trouble(
    &[(Reconciling, True)],
    "Pods are replaced, added or removed.",
    "Wait. If it takes long, the message says what is in the way of the pods, such as a quota or an image that cannot be pulled.",
);
const ROLLOUT_QUEUED: Entry = trouble(
    &[(Reconciling, True)],
    "As many components as `maxConcurrentRollouts` of the operator's chart allows have their pods replaced. This one keeps its pods until one of them is done or stuck; the longest wait ends first. Everything but its pods is up to date.",
    "Wait, or raise `maxConcurrentRollouts`.",
);
const PROGRESSING: Entry = trouble(
    &[(Ready, False)],
    "No pod is ready yet, or the objects could not be applied.",
    "Wait. If it takes long, see the condition Stalled or Reconciling.",
);
const PODS_UNAVAILABLE: Entry = trouble(
    &[(WorkloadAvailable, False)],
    "No pod is available.",
    "Look at the pods with `kubectl describe pod`; the condition Reconciling or Stalled says what is in their way.",
);
const SIDECAR_UPDATE_AVAILABLE: Entry = trouble(
    &[(WorkloadUpToDate, False)],
    "The operator that runs would plan the pods otherwise, mostly with another image of the sidecar, and `sidecar.updatePolicy` is NextRollout, so it does not replace them. The plan that they have is kept in a ControllerRevision.",
    "Nothing has to be done: the next change of the pods takes it. To take it now, set `sidecar.updatePolicy` to Immediate; `kubectl rollout restart` replaces the pods by the same.",
);
const SIDECAR_MISSING: Entry = trouble(
    &[(WorkloadUpToDate, False)],
    "A pod has the labels of the component and no sidecar, so no command and no event reaches it.",
    "Delete the pod that the message names. If something makes it again, take our labels away there; if it has the label `angzarr.io/inject`, install the chart with a value of `injection` other than `none`.",
);

const ACKNOWLEDGED: Entry = fine(
    &[(RoutingSynced, True)],
    "All ready pods have the routing of this generation.",
);
const PENDING: Entry = trouble(
    &[(RoutingSynced, False)],
    "A ready pod does not have the routing of this generation yet; it works with an earlier one.",
    "Wait, since a node brings a changed ConfigMap to its pods within two minutes. If the message has an error of a pod, the versions of sidecar and operator do not fit; use the same.",
);
const UNVERIFIABLE: Entry = trouble(
    &[
        (RoutingSynced, Unknown),
        (LogicReachable, Unknown),
        (CaughtUp, Unknown),
        (StorageReachable, Unknown),
    ],
    "No sidecar that could tell answers the operator; commands and events may flow nevertheless.",
    "See whether a pod is ready, and whether a NetworkPolicy keeps the operator from port 9090 of the pods.",
);
const LOGIC_ANSWERS: Entry = fine(
    &[(LogicReachable, True)],
    "The logic answers the sidecar in its pod.",
);
const LOGIC_UNREACHABLE: Entry = trouble(
    &[(LogicReachable, False)],
    "The logic of a pod does not answer its sidecar; the pod takes no commands and its events wait.",
    "Read the logs of the logic's container, and check that it listens on the port in `logic.port`.",
);
const CAUGHT_UP: Entry = fine(&[(CaughtUp, True)], "The consumer is not far behind.");
const LAGGING: Entry = trouble(
    &[(CaughtUp, False)],
    "The consumer is more than 100 events behind a source.",
    "Wait if it is new or was away. If the lag grows, look at `angzarr-sidecar parked` in the pod and at how long the logic takes.",
);
const STORAGE_ANSWERS: Entry = fine(
    &[(StorageReachable, True)],
    "The storage answers the sidecars.",
);
const STORAGE_UNREACHABLE: Entry = trouble(
    &[(StorageReachable, False)],
    "The storage does not answer the sidecar that the message names; its commands return UNAVAILABLE.",
    "Check that the server of the storage runs and can be reached from that pod, and that the Secret of the connection is right.",
);

const fn fine(seen: &'static [(Type, Value)], meaning: &'static str) -> Entry {
    Entry {
        seen,
        meaning,
        fix: None,
    }
}

const fn trouble(
    seen: &'static [(Type, Value)],
    meaning: &'static str,
    fix: &'static str,
) -> Entry {
    Entry {
        seen,
        meaning,
        fix: Some(fix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_wrong_has_a_fix_and_nothing_else_has() {
        for reason in Reason::ALL {
            let Entry { seen, meaning, fix } = reason.entry();
            let is_wrong = seen.iter().any(|(kind, value)| kind.is_trouble(*value));
            assert_eq!(fix.is_some(), is_wrong, "{reason:?}");
            for sentence in [Some(meaning), fix].into_iter().flatten() {
                assert!(
                    sentence.ends_with('.') && !sentence.contains('|'),
                    "{reason:?}"
                );
            }
        }
    }
}
