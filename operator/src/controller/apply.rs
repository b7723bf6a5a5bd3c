//! Applies the objects of a resource, and removes those of it that nothing needs any more.
//!
//! # Design
//! What is unchanged is not written: after each write the world keeps the look of the object, and as long as the watch shows the same look and the
//! same is desired, there is nothing to do. An object that the watch does not know may still exist and belong to somebody else, so it is read first.

use std::collections::BTreeSet;

use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::{Client, Error as ClientError};
use serde_json::{Value, json};

use super::child::{Child, ChildKey, ChildKind, Workload};
use super::forbidden;
use super::instance::{self, Instance};
use super::seen::{Outcome, Standing};
use super::wanted::Wanted;
use super::world::World;
use crate::model::Key;

/// Writes children.
pub(super) struct Applier {
    client: Client,
    instance: Instance,
}

/// Whose objects are applied.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    pub(super) key: Key,
    pub(super) uid: String,
}

/// Why objects are not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// An object of that name belongs to somebody else.
    #[error("{kind} {name} exists and does not belong to it; remove or rename that object")]
    NameTaken { kind: &'static str, name: String },
    /// The resource was given to this installation, and its objects were not.
    #[error(
        "{kind} {name} belongs to the operator of instance {other}, and the resource to that of {own}; give both the same label {}",
        instance::LABEL
    )]
    ManagedByAnother {
        kind: &'static str,
        name: String,
        other: String,
        own: String,
    },
    /// A quota leaves no room.
    #[error("there is no room for {kind} {name}: {message}")]
    QuotaExceeded {
        kind: &'static str,
        name: String,
        message: String,
    },
    /// The role of the operator lacks a rule.
    #[error(
        "the operator's role lacks a rule in namespace {namespace}: {{apiGroups: [\"{group}\"], resources: [{resource}], verbs: [{verb}]}}"
    )]
    NotPermitted {
        verb: &'static str,
        resource: String,
        group: String,
        namespace: String,
    },
    /// The API server does not accept the object.
    #[error("the API server refuses {kind} {name}: {message}")]
    Refused {
        kind: &'static str,
        name: String,
        message: String,
    },
    /// The API server could not be asked, or is busy.
    #[error("{action} {kind} {name}")]
    Call {
        action: &'static str,
        kind: &'static str,
        name: String,
        #[source]
        source: ClientError,
    },
}

impl Error {
    /// Whether the same call may succeed later without somebody who changes something.
    pub(super) fn is_retryable(&self) -> bool {
        matches!(self, Self::Call { .. })
    }

    /// Whether the API server answered.
    pub(super) fn is_answer(&self) -> bool {
        match self {
            Self::Call { source, .. } => matches!(source, ClientError::Api(_)),
            Self::NameTaken { .. }
            | Self::ManagedByAnother { .. }
            | Self::QuotaExceeded { .. }
            | Self::NotPermitted { .. }
            | Self::Refused { .. } => true,
        }
    }

    /// Whether the API server says that it failed itself.
    fn is_internal(&self) -> bool {
        matches!(self, Self::Call { source: ClientError::Api(status), .. } if status.code == 500)
    }
}

impl Applier {
    /// Writes for an installation through a client.
    pub(super) fn new(client: Client, instance: Instance) -> Self {
        Self { client, instance }
    }

    /// Applies objects in their order; returns the report of the workload, if there is one. If one of the names is taken, or the workload is refused
    /// when it is tried, nothing is applied.
    ///
    /// # Errors
    /// The first object that could not be applied.
    pub(super) async fn apply(
        &self,
        owner: &Owner,
        desired: &[Value],
        world: &World,
    ) -> Result<Option<Workload>, Error> {
        let mut workload = None;
        let mut due = Vec::new();
        let wanted = desired.iter();
        for wanted in wanted.filter_map(|object| Wanted::new(owner, object, &self.instance)) {
            let known = world.state().children.trusted(&wanted.key).cloned();
            if self.is_current(&wanted, world) {
                workload = workload.or(known.and_then(|it| it.workload));
                continue;
            }
            let found = match known {
                Some(child) => Some(child),
                None => self.find(&wanted.key).await?,
            };
            if let Some(child) = &found {
                wanted.check_owner(child, owner, &self.instance)?;
            }
            due.push((wanted, found));
        }
        for (wanted, found) in due.iter().filter(|(wanted, _)| wanted.is_workload()) {
            self.try_out(wanted, found.as_ref()).await?;
        }
        let autoscaler = desired.iter().find(|it| is_autoscaler(it));
        for (wanted, found) in &due {
            if let (Some(child), Some(autoscaler)) = (found, autoscaler) {
                self.hand_over(wanted, child, autoscaler).await?;
            }
            let child = self.write(wanted, found.as_ref(), world).await?;
            workload = workload.or(child.workload);
        }
        Ok(workload)
    }

    /// Looks at what an owner has, and writes nothing.
    pub(super) fn look(&self, owner: &Owner, world: &World) -> Outcome {
        let state = world.state();
        let own = state.children.of(&owner.key);
        let own = own.filter(|(_, child)| child.owner.as_deref() == Some(&owner.uid));
        let own: Vec<_> = own.map(|(_, child)| child).collect();
        if own.is_empty() {
            return Outcome::Skipped;
        }
        let workload = own.iter().find_map(|child| child.workload.clone());
        Outcome::Applied {
            is_stopped: workload.as_ref().is_some_and(|it| it.wanted == 0),
            workload: workload.unwrap_or_default(),
            standing: Standing::default(),
        }
    }

    /// Deletes what an owner has and does not desire.
    ///
    /// # Errors
    /// The first object that could not be deleted.
    pub(super) async fn prune(
        &self,
        owner: &Owner,
        desired: &[Value],
        world: &World,
        is_kept: impl Fn(&ChildKey) -> bool,
    ) -> Result<(), Error> {
        let wanted: BTreeSet<_> = desired
            .iter()
            .filter_map(|object| ChildKey::of(&owner.key.namespace, object))
            .collect();
        let surplus: Vec<_> = {
            let state = world.state();
            let own = state.children.of(&owner.key);
            own.filter(|(_, child)| child.owner.as_deref() == Some(&owner.uid))
                .filter(|(key, _)| !wanted.contains(key) && !is_kept(key))
                .map(|(key, child)| (key.clone(), child.uid.clone()))
                .collect()
        };
        for (key, uid) in surplus {
            self.delete(&key, uid).await?;
        }
        Ok(())
    }

    async fn delete(&self, key: &ChildKey, uid: String) -> Result<(), Error> {
        let how = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(uid),
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        match self.api(key).delete(&key.name, &how).await {
            Ok(_) => Ok(()),
            // It is gone, or another object has the name.
            Err(ClientError::Api(status)) if [404, 409].contains(&status.code) => Ok(()),
            Err(source) => Err(self.failed("delete", key, source).await),
        }
    }

    fn is_current(&self, wanted: &Wanted, world: &World) -> bool {
        let state = world.state();
        state.children.is_as_written(&wanted.key, wanted.hash)
    }

    async fn try_out(&self, wanted: &Wanted, found: Option<&Child>) -> Result<(), Error> {
        let mut how = PatchParams::apply(&self.instance.manager()).force();
        how.dry_run = true;
        let tried = self.patch(wanted, &how, &wanted.object_over(found)).await;
        match tried {
            Ok(_) => Ok(()),
            Err(error) if error.is_internal() => Err(self.explain(wanted).await.unwrap_or(error)),
            Err(error) => Err(error),
        }
    }

    /// Says what is wrong with an object of which the API server only says that it failed itself, as it does of a field that it does not know: a strict
    /// creation, which is not carried out, names the fields.
    async fn explain(&self, wanted: &Wanted) -> Option<Error> {
        let url = self.api(&wanted.key).resource_url().to_owned();
        let uri = format!("{url}?dryRun=All&fieldValidation=Strict");
        let body = wanted.object.to_string().into_bytes();
        let request = http::Request::post(uri).header("Content-Type", "application/json");
        let created = self.client.request::<Value>(request.body(body).ok()?).await;
        let error = wanted.error(created.err()?);
        (!error.is_retryable()).then_some(error)
    }

    /// Keeps the number of pods as it is when an autoscaler takes it over. Of none an autoscaler makes nothing, so it gets its least number then.
    async fn hand_over(
        &self,
        wanted: &Wanted,
        child: &Child,
        autoscaler: &Value,
    ) -> Result<(), Error> {
        let is_ours = child.scaled_by.contains(&self.instance.manager());
        let Some(workload) = child.workload.as_ref().filter(|_| is_ours) else {
            return Ok(());
        };
        let replicas = match workload.wanted {
            0 => autoscaler["spec"]["minReplicas"].clone(),
            wanted => wanted.into(),
        };
        let object = json!({
            "apiVersion": wanted.object["apiVersion"],
            "kind": wanted.object["kind"],
            "metadata": { "name": wanted.key.name, "uid": child.uid },
            "spec": { "replicas": replicas },
        });
        let how = PatchParams::apply(&self.instance.keeper()).force();
        self.patch(wanted, &how, &object).await?;
        Ok(())
    }

    /// Writes an object that is ours or not there; both may be otherwise than was found, which the API server judges.
    async fn write(
        &self,
        wanted: &Wanted,
        found: Option<&Child>,
        world: &World,
    ) -> Result<Child, Error> {
        let mut how = PatchParams::apply(&self.instance.manager());
        how.force = found.is_some();
        let object = self.patch(wanted, &how, &wanted.object_over(found)).await?;
        let child = Child::read(wanted.key.kind, &object);
        let mut state = world.state();
        state
            .children
            .write(&wanted.key, child.clone(), wanted.hash);
        Ok(child)
    }

    async fn patch(
        &self,
        wanted: &Wanted,
        how: &PatchParams,
        object: &Value,
    ) -> Result<DynamicObject, Error> {
        let api = self.api(&wanted.key);
        let patch = Patch::Apply(object);
        match api.patch(&wanted.key.name, how, &patch).await {
            Ok(object) => Ok(object),
            Err(ClientError::Api(status)) if status.code == 403 => {
                Err(
                    forbidden::explain(&self.client, &wanted.key, &["patch", "create"], &status)
                        .await,
                )
            }
            Err(source) => Err(wanted.error(source)),
        }
    }

    async fn find(&self, key: &ChildKey) -> Result<Option<Child>, Error> {
        match self.api(key).get_opt(&key.name).await {
            Ok(found) => Ok(found.map(|object| Child::read(key.kind, &object))),
            Err(source) => Err(self.failed("get", key, source).await),
        }
    }

    /// Why an object could not be read or deleted.
    async fn failed(&self, verb: &'static str, key: &ChildKey, source: ClientError) -> Error {
        match source {
            ClientError::Api(status) if status.code == 403 => {
                forbidden::explain(&self.client, key, &[verb], &status).await
            }
            source => call(verb, key, source),
        }
    }

    fn api(&self, key: &ChildKey) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &key.namespace, &key.kind.api())
    }
}

fn is_autoscaler(object: &Value) -> bool {
    ChildKind::of(object) == Some(ChildKind::HorizontalPodAutoscaler)
}

pub(super) fn call(action: &'static str, key: &ChildKey, source: ClientError) -> Error {
    Error::Call {
        action,
        kind: key.kind.as_str(),
        name: key.name.clone(),
        source,
    }
}
