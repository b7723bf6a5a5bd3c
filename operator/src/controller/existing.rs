//! Workloads that somebody else made: what the watches see of them, and the one annotation that the operator writes there.
//!
//! # Design
//! What is injected changes without the pod template of the workload, so an annotation in it names the content and rolls the pods, once there are pods with
//! other content. It has a field manager of its own, and nothing else of the workload is written. It names the component, too: a workload whose component
//! is gone is found by it, whenever that went, so no finalizer holds a deletion up.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use angzarr_crds::WorkloadKind;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Client, Error as ClientError};
use serde_json::{Value, json};

use super::child::Workload as Report;
use super::pod::Pod;
use super::reasons::Reason;
use super::seen::{Outcome, Standing};
use super::world::{State, World};
use crate::index::Concerned;
use crate::model::{Key, Storage, WorkloadKey};
use crate::plan::names;
use crate::validate::{Finding, Reason as Fault, Resolved, Verdict};

/// How the API server names the workloads of a kind.
pub(super) fn api(kind: WorkloadKind) -> ApiResource {
    let gvk = GroupVersionKind::gvk("apps", "v1", kind.as_str());
    ApiResource::from_gvk_with_plural(&gvk, kind.plural())
}

/// The word for the watch of a kind.
pub(super) const fn watched(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::Deployment => "Deployment of others",
        WorkloadKind::StatefulSet => "StatefulSet of others",
    }
}

/// A workload as its watch shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Existing {
    uid: String,
    /// What its controller reports.
    report: Report,
    /// For which component its pods ask.
    label: Option<String>,
    /// What it was last rolled for.
    stamp: Option<String>,
    /// Whether this installation did that.
    is_stamped: bool,
    /// Whether its old pods have ended when new ones start.
    ends_first: bool,
}

impl Existing {
    /// Reads an object of a kind; `injector` is who annotates it.
    pub(super) fn read(kind: WorkloadKind, object: &DynamicObject, injector: &str) -> Self {
        let spec = &object.data["spec"];
        let template = &spec["template"]["metadata"];
        let word = |map: &str, key: &str| template[map][key].as_str().map(str::to_owned);
        let mut report = Report::read(object);
        let mut managers = object.metadata.managed_fields.iter().flatten();
        // Pods below the partition are not replaced.
        let partition = spec["updateStrategy"]["rollingUpdate"]["partition"].as_i64();
        let partition = i32::try_from(partition.unwrap_or(0)).unwrap_or(i32::MAX);
        if partition > 0 {
            report.updated = report.updated.saturating_add(partition).min(report.wanted);
        }
        Self {
            uid: object.metadata.uid.clone().unwrap_or_default(),
            report,
            label: word("labels", names::INJECT),
            is_stamped: managers.any(|it| it.manager.as_deref() == Some(injector)),
            stamp: word("annotations", names::INJECTION),
            ends_first: match kind {
                WorkloadKind::Deployment => spec["strategy"]["type"] == "Recreate",
                WorkloadKind::StatefulSet => true,
            },
        }
    }
}

/// The workloads that the watches know; all that are not the operator's own.
#[derive(Debug, Default)]
pub(super) struct Workloads {
    all: HashMap<WorkloadKey, Existing>,
    /// Those that were rolled for a component.
    stamped: BTreeMap<Key, BTreeSet<WorkloadKey>>,
}

impl Workloads {
    /// The components for which workloads were rolled, there or not.
    pub(super) fn stampers(&self) -> impl Iterator<Item = &Key> {
        self.stamped.keys()
    }

    /// The keys of all workloads of a kind.
    pub(super) fn keys(&self, kind: WorkloadKind) -> Vec<WorkloadKey> {
        let keys = self.all.keys().filter(|key| key.kind == kind);
        keys.cloned().collect()
    }

    fn stamper(&self, key: &WorkloadKey) -> Option<Key> {
        let existing = self.all.get(key).filter(|it| it.is_stamped)?;
        names::stamped(&key.namespace, existing.stamp.as_deref()?)
    }

    fn forget(&mut self, key: &WorkloadKey) {
        let Some(stamper) = self.stamper(key) else {
            return;
        };
        if let Some(workloads) = self.stamped.get_mut(&stamper) {
            workloads.remove(key);
            if workloads.is_empty() {
                self.stamped.remove(&stamper);
            }
        }
    }
}

impl State {
    /// Enters a workload; returns whom it concerns, if it changed.
    pub(super) fn insert_workload(&mut self, key: WorkloadKey, existing: Existing) -> Concerned {
        if self.workloads.all.get(&key) == Some(&existing) {
            return Concerned::new();
        }
        let mut concerned = self.remove_workload(&key);
        self.workloads.all.insert(key.clone(), existing);
        if let Some(stamper) = self.workloads.stamper(&key) {
            let workloads = self.workloads.stamped.entry(stamper.clone()).or_default();
            workloads.insert(key);
            concerned.insert(stamper);
        }
        concerned
    }

    /// Takes out a workload; returns whom it concerned.
    pub(super) fn remove_workload(&mut self, key: &WorkloadKey) -> Concerned {
        let mut concerned: Concerned = self.index.users(key).cloned().collect();
        concerned.extend(self.workloads.stamper(key));
        self.workloads.forget(key);
        self.workloads.all.remove(key);
        concerned
    }
}

/// The workload that a component names.
#[derive(Debug, Clone)]
pub(super) struct Named {
    component: Key,
    key: WorkloadKey,
    is_file: bool,
    /// What is seen of it; `None` if it is not there.
    seen: Option<Existing>,
}

impl Named {
    /// The workload that a valid component names, if it names one.
    pub(super) fn of(verdict: &Verdict, state: &State) -> Option<Self> {
        let Some(Resolved::Component(_, store)) = &verdict.resolved else {
            return None;
        };
        let key = state.index.resource(&verdict.object)?.workload()?;
        Some(Self {
            component: verdict.object.clone(),
            seen: state.workloads.all.get(&key).cloned(),
            is_file: store.storage == Storage::File,
            key,
        })
    }

    /// What is wrong with it, or missing.
    pub(super) fn judge(&self) -> Option<Finding> {
        let (kind, name) = (self.key.kind.as_str(), &self.key.name);
        let find = |reason, sentence| {
            Some(Finding {
                reason,
                field: "spec.workloadRef".to_owned(),
                sentence,
            })
        };
        let Some(seen) = &self.seen else {
            let sentence =
                format!("{kind} {name} does not exist, or is one that the operator made; apply it");
            return find(Fault::WorkloadNotFound, sentence);
        };
        if self.is_file && seen.report.wanted > 1 {
            let sentence = format!(
                "{kind} {name} has {} replicas, and only one pod can open an SQLite file; set its spec.replicas to 1",
                seen.report.wanted
            );
            return find(Fault::InvalidSpec, sentence);
        }
        if self.is_file && !seen.ends_first {
            let sentence = format!(
                "{kind} {name} starts new pods before old ones end, which have the SQLite file open; set its spec.strategy to {{type: Recreate}}"
            );
            return find(Fault::InvalidSpec, sentence);
        }
        let label = names::injection(&self.component);
        if seen.label.as_ref() != Some(&label) {
            let sentence = format!(
                "the pods of {kind} {name} do not ask for the sidecar; add to its spec.template.metadata.labels the line {}: {label}",
                names::INJECT
            );
            return find(Fault::LabelNotFound, sentence);
        }
        None
    }

    /// What is seen of it while nothing is written.
    pub(super) fn look(&self, world: &World) -> Outcome {
        match (&self.seen, self.judge()) {
            (Some(seen), None) => Self::outcome(seen, &world.state().pods(&self.component)),
            _ => Outcome::Skipped,
        }
    }

    /// What its controller reports, where a pod without its sidecar serves nothing.
    fn outcome(seen: &Existing, pods: &[Pod]) -> Outcome {
        let mut workload = seen.report.clone();
        let ready = pods.iter().filter(|pod| pod.is_ready && pod.has_sidecar);
        let ready = i32::try_from(ready.count()).unwrap_or(i32::MAX);
        if ready < workload.ready {
            workload.ready = ready;
            workload.updated = workload.updated.min(ready);
        }
        Outcome::Applied {
            is_stopped: workload.wanted == 0,
            workload,
            standing: Standing::default(),
        }
    }
}

/// What the pods of a component get, as its desired objects name it.
fn stamp_of(desired: &[Value]) -> Option<&str> {
    let mut templates = desired.iter().filter(|it| it["kind"] == "PodTemplate");
    templates.next()?["metadata"]["annotations"][names::INJECTION].as_str()
}

/// Why a workload could not be rolled.
#[derive(Debug, thiserror::Error)]
#[error("annotate {kind} {name}")]
pub(super) struct Error {
    kind: &'static str,
    name: String,
    #[source]
    source: ClientError,
}

impl Error {
    /// Whether the API server answered, so that nothing is under way there.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self.source, ClientError::Api(_))
    }
}

/// Rolls workloads.
pub(super) struct Roller {
    client: Client,
    /// Who annotates them.
    injector: String,
}

impl Roller {
    /// Writes through a client, in a name.
    pub(super) fn new(client: Client, injector: String) -> Self {
        Self { client, injector }
    }

    /// Rolls the workload of a component when its pods get something else than before, and lets go of those that it had; returns what became of it.
    ///
    /// # Errors
    /// The API server could not be asked.
    pub(super) async fn roll(
        &self,
        named: &Named,
        desired: &[Value],
        world: &World,
    ) -> Result<Outcome, Error> {
        self.release(&named.component, Some(&named.key), world)
            .await?;
        let (Some(stamp), Some(seen), None) = (stamp_of(desired), &named.seen, named.judge())
        else {
            return Ok(Outcome::Skipped);
        };
        let pods = world.state().pods(&named.component);
        let has_it = |pod: &Pod| pod.is_leaving || pod.injected.as_deref() == Some(stamp);
        if seen.stamp.as_deref() != Some(stamp) && !pods.iter().all(has_it) {
            let annotations = json!({ names::INJECTION: stamp });
            match self.annotate(&named.key, &seen.uid, annotations).await {
                Err(Error {
                    source: ClientError::Api(status),
                    ..
                }) if [400, 403, 422].contains(&status.code) => {
                    let (kind, name) = (named.key.kind.as_str(), &named.key.name);
                    let reason = match status.code {
                        403 => Reason::NotPermitted,
                        _ => Reason::InvalidTemplate,
                    };
                    return Ok(Outcome::Refused {
                        reason,
                        sentence: format!(
                            "the API server refuses {kind} {name}: {}",
                            status.message
                        ),
                    });
                }
                done => done?,
            }
            let mut seen = seen.clone();
            seen.report.is_observed = false;
            return Ok(Named::outcome(&seen, &pods));
        }
        Ok(Named::outcome(seen, &pods))
    }

    /// Takes the annotation of a component from all workloads but one.
    ///
    /// # Errors
    /// The API server could not be asked.
    pub(super) async fn release(
        &self,
        component: &Key,
        kept: Option<&WorkloadKey>,
        world: &World,
    ) -> Result<(), Error> {
        let released: Vec<_> = {
            let state = world.state();
            let stamped = state.workloads.stamped.get(component).into_iter().flatten();
            stamped
                .filter(|it| Some(*it) != kept)
                .filter_map(|it| Some((it.clone(), state.workloads.all.get(it)?.uid.clone())))
                .collect()
        };
        for (key, uid) in released {
            self.annotate(&key, &uid, json!({})).await?;
        }
        Ok(())
    }

    async fn annotate(
        &self,
        key: &WorkloadKey,
        uid: &str,
        annotations: Value,
    ) -> Result<(), Error> {
        let object = json!({
            "apiVersion": "apps/v1",
            "kind": key.kind.as_str(),
            "metadata": { "name": key.name, "uid": uid },
            "spec": { "template": { "metadata": { "annotations": annotations } } },
        });
        let workloads: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &key.namespace, &api(key.kind));
        let how = PatchParams::apply(&self.injector).force();
        let patched = workloads
            .patch(&key.name, &how, &Patch::Apply(&object))
            .await;
        match patched {
            Ok(_) => Ok(()),
            // It is gone, or another one has its name; the watch tells.
            Err(ClientError::Api(status)) if [404, 409].contains(&status.code) => Ok(()),
            Err(source) => Err(Error {
                kind: key.kind.as_str(),
                name: key.name.clone(),
                source,
            }),
        }
    }
}
