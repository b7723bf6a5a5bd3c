//! The conditions of a component, computed from what was found, applied and seen; nothing here asks anybody.

mod store;

use angzarr_crds::{ComponentStatus, Kind};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::answers::Answers;
use super::child::Workload;
use super::manual::Value;
use super::reasons::{Reason, Type};
use super::seen::{Outcome, Seen, Standing};
use super::sentence::{Said, say, shortened};

pub(super) use store::{Tables, store_conditions};

/// The conditions of a component, the most important first.
pub(super) fn conditions(seen: &Seen) -> Vec<Condition> {
    let is_consumer = seen.verdict.object.kind != Kind::Aggregate;
    let mut report = Report::new(seen);
    report.stalled();
    report.reconciling();
    report.ready();
    report.paused();
    report.accepted();
    report.references();
    report.workload();
    if report.has_pods() {
        report.answers(Type::RoutingSynced);
        report.answers(Type::LogicReachable);
        if is_consumer {
            report.answers(Type::CaughtUp);
        }
    }
    report.conditions
}

/// The status of a component, where only its conditions and counts are computed here.
pub(super) fn status(seen: &Seen, before: &ComponentStatus) -> ComponentStatus {
    let mut status = before.clone();
    status.observed_generation = seen.generation;
    status.conditions = conditions(seen);
    if let Outcome::Applied { workload, .. } = &seen.outcome {
        status.replicas = workload.replicas;
        status.pods = Some(format!("{}/{}", workload.ready, workload.wanted));
    }
    if let Some(lag) = Answers(seen.asked).lag() {
        status.lag = Some(lag.to_string());
    }
    status
}

struct Report<'a> {
    seen: &'a Seen<'a>,
    /// What a person has to change.
    wrong: Option<Said>,
    /// What of that is in the resource itself.
    invalid: Option<Said>,
    /// What is wrong with what it names, or not there.
    unresolved: Option<Said>,
    /// What is not there yet.
    missing: Option<Said>,
    conditions: Vec<Condition>,
}

/// The rollout of a component.
enum Rollout<'a> {
    /// There is none to look at.
    Unknown,
    Stopped,
    Stopping,
    Complete,
    Moving(&'a Workload),
    Stuck(&'a Workload, String),
}

impl<'a> Report<'a> {
    fn new(seen: &'a Seen<'a>) -> Self {
        let findings = || seen.verdict.findings.iter();
        // A store serves its own namespace, whatever becomes of others.
        let is_store = seen.verdict.object.kind == Kind::EventStore;
        let (missing, wrong): (Vec<_>, Vec<_>) = findings()
            .filter(|it| !is_store || !it.reason.is_of_reference())
            .partition(|it| it.reason.is_waiting());
        let (unresolved, invalid): (Vec<_>, Vec<_>) =
            findings().partition(|it| it.reason.is_of_reference());
        Self {
            seen,
            wrong: say(&wrong),
            invalid: say(&invalid),
            unresolved: say(&unresolved),
            missing: say(&missing),
            conditions: Vec::new(),
        }
    }

    fn rollout(&self) -> Rollout<'a> {
        let Outcome::Applied {
            workload,
            is_stopped,
            ..
        } = &self.seen.outcome
        else {
            return Rollout::Unknown;
        };
        match (is_stopped, &workload.stuck) {
            (true, _) if workload.replicas == 0 && workload.is_observed => Rollout::Stopped,
            (true, _) => Rollout::Stopping,
            (false, _) if workload.is_complete() => Rollout::Complete,
            (false, Some(message)) if workload.is_observed => {
                Rollout::Stuck(workload, self.trouble().unwrap_or_else(|| message.clone()))
            }
            (false, _) => Rollout::Moving(workload),
        }
    }

    /// What a person would look for first in the pods that are not ready.
    fn trouble(&self) -> Option<String> {
        let pods = self.seen.pods.iter();
        pods.filter(|pod| !pod.is_ready && !pod.is_leaving)
            .find_map(|pod| Some(format!("pod {}: {}", pod.name, pod.trouble.as_ref()?)))
    }

    fn stalled(&mut self) {
        if let Some((reason, sentence)) = self.wrong.clone() {
            return self.add(Type::Stalled, true, reason, sentence);
        }
        if let Outcome::Refused { reason, sentence } = &self.seen.outcome {
            let (reason, sentence) = (*reason, sentence.clone());
            return self.add(Type::Stalled, true, reason, sentence);
        }
        if let Some(sentence) = self.seen.other_store.clone() {
            return self.add(Type::Stalled, true, Reason::StoreIdentityChanged, sentence);
        }
        if self.standing().queued.is_none()
            && let Rollout::Stuck(_, sentence) = self.rollout()
        {
            self.add(
                Type::Stalled,
                true,
                Reason::ProgressDeadlineExceeded,
                sentence,
            );
        }
    }

    fn reconciling(&mut self) {
        if self
            .conditions
            .iter()
            .any(|it| it.type_ == Type::Stalled.as_str())
        {
            return;
        }
        if let Some((reason, sentence)) = self.missing.clone().filter(|_| !self.seen.is_paused) {
            return self.add(Type::Reconciling, true, reason, sentence);
        }
        if let Outcome::Delayed { sentence } = &self.seen.outcome {
            let sentence = sentence.clone();
            return self.add(Type::Reconciling, true, Reason::ApiServerError, sentence);
        }
        if let Some(sentence) = self.standing().queued {
            return self.add(Type::Reconciling, true, Reason::RolloutQueued, sentence);
        }
        let sentence = match self.rollout() {
            Rollout::Moving(workload) => {
                let trouble = workload.failure.clone().or_else(|| self.trouble());
                let Workload {
                    updated,
                    wanted,
                    available,
                    ..
                } = workload;
                let counted =
                    format!("{updated} of {wanted} pods are new, {available} are available");
                match trouble {
                    Some(trouble) => format!("{counted}; {trouble}"),
                    None => counted,
                }
            }
            Rollout::Stopping => "the pods are removed".to_owned(),
            Rollout::Unknown | Rollout::Stopped | Rollout::Complete | Rollout::Stuck(..) => return,
        };
        self.add(Type::Reconciling, true, Reason::RollingOut, sentence);
    }

    fn ready(&mut self) {
        match self.rollout() {
            Rollout::Stopped | Rollout::Stopping => {
                let sentence = "no pods are wanted; stored data is kept";
                self.add(Type::Suspended, true, Reason::Suspended, sentence);
            }
            Rollout::Complete if self.seen.is_paused || self.standing().queued.is_some() => {
                // The newest pods are those of a generation before, except of the first one.
                let before = self.seen.generation.saturating_sub(1).max(1);
                self.add_serving(self.serving_before().unwrap_or(before));
            }
            Rollout::Complete => {
                let generation = self.seen.generation;
                self.add_serving(generation);
            }
            Rollout::Moving(workload) | Rollout::Stuck(workload, _) if workload.ready > 0 => {
                let generation = self.serving_before().unwrap_or(self.seen.generation);
                self.add_serving(generation);
            }
            Rollout::Moving(_) | Rollout::Stuck(..) => {
                let sentence = self.trouble();
                let sentence = sentence.unwrap_or_else(|| "no pod is ready yet".to_owned());
                self.add(Type::Ready, false, Reason::Progressing, sentence);
            }
            Rollout::Unknown => self.unknown_ready(),
        }
    }

    /// Pods of an earlier generation go on serving while the newest one cannot be applied.
    fn unknown_ready(&mut self) {
        let serving = self
            .seen
            .pods
            .iter()
            .any(|pod| pod.is_ready && pod.has_sidecar);
        if let (true, Some(generation)) = (serving, self.serving_before()) {
            return self.add_serving(generation);
        }
        let (reason, sentence) = if self.seen.is_paused {
            (Reason::Paused, "nothing was written while it is paused")
        } else if self.invalid.is_some() {
            (Reason::InvalidSpec, "the resource is not valid")
        } else if self.unresolved.is_some() {
            (
                Reason::WaitingForDependency,
                "something it needs is not there, or may not be used",
            )
        } else {
            (Reason::Progressing, "its objects could not be applied")
        };
        self.add(Type::Ready, false, reason, sentence);
    }

    /// The generation that served when it was looked at last.
    fn serving_before(&self) -> Option<i64> {
        let mut before = self.seen.before.iter();
        let ready = before.find(|it| it.type_ == Type::Ready.as_str() && it.status == "True")?;
        ready.observed_generation
    }

    fn add_serving(&mut self, generation: i64) {
        let pods = self.seen.pods.iter().filter(|pod| pod.is_ready).count();
        let sentence = match pods {
            1 => "1 pod serves".to_owned(),
            pods => format!("{pods} pods serve"),
        };
        self.add(Type::Ready, true, Reason::Serving, sentence);
        if let Some(ready) = self.conditions.last_mut() {
            ready.observed_generation = Some(generation);
        }
    }

    fn paused(&mut self) {
        if self.seen.is_paused {
            let sentence = "nothing is written to its objects until the annotation angzarr.io/paused is removed";
            self.add(Type::Paused, true, Reason::Paused, sentence);
        }
    }

    fn accepted(&mut self) {
        let refused = match &self.seen.outcome {
            Outcome::Refused {
                reason: Reason::InvalidTemplate,
                sentence,
            } => Some((Reason::InvalidTemplate, sentence.clone())),
            Outcome::Refused { .. }
            | Outcome::Delayed { .. }
            | Outcome::Skipped
            | Outcome::Applied { .. } => None,
        };
        match self.invalid.clone().or(refused) {
            Some((reason, sentence)) => self.add(Type::Accepted, false, reason, sentence),
            None => self.add(Type::Accepted, true, Reason::Valid, "the resource is valid"),
        }
    }

    fn references(&mut self) {
        match self.unresolved.clone() {
            Some((reason, sentence)) => {
                self.add(Type::ReferencesResolved, false, reason, sentence);
            }
            None => {
                let sentence = "everything that it names exists";
                self.add(Type::ReferencesResolved, true, Reason::Resolved, sentence);
            }
        }
    }

    fn workload(&mut self) {
        let Outcome::Applied { workload, .. } = &self.seen.outcome else {
            return;
        };
        let Workload {
            wanted, available, ..
        } = workload;
        let sentence = format!("{available} of {wanted} pods are available");
        let is_available = *available > 0 || *wanted == 0;
        let reason = if is_available {
            Reason::PodsAvailable
        } else {
            Reason::PodsUnavailable
        };
        self.add(Type::WorkloadAvailable, is_available, reason, sentence);
        self.up_to_date();
    }

    fn up_to_date(&mut self) {
        let bare = self.seen.pods.iter().find(|pod| !pod.has_sidecar);
        let (is_true, reason, sentence) = match (bare, &self.standing().behind) {
            (Some(pod), _) => {
                let sentence = format!("pod {} has no sidecar; delete it", pod.name);
                (false, Reason::SidecarMissing, sentence)
            }
            (None, Some(behind)) => (false, Reason::SidecarUpdateAvailable, behind.clone()),
            (None, None) => {
                let sentence = "the pods have the sidecar that is declared";
                (true, Reason::UpToDate, sentence.to_owned())
            }
        };
        self.add(Type::WorkloadUpToDate, is_true, reason, sentence);
    }

    /// How its pods stand to what is planned now.
    fn standing(&self) -> Standing {
        match &self.seen.outcome {
            Outcome::Applied { standing, .. } => standing.clone(),
            Outcome::Skipped | Outcome::Refused { .. } | Outcome::Delayed { .. } => {
                Standing::default()
            }
        }
    }

    /// Whether there are pods to be asked, or should be.
    fn has_pods(&self) -> bool {
        match self.rollout() {
            Rollout::Stopped | Rollout::Stopping => false,
            Rollout::Unknown => !self.seen.pods.is_empty(),
            Rollout::Complete | Rollout::Moving(_) | Rollout::Stuck(..) => true,
        }
    }

    /// A condition that sidecars tell; until they were asked it stays as it is.
    fn answers(&mut self, kind: Type) {
        if let Some((value, reason, sentence)) = Answers(self.seen.asked).tell(kind) {
            return self.say(kind, value, reason, sentence);
        }
        let mut before = self.seen.before.iter();
        if let Some(before) = before.find(|it| it.type_ == kind.as_str()) {
            self.conditions.push(Condition {
                observed_generation: Some(self.seen.generation),
                ..before.clone()
            });
        }
    }

    fn add(&mut self, kind: Type, is_true: bool, reason: Reason, sentence: impl Into<String>) {
        let value = if is_true { Value::True } else { Value::False };
        self.say(kind, value, reason, sentence);
    }

    /// A condition keeps the time of its last change.
    fn say(&mut self, kind: Type, value: Value, reason: Reason, sentence: impl Into<String>) {
        debug_assert!(
            reason.entry().seen.contains(&(kind, value)),
            "the manual does not have {reason:?} at {kind:?}"
        );
        let status = value.as_str();
        let mut before = self.seen.before.iter();
        let before = before.find(|it| it.type_ == kind.as_str() && it.status == status);
        self.conditions.push(Condition {
            type_: kind.as_str().to_owned(),
            status: status.to_owned(),
            reason: reason.as_str().to_owned(),
            message: shortened(sentence.into()),
            observed_generation: Some(self.seen.generation),
            last_transition_time: before.map_or_else(
                || self.seen.now.clone(),
                |it| it.last_transition_time.clone(),
            ),
        });
    }
}
