//! How far the Job has come that prepares the tables of a store.

use kube::api::DynamicObject;

use super::child::{ChildKind, Children};
use super::workload::condition;
use crate::model::Key;

/// What a Job's controller reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct JobState {
    pub(super) is_complete: bool,
    /// Why it was given up, if it was.
    pub(super) failure: Option<String>,
}

impl JobState {
    /// Reads the status of an object.
    pub(super) fn read(object: &DynamicObject) -> Self {
        let message = |it: &serde_json::Value| it["message"].as_str().unwrap_or("").to_owned();
        Self {
            is_complete: condition(object, "Complete", "True").is_some(),
            failure: condition(object, "Failed", "True").map(message),
        }
    }
}

impl Children {
    /// The names of the completed Jobs of a resource, which end by themselves.
    pub(super) fn completed_jobs(&self, key: &Key) -> Vec<String> {
        let jobs = self.of(key).filter(|(key, _)| key.kind == ChildKind::Job);
        let completed = jobs.filter(|(_, it)| it.job.as_ref().is_some_and(|job| job.is_complete));
        completed.map(|(key, _)| key.name.clone()).collect()
    }
}
