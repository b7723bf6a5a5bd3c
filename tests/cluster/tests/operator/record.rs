//! Everything that the status of the resources of a namespace ever says, checked by the rules that readers of it rely on.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex};

use angzarr_cluster::until;
use angzarr_crds::{GROUP, Kind};
use angzarr_operator::controller::{Reason, Type, Value as State};
use futures::StreamExt;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde_json::Value;
use tokio::task::JoinSet;

use super::lake::Lake;

/// A condition without its words.
pub(crate) type Said = (Type, State, Reason);

/// A record of a namespace, kept until it is dropped.
pub(crate) struct Record {
    kept: Arc<Mutex<Kept>>,
    _watches: JoinSet<()>,
}

#[derive(Default)]
struct Kept {
    latest: BTreeMap<String, DynamicObject>,
    said: BTreeSet<Said>,
    broken: Vec<String>,
}

impl Record {
    /// Begins a record.
    pub(crate) fn of(lake: &Lake) -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let mut watches = JoinSet::new();
        for kind in Kind::ALL {
            let (client, namespace) = (lake.client.clone(), lake.namespace.clone());
            watches.spawn(watch(client, namespace, kind, Arc::clone(&kept)));
        }
        Self {
            kept,
            _watches: watches,
        }
    }

    /// The newest look of an object, named by short kind and name.
    pub(crate) fn object(&self, name: &str) -> Option<DynamicObject> {
        self.kept.lock().unwrap().latest.get(name).cloned()
    }

    /// Waits for a condition that passes; returns it.
    pub(crate) async fn condition(
        &self,
        object: &str,
        kind: Type,
        passes: impl Fn(&Value) -> bool,
    ) -> Value {
        until(&format!("{object} {}", kind.as_str()), async || {
            let found = self.object(object).ok_or("it is not there")?;
            let status = &found.data["status"];
            let conditions = status["conditions"].as_array();
            let mut found = conditions.into_iter().flatten();
            let found = found.find(|it| it["type"] == kind.as_str() && passes(it));
            found.cloned().ok_or_else(|| status.to_string())
        })
        .await
    }

    /// Waits for a reason of a condition.
    pub(crate) async fn reason(&self, object: &str, kind: Type, reason: Reason) -> Value {
        self.condition(object, kind, |it| it["reason"] == reason.as_str())
            .await
    }

    /// Waits until a condition is not there.
    pub(crate) async fn lacks(&self, object: &str, kind: Type) {
        until(&format!("{object} without {}", kind.as_str()), async || {
            let found = self.object(object).ok_or("it is not there")?;
            let status = &found.data["status"];
            let mut conditions = status["conditions"].as_array().into_iter().flatten();
            if conditions.any(|it| it["type"] == kind.as_str()) {
                return Err(status.to_string());
            }
            Ok(())
        })
        .await;
    }

    /// Waits until each of these was said.
    ///
    /// # Panics
    /// When one is not, or when a status broke a rule.
    pub(crate) async fn has_said(&self, all: &BTreeSet<Said>) {
        until("the conditions", async || {
            let kept = self.kept.lock().unwrap();
            let missing: Vec<_> = all.difference(&kept.said).collect();
            if missing.is_empty() {
                return Ok(());
            }
            Err(format!("{missing:?} were never said"))
        })
        .await;
        let kept = self.kept.lock().unwrap();
        assert!(kept.broken.is_empty(), "{:#?}", kept.broken);
    }
}

async fn watch(client: Client, namespace: String, kind: Kind, kept: Arc<Mutex<Kept>>) {
    let gvk = GroupVersionKind::gvk(GROUP, "v1alpha1", kind.as_str());
    let resource = ApiResource::from_gvk_with_plural(&gvk, kind.plural());
    let objects: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &resource);
    let seen = watcher(objects, watcher::Config::default()).default_backoff();
    let mut seen = pin!(seen.applied_objects());
    while let Some(object) = seen.next().await {
        let Ok(object) = object else { continue };
        let name = format!("{}/{}", kind.short(), object.name_any());
        let mut kept = kept.lock().unwrap();
        match read(&object) {
            Ok(said) => kept.said.extend(said),
            Err(rule) => kept
                .broken
                .push(format!("{name}: {rule}: {}", object.data["status"])),
        }
        kept.latest.insert(name, object);
    }
}

/// What a status says, or the rule that it breaks.
fn read(object: &DynamicObject) -> Result<BTreeSet<Said>, String> {
    let status = &object.data["status"];
    let generation = status["observedGeneration"].as_i64().unwrap_or(-1);
    if generation < 0 {
        return Ok(BTreeSet::new());
    }
    if Some(generation) > object.metadata.generation {
        return Err("observes a generation that is not there yet".to_owned());
    }
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let mut said = BTreeSet::new();
    for condition in conditions {
        let word = |field: &str| condition[field].as_str().unwrap_or_default();
        let known = Type::ALL.into_iter().find(|it| it.as_str() == word("type"));
        let reason = Reason::ALL
            .into_iter()
            .find(|it| it.as_str() == word("reason"));
        let (Some(kind), Some(state), Some(reason)) = (known, State::parse(word("status")), reason)
        else {
            return Err(format!("{condition} is not in the manual"));
        };
        if !reason.entry().seen.contains(&(kind, state)) {
            return Err(format!("{condition} is otherwise in the manual"));
        }
        let of = condition["observedGeneration"].as_i64();
        let is_of_old = kind == Type::Ready && of.is_some_and(|of| (1..=generation).contains(&of));
        if of != Some(generation) && !is_of_old {
            return Err(format!("{condition} is of another generation"));
        }
        if word("message").is_empty() {
            return Err(format!("{condition} has no sentence"));
        }
        said.insert((kind, state, reason));
    }
    let is_true = |kind| said.iter().any(|it| it.0 == kind && it.1 == State::True);
    if is_true(Type::Stalled) && is_true(Type::Reconciling) {
        return Err("stalled and reconciling".to_owned());
    }
    Ok(said)
}
