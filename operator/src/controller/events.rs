//! Events: what changed for a person, said once in the resource's own events.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use super::pin::Begin;
use super::reasons::{Reason, Type};
use super::world::Subject;
use crate::model::Key;

/// The longest note that the API server takes, in bytes.
const LONGEST_NOTE: usize = 1024;
/// How many changed fields a note names.
const NAMED_FIELDS: usize = 10;

/// Publishes events.
pub(super) struct Events {
    recorder: Recorder,
}

/// A change that is worth an event.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    is_good: bool,
    reason: String,
    note: String,
}

impl Events {
    /// Publishes through a client, in a name.
    pub(super) fn new(client: Client, controller: String) -> Self {
        let reporter = Reporter {
            controller,
            instance: None,
        };
        Self {
            recorder: Recorder::new(client, reporter),
        }
    }

    /// Publishes what changed between two statuses. An event that cannot be published is not tried again: the conditions say the same.
    pub(super) async fn publish(
        &self,
        key: &Key,
        subject: &Subject,
        (before, after): (&[Condition], &[Condition]),
        begins: Option<&Begin>,
    ) {
        let mut changes = transitions(before, after);
        if let Some(begin) = begins {
            changes.push(rollout(subject.generation, &begin.fields));
        }
        let reference = ObjectReference {
            api_version: Some(angzarr_crds::API_VERSION.to_owned()),
            kind: Some(key.kind.to_string()),
            namespace: Some(key.namespace.clone()),
            name: Some(key.name.clone()),
            uid: Some(subject.uid.clone()),
            ..ObjectReference::default()
        };
        for change in changes {
            let event = change.event(subject.generation);
            if let Err(error) = self.recorder.publish(&event, &reference).await {
                tracing::warn!(error = %error, reason = event.reason, "an event could not be published");
            }
        }
    }
}

impl Change {
    fn event(self, generation: i64) -> Event {
        let mut note = self.note;
        note.truncate(note.floor_char_boundary(LONGEST_NOTE));
        Event {
            type_: if self.is_good {
                EventType::Normal
            } else {
                EventType::Warning
            },
            reason: self.reason,
            note: Some(note),
            // Events that differ in their notes only are counted as one, with the first note; those of two generations are two.
            action: format!("ReconcileGeneration{generation}"),
            secondary: None,
        }
    }
}

/// The changes of the conditions that a person waits for. What is new counts as not ready, not stalled and accepted.
fn transitions(before: &[Condition], after: &[Condition]) -> Vec<Change> {
    let is_true = |conditions: &[Condition], kind: Type, new: bool| {
        let found = conditions.iter().find(|it| it.type_ == kind.as_str());
        found.map_or(new, |it| it.status == "True")
    };
    let mut changes: Vec<Change> = Vec::new();
    for (kind, is_good, new) in [
        (Type::Stalled, false, false),
        (Type::Ready, true, false),
        (Type::Accepted, true, true),
    ] {
        let now = is_true(after, kind, new);
        if now == is_true(before, kind, new) {
            continue;
        }
        let found = after.iter().find(|it| it.type_ == kind.as_str());
        let suspended = || after.iter().find(|it| it.type_ == Type::Suspended.as_str());
        let (reason, note) = match found.or_else(suspended) {
            Some(condition) => (condition.reason.clone(), condition.message.clone()),
            None => (
                "Recovered".to_owned(),
                "it is not stalled any more".to_owned(),
            ),
        };
        let change = Change {
            is_good: now == is_good,
            reason,
            note,
        };
        // An invalid resource is stalled and not accepted for one reason.
        if !changes.contains(&change) {
            changes.push(change);
        }
    }
    changes
}

fn rollout(generation: i64, fields: &[String]) -> Change {
    let named = fields.iter().take(NAMED_FIELDS).cloned();
    let mut named = named.collect::<Vec<_>>().join(", ");
    if fields.len() > NAMED_FIELDS {
        named += ", …";
    }
    let note = if fields.is_empty() {
        format!("generation {generation} is rolled out")
    } else {
        format!("generation {generation} is rolled out; changed: {named}")
    };
    Change {
        is_good: true,
        reason: Reason::RollingOut.as_str().to_owned(),
        note,
    }
}
