//! The pipeline that every resource passes, whatever its kind.

use std::sync::Arc;

use angzarr_config::Routing;
use angzarr_crds::{self as crds, ComponentStatus, EventStoreStatus, Kind, UsedBy};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answers::Answers;
use super::api;
use super::apply::{self, Applied, Applier, Owner};
use super::child::{ChildKey, ChildKind, MANAGER};
use super::events::Events;
use super::look::Asked;
use super::queue::Next;
use super::reasons::Reason;
use super::report;
use super::seen::{Outcome, Seen};
use super::world::{Subject, World};
use crate::model::{Key, Role, Scale, Storage, StoreKey};
use crate::plan::{DirectoryKey, Installation, Scope, names, plain, plan_directory};
use crate::validate::{Finding, Resolved, Verdict, judge};

/// How many users a store lists.
const LISTED_USERS: usize = 100;

/// Brings what is there to what is declared, a resource at a time.
pub(super) struct Reconciler {
    client: Client,
    world: Arc<World>,
    applier: Applier,
    installation: Installation,
    events: Events,
}

/// Why a resource has to be looked at again soon.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// An object could not be applied.
    #[error(transparent)]
    Apply(#[from] apply::Error),
    /// The status could not be written.
    #[error("write the status")]
    Status(#[source] kube::Error),
    /// What is left of a component could not be listed.
    #[error("list what uses the documents")]
    List(#[source] kube::Error),
}

/// A resource with what it leads to.
struct Planned {
    subject: Subject,
    verdict: Verdict,
    /// What is to be applied; `None` leaves everything as it is.
    desired: Option<Vec<Value>>,
    /// The routing document among it.
    routing: Option<Routing>,
}

impl Reconciler {
    /// Reconciles what a world knows.
    pub(super) fn new(client: Client, world: Arc<World>, installation: Installation) -> Self {
        Self {
            applier: Applier::new(client.clone()),
            events: Events::new(client.clone()),
            client,
            world,
            installation,
        }
    }

    /// Reconciles one resource: dereference, validate, plan, apply, report.
    pub(super) async fn reconcile(&self, key: Key) -> Next {
        match self.run(&key).await {
            Ok(next) => next,
            Err(error) => {
                let (namespace, name) = (&key.namespace, &key.name);
                let error = anyhow::Error::from(error);
                tracing::warn!(kind = %key.kind, namespace, name, error = format!("{error:#}"), "a resource could not be reconciled, and will be tried again");
                Next::Failed
            }
        }
    }

    async fn run(&self, key: &Key) -> Result<Next, Error> {
        let Some(planned) = self.plan(key) else {
            self.events.forget(key);
            return Ok(Next::Never);
        };
        if planned.subject.is_leaving {
            return Ok(Next::Never);
        }
        let outcome = self.apply(key, &planned).await?;
        let next = match &outcome {
            // What is in the way is no resource of ours, so no watch tells when it goes.
            Outcome::Refused { .. } => Next::Failed,
            Outcome::Skipped | Outcome::Applied { .. } => Next::Regular,
        };
        self.report(key, &planned, outcome).await?;
        Ok(next)
    }

    /// Dereferences, validates and plans: all from what is known, in one moment.
    fn plan(&self, key: &Key) -> Option<Planned> {
        let state = self.world.state();
        let subject = state.subjects.get(key)?.clone();
        let verdict = match &subject.content {
            Ok(resource) => judge(resource, &state.index),
            Err(mistakes) => Verdict {
                object: key.clone(),
                generation: Some(subject.generation),
                findings: mistakes.iter().cloned().map(Finding::from).collect(),
                resolved: None,
            },
        };
        let mut routing = None;
        let desired = verdict.resolved.as_ref().map(|resolved| match resolved {
            Resolved::Store(_) => {
                let directory = DirectoryKey {
                    namespace: key.namespace.clone(),
                    store: StoreKey::of(key),
                };
                vec![plain(&plan_directory(&directory, &state.index))]
            }
            Resolved::Component(component, store) => {
                let scope = Scope {
                    key,
                    component,
                    store,
                    installation: &self.installation,
                };
                let documents = scope.documents(&state.index);
                let objects = scope.build(&documents).into_objects();
                routing = Some(documents.routing);
                objects
            }
        });
        Some(Planned {
            subject,
            verdict,
            desired,
            routing,
        })
    }

    async fn apply(&self, key: &Key, planned: &Planned) -> Result<Outcome, Error> {
        let Some(desired) = &planned.desired else {
            return Ok(Outcome::Skipped);
        };
        let owner = Owner {
            key: key.clone(),
            uid: planned.subject.uid.clone(),
        };
        let applied = match self.applier.apply(&owner, desired, &self.world).await {
            Ok(applied) => applied,
            Err(error) if error.is_retryable() => return Err(error.into()),
            Err(error) => return Ok(refused(&error)),
        };
        if let Some(routing) = &planned.routing {
            self.world.state().looks.apply(key, routing.clone());
        }
        self.prune(&owner, desired).await?;
        Ok(applied_outcome(planned, applied))
    }

    /// Removes what is left of earlier plans. Boot documents stay as long as a pod or an older ReplicaSet, to which a rollback may lead, names them.
    async fn prune(&self, owner: &Owner, desired: &[Value]) -> Result<(), Error> {
        let is_boot = |child: &ChildKey| {
            child.kind == ChildKind::ConfigMap && names::is_boot(&owner.key, &child.name)
        };
        let boots = {
            let state = self.world.state();
            let of = state.children.of(&owner.key);
            of.filter(|(key, _)| is_boot(key)).count()
        };
        let used = if boots > 1 {
            self.used_documents(&owner.key).await?
        } else {
            Vec::new()
        };
        let is_kept = |child: &ChildKey| is_boot(child) && used.contains(&child.name);
        self.applier
            .prune(owner, desired, &self.world, is_kept)
            .await?;
        Ok(())
    }

    async fn used_documents(&self, key: &Key) -> Result<Vec<String>, Error> {
        let pods = self.world.state().pods(key).into_iter();
        let mut used: Vec<_> = pods.flat_map(|pod| pod.config_maps).collect();
        let sets: Api<k8s_openapi::api::apps::v1::ReplicaSet> =
            Api::namespaced(self.client.clone(), &key.namespace);
        let of = kube::api::ListParams::default().labels(&names::selector_text(key));
        for set in sets.list(&of).await.map_err(Error::List)? {
            let template = set.spec.and_then(|spec| spec.template);
            let volumes = template.and_then(|it| it.spec).and_then(|it| it.volumes);
            let named = volumes.into_iter().flatten();
            used.extend(named.filter_map(|volume| Some(volume.config_map?.name)));
        }
        Ok(used)
    }

    async fn report(&self, key: &Key, planned: &Planned, outcome: Outcome) -> Result<(), Error> {
        let now = Time(Timestamp::now());
        let (before, after) = match key.kind {
            Kind::EventStore => {
                let before: EventStoreStatus = read(&planned.subject.status);
                let asked = self.asked_of_store(key);
                let seen = Seen {
                    asked: &asked,
                    generation: planned.subject.generation,
                    verdict: &planned.verdict,
                    outcome,
                    pods: &[],
                    before: &before.conditions,
                    now,
                };
                let mut status = before.clone();
                status.observed_generation = planned.subject.generation;
                status.conditions = report::store_conditions(&seen);
                if let Some(Resolved::Store(store)) = &planned.verdict.resolved
                    && store.storage != Storage::File
                {
                    status.store_id = status.store_id.or_else(|| Answers(&asked).store_id());
                }
                self.users(key, &mut status);
                self.write(key, &before, &status).await?;
                (before.conditions, status.conditions)
            }
            Kind::Aggregate | Kind::Projector | Kind::Saga | Kind::ProcessManager => {
                let before: ComponentStatus = read(&planned.subject.status);
                let (pods, asked) = {
                    let state = self.world.state();
                    let pods = state.pods(key);
                    let asked = state.looks.asked(key, &pods);
                    (pods, asked)
                };
                let seen = Seen {
                    asked: &asked,
                    generation: planned.subject.generation,
                    verdict: &planned.verdict,
                    outcome,
                    pods: &pods,
                    before: &before.conditions,
                    now,
                };
                let mut status = report::status(&seen, &before);
                describe(key, planned, &asked, &mut status);
                self.write(key, &before, &status).await?;
                (before.conditions, status.conditions)
            }
        };
        self.events
            .publish(key, &planned.subject, &before, &after)
            .await;
        Ok(())
    }

    /// What the sidecars of all components say that use a store.
    fn asked_of_store(&self, key: &Key) -> Vec<Asked> {
        let state = self.world.state();
        let store = StoreKey::of(key);
        let users = state.index.components(&store);
        let asked = users.flat_map(|user| state.looks.asked(user, &state.pods(user)));
        asked.collect()
    }

    fn users(&self, key: &Key, status: &mut EventStoreStatus) {
        let state = self.world.state();
        let store = StoreKey::of(key);
        let users = state.index.components(&store);
        status.components = i32::try_from(users.len()).unwrap_or(i32::MAX);
        let listed = users.take(LISTED_USERS).map(|user| UsedBy {
            kind: user.kind.to_string(),
            namespace: user.namespace.clone(),
            name: user.name.clone(),
        });
        status.used_by = listed.collect();
    }

    /// Writes a status that changed.
    async fn write<S: Serialize + PartialEq + Sync>(
        &self,
        key: &Key,
        before: &S,
        status: &S,
    ) -> Result<(), Error> {
        if before == status {
            return Ok(());
        }
        let resources: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &key.namespace, &api(key.kind));
        let patch = json!({
            "apiVersion": crds::API_VERSION,
            "kind": key.kind.as_str(),
            "status": plain(status),
        });
        let how = PatchParams::apply(MANAGER).force();
        match resources
            .patch_status(&key.name, &how, &Patch::Apply(&patch))
            .await
        {
            Ok(_) => Ok(()),
            // It was deleted meanwhile.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(source) => Err(Error::Status(source)),
        }
    }
}

/// A status that nobody wrote yet, or that another version wrote, counts as none.
fn read<S: DeserializeOwned + Default>(status: &Value) -> S {
    serde_json::from_value(status.clone()).unwrap_or_default()
}

fn refused(error: &apply::Error) -> Outcome {
    let reason = match error {
        apply::Error::NameTaken { .. } => Reason::NameTaken,
        apply::Error::Refused { .. } | apply::Error::Call { .. } => Reason::InvalidTemplate,
    };
    Outcome::Refused {
        reason,
        sentence: error.to_string(),
    }
}

fn applied_outcome(planned: &Planned, applied: Applied) -> Outcome {
    let is_stopped = match &planned.verdict.resolved {
        Some(Resolved::Component(component, _)) => matches!(component.scale, Scale::Fixed(0)),
        Some(Resolved::Store(_)) | None => false,
    };
    Outcome::Applied {
        workload: applied.workload.unwrap_or_default(),
        is_stopped,
    }
}

/// What a valid component's status says besides its conditions.
fn describe(key: &Key, planned: &Planned, asked: &[Asked], status: &mut ComponentStatus) {
    let Some(Resolved::Component(component, store)) = &planned.verdict.resolved else {
        return;
    };
    if store.storage == Storage::File && status.store_id.is_none() {
        status.store_id = Answers(asked).store_id();
    }
    status.address = Some(names::address(key));
    status.selector = Some(names::selector_text(key));
    status.sources = match &component.role {
        Role::Aggregate { .. } => None,
        Role::Projector { reads, .. } | Role::Saga { reads, .. } => {
            let domains = reads.sources.iter().map(|source| source.domain.as_str());
            Some(listed(domains))
        }
    };
}

/// The longest list that the schema of a status takes, in bytes.
const LONGEST_LIST: usize = 1024;

/// As many names as there is room for.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut list = String::new();
    for name in names {
        if list.len() + name.len() + ",,…".len() > LONGEST_LIST {
            return list + ",…";
        }
        if !list.is_empty() {
            list.push(',');
        }
        list += name;
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_names_has_room_in_the_status() {
        assert_eq!(listed(["cart", "order"].into_iter()), "cart,order");
        let name = "d".repeat(63);
        let long = listed(std::iter::repeat_n(name.as_str(), 64));
        assert!(
            long.len() <= LONGEST_LIST && long.ends_with("d,…"),
            "{long}"
        );
    }
}
