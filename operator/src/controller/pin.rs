//! Which plan the pods of a component get: the one that they have until what it was planned from changes, and a new one when it is their turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use angzarr_crds::{ComponentStatus, UpdatePolicy};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject};
use serde::Deserialize;
use serde_json::Value;

use super::apply::{Error, Owner, call};
use super::child::{Child, ChildKey, ChildKind};
use super::inputs::{Inputs, flatten};
use super::reasons::Reason;
use super::revision::{self, Current, Pin, PodPlan};
use super::rollouts::{Rollouts, Turn};
use super::seen::Standing;
use super::world::{State, World};
use crate::model::Component;
use crate::plan::Desired;
use crate::plan::pods::Pods;

/// Chooses plans.
pub(super) struct Pinner {
    pub(super) client: Client,
    pub(super) world: Arc<World>,
    pub(super) rollouts: Arc<Rollouts>,
    /// Whom the API server notes as the writer of workloads.
    pub(super) manager: String,
}

/// A component as this operator plans it now.
pub(super) struct Draft {
    pub(super) desired: Desired,
    /// What its pods are planned from.
    pub(super) inputs: Inputs,
    pub(super) policy: UpdatePolicy,
}

/// A component with the pods that it gets.
pub(super) struct Pinned {
    /// All its objects, with the plan of its pods.
    pub(super) objects: Vec<Value>,
    pub(super) standing: Standing,
    /// The rollout that begins when they are applied.
    pub(super) begins: Option<Begin>,
}

impl Pinned {
    /// Objects without pods.
    pub(super) fn as_planned(objects: Vec<Value>) -> Self {
        Self {
            objects,
            standing: Standing::default(),
            begins: None,
        }
    }
}

/// A rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Begin {
    /// The fields that it changes, as far as they are known.
    pub(super) fields: Vec<String>,
}

impl Pinner {
    /// Chooses the plan of a component's pods; `since` is when it began to wait for its turn, if it does.
    ///
    /// # Errors
    /// The workload has to be read, and cannot be.
    pub(super) async fn pin(
        &self,
        owner: &Owner,
        draft: Draft,
        since: Timestamp,
    ) -> Result<Pinned, Error> {
        let Draft {
            mut desired,
            inputs,
            policy,
        } = draft;
        let pods = desired.pods();
        let now = PodPlan { inputs, pods };
        let before = self.before(owner, &desired.workload, &now).await?;
        let has_same_inputs = |it: &&PodPlan| it.inputs.hash == now.inputs.hash;
        let is_kept = policy == UpdatePolicy::NextRollout;
        let kept = before.as_ref().filter(|_| is_kept).filter(has_same_inputs);
        let (chosen, standing, begins) = match (kept, &before) {
            (Some(kept), _) => (kept, Standing::behind(lack(&kept.pods, &now.pods)), None),
            (None, None) => (&now, Standing::default(), Some(Begin::default())),
            (None, Some(before)) if !self.replaces(owner, &desired, before, &now) => {
                (&now, Standing::default(), None)
            }
            (None, Some(before)) => match self.rollouts.ask(&owner.key, since) {
                Turn::Now => (
                    &now,
                    Standing::default(),
                    Some(Begin::between(before, &now)),
                ),
                Turn::Later => (before, Standing::queued(self.rollouts.most()), None),
            },
        };
        desired = desired.with_pods(chosen.pods.clone());
        Ok(Pinned {
            objects: self.objects(owner, desired, chosen),
            standing,
            begins,
        })
    }

    /// The plan of the pods that there are.
    async fn before(
        &self,
        owner: &Owner,
        workload: &Value,
        now: &PodPlan,
    ) -> Result<Option<PodPlan>, Error> {
        let Some(workload) = ChildKey::of(&owner.key.namespace, workload) else {
            return Ok(None);
        };
        let current = {
            let state = self.world.state();
            let of = (&owner.key, owner.uid.as_str());
            revision::current(&state, &workload, of, &now.inputs.hash)
        };
        match current {
            Current::Absent => Ok(None),
            Current::Planned(plan) => Ok(Some(*plan)),
            Current::Lost(Some(pin)) if pin.plan == now.seal(&owner.key).name => {
                Ok(Some(now.clone()))
            }
            Current::Lost(pin) => self.read_back(owner, &workload, pin, now).await,
        }
    }

    /// The plan of pods whose plan is lost, from their workload and their document.
    async fn read_back(
        &self,
        owner: &Owner,
        workload: &ChildKey,
        pin: Option<Pin>,
        now: &PodPlan,
    ) -> Result<Option<PodPlan>, Error> {
        let Some(found) = self.read(workload).await? else {
            return Ok(None);
        };
        let is_ours = Child::read(workload.kind, &found).owner.as_ref() == Some(&owner.uid);
        let Some(applied) = revision::applied(&found, &self.manager).filter(|_| is_ours) else {
            return Ok(None);
        };
        let Some((template, name)) = Pods::read(&applied) else {
            return Ok(None);
        };
        let boot = ChildKey {
            kind: ChildKind::ConfigMap,
            namespace: workload.namespace.clone(),
            name,
        };
        let boot_document = self.read(&boot).await?;
        let Some(pods) = boot_document.and_then(|it| Pods::with_boot(template, &it)) else {
            return Ok(None);
        };
        let inputs = match pin {
            Some(pin) if pin.inputs == now.inputs.hash => now.inputs.clone(),
            Some(_) | None => Inputs::default(),
        };
        Ok(Some(PodPlan { inputs, pods }))
    }

    async fn read(&self, key: &ChildKey) -> Result<Option<DynamicObject>, Error> {
        let objects: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &key.namespace, &key.kind.api());
        let found = objects.get_opt(&key.name).await;
        found.map_err(|source| call("read", key, source))
    }

    /// Whether a new plan replaces pods that run.
    fn replaces(&self, owner: &Owner, desired: &Desired, before: &PodPlan, now: &PodPlan) -> bool {
        let key = ChildKey::of(&owner.key.namespace, &desired.workload);
        let state = self.world.state();
        let workload = key.and_then(|key| state.children.get(&key)?.workload.clone());
        workload.is_some_and(|it| it.wanted > 0) && before.pods != now.pods
    }

    /// All objects of a component, the plan of its pods before the workload that names it.
    fn objects(&self, owner: &Owner, mut desired: Desired, plan: &PodPlan) -> Vec<Value> {
        let metadata = crate::plan::plain(&desired.boot.metadata);
        let sealed = plan.seal(&owner.key);
        sealed.mark(&mut desired.workload);
        let object = sealed.object(&owner.key, &metadata, &self.world.state());
        let workload = ChildKind::of(&desired.workload);
        let mut objects = desired.into_objects();
        let place = objects.iter().position(|it| ChildKind::of(it) == workload);
        let place = place.unwrap_or_default();
        objects.splice(place..place, object);
        objects
    }
}

impl Begin {
    /// Names what changed in the resources, or else in the pods.
    fn between(before: &PodPlan, now: &PodPlan) -> Self {
        let mut fields = Vec::new();
        if before.inputs != Inputs::default() {
            fields = now.inputs.changed(&before.inputs);
        }
        if fields.is_empty() {
            fields = differing(&before.pods.template, &now.pods.template);
        }
        Self { fields }
    }
}

fn differing(before: &Value, now: &Value) -> Vec<String> {
    let leaves = |template: &Value| {
        let mut leaves = BTreeMap::new();
        flatten("spec.template", template, &mut leaves);
        leaves
    };
    let (before, now) = (leaves(before), leaves(now));
    let paths = before
        .keys()
        .chain(now.keys().filter(|it| !before.contains_key(*it)));
    let differing = paths.filter(|path| before.get(*path) != now.get(*path));
    differing.cloned().collect()
}

/// What pods lack of what is planned now.
fn lack(before: &Pods, now: &Pods) -> Option<String> {
    if before == now {
        return None;
    }
    let lack = match (before.sidecar_image(), now.sidecar_image()) {
        (Some(before), Some(now)) if before != now => {
            format!("the pods have the sidecar {before}, and this operator would give them {now}")
        }
        _ => "this operator would plan the pods otherwise than they are".to_owned(),
    };
    Some(format!(
        "{lack}; the next change of the pods takes it, and sidecar.updatePolicy: Immediate takes it at once"
    ))
}

/// What a component's pods are planned from.
pub(super) fn inputs(state: &State, own: &Inputs, component: &Component) -> Inputs {
    let store = component.store.key();
    let of_store = state.subjects.get(&store).map(|it| &*it.inputs);
    let of_store = of_store.cloned().unwrap_or_default();
    let are_several = component.scale.most() > 1;
    own.of_pods(&store.name, &of_store, are_several)
}

/// Since when a component waits for its turn; now, if it does not yet.
pub(super) fn waits_since(status: &Value) -> Timestamp {
    let status = ComponentStatus::deserialize(status).unwrap_or_default();
    let mut conditions = status.conditions.iter();
    let waits = conditions.find(|it| it.reason == Reason::RolloutQueued.as_str());
    let since = waits.map_or_else(Timestamp::now, |it| it.last_transition_time.0);
    // Times in a status have no fractions.
    Timestamp::from_second(since.as_second()).unwrap_or(since)
}
