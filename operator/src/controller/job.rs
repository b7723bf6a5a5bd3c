//! How far the Job has come that prepares the tables of a store.

use kube::api::DynamicObject;

use super::child::{ChildKind, Children};
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
        let condition = |kind: &str| {
            let conditions = object.data["status"]["conditions"].as_array();
            let mut found = conditions.into_iter().flatten();
            found.find(|it| it["type"] == kind && it["status"] == "True")
        };
        let message = |it: &serde_json::Value| it["message"].as_str().unwrap_or("").to_owned();
        Self {
            is_complete: condition("Complete").is_some(),
            failure: condition("Failed").map(message),
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
