//! What only an EventStore has: its identity, its tables, and its users.
//!
//! # Design
//! The first id that is seen of a store on a server is kept, in the status of the EventStore and in its directory, where sidecars read it: they open no
//! other store. Either is written from the other, so that neither a lost status nor a lost directory loses the id; who means another store says so in an
//! annotation. Only what is in the namespace of the EventStore and uses its own Secret is believed, since a component elsewhere brings a Secret of its own.

use angzarr_admin::prepared::Prepared;
use angzarr_crds::{EventStoreStatus, SchemaPolicy, UsedBy};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::Value;
use uuid::Uuid;

use super::answers::Answers;
use super::child::{ChildKey, ChildKind};
use super::look::Asked;
use super::outcome::Error;
use super::pod::Pod;
use super::reconcile::{Planned, Reconciler, read};
use super::report::{Tables, store_conditions};
use super::seen::{Outcome, Seen};
use super::world::{State, Subject};
use crate::model::{Key, Storage, Store, StoreKey};
use crate::plan::{DirectoryKey, Installation, Preparing, names, plain, plan_directory, plan_job};
use crate::validate::Resolved;

/// How many users a store lists.
const LISTED_USERS: usize = 100;

/// Conditions before and after a status was written.
pub(super) type Change = (Vec<Condition>, Vec<Condition>);

/// The id that an EventStore says a store has: a person's word, or what was seen before.
pub(super) fn identity(subject: &Subject) -> Option<Uuid> {
    let resource = subject.content.as_ref().ok()?;
    let annotations = resource.metadata().annotations.as_ref();
    let declared = annotations.and_then(|all| all.get(&names::store_id()));
    let status: EventStoreStatus = read(&subject.status);
    let id = declared.cloned().or(status.store_id)?;
    Uuid::parse_str(&id).ok()
}

/// Plans the objects of a store, and what prepares its tables unless that was done.
pub(super) fn plan(
    state: &mut State,
    subject: &Subject,
    key: &Key,
    store: &Store,
    installation: &Installation,
) -> (Vec<Value>, Option<Preparing>) {
    let id = StoreKey::of(key);
    let directory = DirectoryKey {
        namespace: key.namespace.clone(),
        store: id.clone(),
    };
    if store.storage == Storage::File {
        state.index.identify(&id, None);
    } else if state.index.identity(&id).is_none() {
        let kept = kept_identity(state, subject, key, &directory);
        state.index.identify(&id, kept);
    }
    let preparing = plan_job(&id, store, installation);
    let status: EventStoreStatus = read(&subject.status);
    let mut objects = vec![plain(&plan_directory(&directory, &state.index))];
    let due = preparing
        .as_ref()
        .filter(|it| status.prepared.as_ref() != Some(&it.need));
    objects.extend(due.map(|it| plain(&it.object)));
    (objects, preparing)
}

/// The id in the directory of a store, for a status that was lost.
fn kept_identity(
    state: &State,
    subject: &Subject,
    key: &Key,
    directory: &DirectoryKey,
) -> Option<Uuid> {
    let child = state.children.get(&ChildKey {
        kind: ChildKind::ConfigMap,
        namespace: key.namespace.clone(),
        name: names::directory(&directory.store),
    })?;
    let is_own = child.owner.as_deref() == Some(&subject.uid);
    let id = child.store_id.as_ref().filter(|_| is_own)?;
    Uuid::parse_str(id).ok()
}

impl Reconciler {
    /// Writes the status of a store.
    pub(super) async fn report_store(
        &self,
        key: &Key,
        planned: &Planned,
        outcome: Outcome,
        now: Time,
    ) -> Result<Change, Error> {
        let before: EventStoreStatus = read(&planned.subject.status);
        let (asked, own) = self.asked_of_store(key);
        let (tables, prepared) = self.tables(key, planned, &before);
        let identity = self.identity(key, &planned.verdict.resolved);
        let id = identity.or_else(|| self.first_identity(key, planned, &own));
        let seen = Seen {
            asked: &asked,
            generation: planned.subject.generation,
            verdict: &planned.verdict,
            outcome,
            is_paused: planned.subject.wishes.is_paused,
            pods: &[],
            other_store: other_store(key, &own, id.as_deref()),
            before: &before.conditions,
            now,
        };
        let mut status = before.clone();
        status.observed_generation = planned.subject.generation;
        status.conditions = store_conditions(&seen, &tables);
        status.prepared = prepared.or(status.prepared);
        status.store_id = id;
        self.users(key, &mut status);
        self.write(key, &before, &status).await?;
        Ok((before.conditions, status.conditions))
    }

    /// The id that a store on a server is known by.
    fn identity(&self, key: &Key, resolved: &Option<Resolved>) -> Option<String> {
        if let Some(Resolved::Store(store)) = resolved
            && store.storage == Storage::File
        {
            return None;
        }
        let id = self.world.state().index.identity(&StoreKey::of(key));
        id.map(|id| id.to_string())
    }

    /// The first id that is seen of a store.
    fn first_identity(&self, key: &Key, planned: &Planned, own: &[Asked]) -> Option<String> {
        match &planned.verdict.resolved {
            Some(Resolved::Store(store)) if store.storage != Storage::File => {}
            _ => return None,
        }
        let pods = preparing_pods(&self.world.state(), key, &planned.subject.uid, None);
        let told = pods.into_iter().find_map(|pod| match pod.prepared {
            Some(Prepared::Ready { store_id, .. }) => Some(store_id),
            Some(Prepared::Failed { .. }) | None => None,
        });
        told.or_else(|| Answers(own).store_id())
    }

    /// What a component's sidecars say of a store that is not the expected one.
    pub(super) fn other_store(&self, key: &Key, asked: &[Asked]) -> Option<String> {
        let state = self.world.state();
        let store = state.store_of(key)?;
        let expected = state.index.identity(&store).map(|id| id.to_string());
        Answers(asked).other_store(expected.as_deref())
    }

    /// How the tables of a store are, and what they are prepared for now.
    fn tables(
        &self,
        key: &Key,
        planned: &Planned,
        before: &EventStoreStatus,
    ) -> (Tables, Option<String>) {
        let (Some(preparing), Some(Resolved::Store(store))) =
            (&planned.preparing, &planned.verdict.resolved)
        else {
            return (Tables::Unwatched, None);
        };
        let done = match store.policy {
            SchemaPolicy::Auto => Tables::Migrated,
            SchemaPolicy::Verify | SchemaPolicy::External => Tables::Verified,
        };
        if before.prepared.as_ref() == Some(&preparing.need) {
            return (done, None);
        }
        let name = preparing.object.metadata.name.clone().unwrap_or_default();
        let state = self.world.state();
        let child = state.children.get(&ChildKey {
            kind: ChildKind::Job,
            namespace: key.namespace.clone(),
            name: name.clone(),
        });
        let own = child.filter(|it| it.owner.as_deref() == Some(&planned.subject.uid));
        let job = own.and_then(|it| it.job.clone()).unwrap_or_default();
        if job.is_complete {
            return (done, Some(preparing.need.clone()));
        }
        let pods = preparing_pods(&state, key, &planned.subject.uid, Some(&name));
        (unprepared(&name, job.failure, &pods), None)
    }

    /// What the sidecars of all components say that use a store; and of those that are in its namespace and use its Secret.
    fn asked_of_store(&self, key: &Key) -> (Vec<Asked>, Vec<Asked>) {
        let state = self.world.state();
        let store = StoreKey::of(key);
        let (mut all, mut own) = (Vec::new(), Vec::new());
        for user in state.index.components(&store) {
            let asked = state.looks.asked(user, &state.pods(user));
            if user.namespace == key.namespace && state.uses_secret_of_store(user) {
                own.extend(asked.iter().cloned());
            }
            all.extend(asked);
        }
        (all, own)
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
}

impl State {
    /// Whether a component reaches its store with the Secret that the store names.
    fn uses_secret_of_store(&self, key: &Key) -> bool {
        let resource = self.index.resource(key);
        let declared = resource.and_then(|it| it.component());
        declared.is_some_and(|it| {
            it.component()
                .event_store_ref
                .connection_secret_ref
                .is_none()
        })
    }
}

/// The pods of the Jobs of a store, or of one of them: those that a Job of ours runs.
fn preparing_pods(state: &State, key: &Key, owner: &str, name: Option<&str>) -> Vec<Pod> {
    let jobs = state.children.of(key).filter(|(child, it)| {
        child.kind == ChildKind::Job
            && it.owner.as_deref() == Some(owner)
            && name.is_none_or(|name| child.name == name)
    });
    let ids: Vec<_> = jobs.map(|(_, it)| it.uid.clone()).collect();
    let mut pods = state.pods(key);
    pods.retain(|pod| pod.owner.as_ref().is_some_and(|id| ids.contains(id)));
    pods
}

/// Why tables are not prepared.
fn unprepared(job: &str, failure: Option<String>, pods: &[Pod]) -> Tables {
    use angzarr_admin::prepared::Failure;
    if let Some(failure) = failure {
        let sentence = format!("Job {job} was given up: {failure}; delete it");
        return Tables::Failed(Failure::Refused, sentence);
    }
    let mut said = pods.iter().filter_map(|pod| pod.prepared.clone());
    if let Some(Prepared::Failed { failure, sentence }) = said.next() {
        return Tables::Failed(failure, sentence);
    }
    let trouble = pods.iter().find_map(|pod| pod.trouble.clone());
    Tables::Pending(match trouble {
        Some(trouble) => format!("Job {job} has not ended; {trouble}"),
        None => format!("Job {job} has not ended"),
    })
}

/// What to do about another store, with the word that accepts it.
fn other_store(key: &Key, own: &[Asked], expected: Option<&str>) -> Option<String> {
    let sentence = Answers(own).other_store(expected)?;
    let (name, namespace, annotation) = (&key.name, &key.namespace, names::store_id());
    Some(format!(
        "{sentence}; correct the Secret of the connection, or accept another store with: kubectl annotate evs/{name} -n {namespace} --overwrite {annotation}=ID"
    ))
}
