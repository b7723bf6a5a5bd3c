//! What a report is made of.

use std::num::NonZeroUsize;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::child::Workload;
use super::look::Asked;
use super::pod::Pod;
use super::reasons::Reason;
use crate::validate::Verdict;

/// What a report is made of.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    /// The generation that was reconciled.
    pub(super) generation: i64,
    /// What was found in the resource and its references.
    pub(super) verdict: &'a Verdict,
    /// Whether nothing is written to its objects.
    pub(super) is_paused: bool,
    /// What became of its objects.
    pub(super) outcome: Outcome,
    /// Its pods.
    pub(super) pods: &'a [Pod],
    /// What its sidecars said, those of all users for a store.
    pub(super) asked: &'a [Asked],
    /// What is wrong with a store that is not the expected one.
    pub(super) other_store: Option<String>,
    /// The conditions as they are.
    pub(super) before: &'a [Condition],
    /// The time of a change.
    pub(super) now: Time,
}

/// What became of the objects of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing was applied: the resource is invalid, or its store is not known.
    Skipped,
    /// An object could not be applied, and a person has to act.
    Refused { reason: Reason, sentence: String },
    /// An object could not be applied again and again; it is tried further.
    Delayed { sentence: String },
    /// All were applied, or nothing is written and they are there.
    Applied {
        /// What the workload's controller reports.
        workload: Workload,
        /// Whether no pods are declared.
        is_stopped: bool,
        /// How its pods stand to what is planned now.
        standing: Standing,
    },
}

impl Outcome {
    /// The same with pods that stand so to what is planned now.
    pub(super) fn with(mut self, how: Standing) -> Self {
        if let Self::Applied { standing, .. } = &mut self {
            *standing = how;
        }
        self
    }
}

/// How pods stand to what is planned now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Why their rollout has not begun.
    pub(super) queued: Option<String>,
    /// What this operator would give them, and nobody asked for.
    pub(super) behind: Option<String>,
}

impl Standing {
    /// They lack something, or nothing.
    pub(super) fn behind(behind: Option<String>) -> Self {
        Self {
            queued: None,
            behind,
        }
    }

    /// They are replaced later.
    pub(super) fn queued(most: NonZeroUsize) -> Self {
        let sentence = format!(
            "its pods are replaced when it is its turn; not more than {most} at a time are rolled out"
        );
        Self {
            queued: Some(sentence),
            behind: None,
        }
    }
}
