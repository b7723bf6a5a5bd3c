//! What the controller of a Deployment reports.

use kube::api::DynamicObject;
use serde_json::Value;

/// What a Deployment's controller reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Workload {
    /// How many pods are wanted.
    pub(super) wanted: i32,
    /// Whether the report is about the newest template.
    pub(super) is_observed: bool,
    pub(super) replicas: i32,
    pub(super) updated: i32,
    pub(super) ready: i32,
    pub(super) available: i32,
    /// Why the rollout is stuck, once its deadline has passed.
    pub(super) stuck: Option<String>,
    /// Why pods cannot be made, such as a quota.
    pub(super) failure: Option<String>,
    /// Whether the newest template was rolled out once, whatever became of its pods since.
    pub(super) is_rolled_out: bool,
    /// Whether a person has paused it.
    pub(super) is_paused: bool,
}

impl Workload {
    pub(super) fn read(object: &DynamicObject) -> Self {
        let (spec, status) = (&object.data["spec"], &object.data["status"]);
        let count = |field: &str| {
            let number = status[field].as_i64().unwrap_or(0);
            i32::try_from(number).unwrap_or(i32::MAX)
        };
        let message = |kind: &str, value: &str| {
            let message = condition(object, kind, value)?["message"].as_str()?;
            Some(message.to_owned())
        };
        let wanted = spec["replicas"].as_i64().unwrap_or(1);
        Self {
            wanted: i32::try_from(wanted).unwrap_or(i32::MAX),
            is_observed: status["observedGeneration"].as_i64() >= object.metadata.generation,
            replicas: count("replicas"),
            updated: count("updatedReplicas"),
            ready: count("readyReplicas"),
            available: count("availableReplicas"),
            stuck: message("Progressing", "False"),
            failure: message("ReplicaFailure", "True"),
            is_rolled_out: has_rolled_out(status),
            is_paused: spec["paused"] == true,
        }
    }

    /// Whether all wanted pods are of the newest template, and available.
    pub(super) fn is_complete(&self) -> bool {
        self.is_observed
            && self.replicas == self.wanted
            && self.updated == self.wanted
            && self.available == self.wanted
    }

    /// Whether a rollout of it need not be waited for: it is over, it is stuck, or nothing moves it on.
    pub(super) fn is_settled(&self) -> bool {
        let is_still = self.stuck.is_some() || self.is_paused || self.wanted == 0;
        self.is_complete() || self.is_observed && is_still
    }

    /// Whether pods of another template are being replaced, as far as the report tells without the history.
    pub(super) fn is_replacing(&self) -> bool {
        !self.is_settled() && (!self.is_rolled_out || self.updated < self.replicas)
    }
}

/// A condition of an object that has a value.
pub(super) fn condition<'a>(
    object: &'a DynamicObject,
    kind: &str,
    value: &str,
) -> Option<&'a Value> {
    let conditions = object.data["status"]["conditions"].as_array();
    let mut found = conditions.into_iter().flatten();
    found.find(|it| it["type"] == kind && it["status"] == value)
}

/// Its controller says this of the newest template from the end of its first rollout on.
fn has_rolled_out(status: &Value) -> bool {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.any(|it| it["type"] == "Progressing" && it["reason"] == "NewReplicaSetAvailable")
}
