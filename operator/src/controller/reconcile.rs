//! The pipeline that every resource passes, whatever its kind.

use std::sync::Arc;

use angzarr_config::Routing;
use angzarr_crds::{self as crds, ComponentStatus, Kind};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::api;
use super::apply::{Applier, Owner};
use super::child::Workload;
use super::delays::Delays;
use super::events::Events;
use super::existing::{Named, Roller};
use super::instance::Instance;
use super::outcome::{ApplyResult, Error, need, refused};
use super::pin::{self, Begin, Draft, Pinned, Pinner};
use super::queue::{Next, Requests};
use super::report;
use super::rollouts::{Need, Rollouts};
use super::seen::{Outcome, Seen, Standing};
use super::store;
use super::summary::describe;
use super::world::{Subject, World};
use crate::model::{Key, Scale};
use crate::plan::{Installation, Preparing, Scope, plain};
use crate::validate::{Finding, Resolved, Verdict, judge};

/// Who writes statuses, the same for all installations: one that takes a resource over leaves nothing of what the one before said.
const STATUS_MANAGER: &str = "angzarr-operator";

/// Brings what is there to what is declared, a resource at a time.
pub(super) struct Reconciler {
    pub(super) client: Client,
    pub(super) world: Arc<World>,
    pub(super) applier: Applier,
    roller: Roller,
    installation: Installation,
    events: Events,
    pinner: Pinner,
    rollouts: Arc<Rollouts>,
    delays: Delays,
    requests: Requests,
}

/// A resource with what it leads to.
pub(super) struct Planned {
    pub(super) subject: Subject,
    pub(super) verdict: Verdict,
    /// What is to be applied; `None` leaves everything as it is.
    plan: Option<Plan>,
    /// The routing document among it.
    routing: Option<Routing>,
    /// The workload of somebody else that it names.
    named: Option<Named>,
    /// What prepares the tables of a store.
    pub(super) preparing: Option<Preparing>,
}

/// What a resource leads to.
enum Plan {
    /// The objects of a store.
    Store(Vec<Value>),
    /// A component, whose pods may keep a plan of before.
    Component(Box<Draft>),
}

impl Reconciler {
    /// Reconciles what a world knows.
    pub(super) fn new(
        client: Client,
        world: Arc<World>,
        (instance, installation): (Instance, Installation),
        rollouts: Arc<Rollouts>,
        requests: Requests,
    ) -> Self {
        Self {
            events: Events::new(client.clone(), instance.manager()),
            pinner: Pinner {
                client: client.clone(),
                world: Arc::clone(&world),
                rollouts: Arc::clone(&rollouts),
                manager: instance.manager(),
            },
            roller: Roller::new(client.clone(), instance.injector()),
            applier: Applier::new(client.clone(), instance),
            client,
            world,
            installation,
            rollouts,
            delays: Delays::default(),
            requests,
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
        let planned = self.plan(key).filter(|it| !it.subject.is_leaving);
        let Some(mut planned) = planned else {
            self.settle(key, Need::Nothing);
            self.delays.end(key);
            self.roller.release(key, None, &self.world).await?;
            return Ok(Next::Never);
        };
        let applied = self.apply(key, &mut planned).await;
        if let Some(need) = need(&applied) {
            self.settle(key, need);
        }
        let (outcome, begins) = self.forgive(key, applied)?;
        let next = match &outcome {
            // What is in the way is no resource of ours, so no watch tells when it goes.
            Outcome::Refused { .. } | Outcome::Delayed { .. } => Next::Failed,
            Outcome::Skipped | Outcome::Applied { .. } => Next::Regular,
        };
        self.report(key, &planned, (outcome, begins)).await?;
        Ok(next)
    }

    /// Turns a failure that lasts into one that is told.
    fn forgive(&self, key: &Key, applied: ApplyResult) -> ApplyResult {
        match applied {
            Err(error) if self.delays.lasts(key) => {
                let sentence = format!("{:#}; it is tried again", anyhow::Error::from(error));
                Ok((Outcome::Delayed { sentence }, None))
            }
            Err(error) => Err(error),
            Ok(applied) => {
                self.delays.end(key);
                Ok(applied)
            }
        }
    }

    /// Tells what a component needs from now on, and lets those go on whose turn it is then.
    fn settle(&self, key: &Key, need: Need) {
        self.requests.all(self.rollouts.settle(key, need));
    }

    /// Dereferences, validates and plans: all from what is known, in one moment.
    fn plan(&self, key: &Key) -> Option<Planned> {
        let mut state = self.world.state();
        let subject = state.subjects.get(key)?.clone();
        let mut verdict = match &subject.content {
            Ok(resource) => judge(resource, &state.index),
            Err(mistakes) => Verdict {
                object: key.clone(),
                generation: Some(subject.generation),
                findings: mistakes.iter().cloned().map(Finding::from).collect(),
                resolved: None,
            },
        };
        let named = Named::of(&verdict, &state);
        if let Some(finding) = named.as_ref().and_then(Named::judge) {
            verdict.find(finding);
        }
        let (mut routing, mut preparing) = (None, None);
        let plan = verdict.resolved.as_ref().map(|resolved| match resolved {
            Resolved::Store(store) => {
                let (objects, job) =
                    store::plan(&mut state, &subject, key, store, &self.installation);
                preparing = job;
                Plan::Store(objects)
            }
            Resolved::Component(component, store) => {
                let scope = Scope {
                    key,
                    component,
                    store,
                    installation: &self.installation,
                };
                let documents = scope.documents(&state.index);
                let draft = Draft {
                    desired: scope.build(&documents),
                    inputs: pin::inputs(&state, &subject.inputs, component),
                    policy: component.sidecar.update_policy,
                };
                routing = Some(documents.routing);
                Plan::Component(Box::new(draft))
            }
        });
        Some(Planned {
            subject,
            verdict,
            plan,
            routing,
            named,
            preparing,
        })
    }

    async fn apply(&self, key: &Key, planned: &mut Planned) -> ApplyResult {
        let owner = Owner {
            key: key.clone(),
            uid: planned.subject.uid.clone(),
        };
        let pinned = match planned.plan.take() {
            None => return Ok((Outcome::Skipped, None)),
            Some(_) if planned.subject.wishes.is_paused => {
                let outcome = match &planned.named {
                    Some(named) => named.look(&self.world),
                    None => self.applier.look(&owner, &self.world),
                };
                return Ok((outcome, None));
            }
            Some(Plan::Store(objects)) => Pinned::as_planned(objects),
            Some(Plan::Component(draft)) => {
                let since = pin::waits_since(&planned.subject.status);
                self.pinner.pin(&owner, *draft, since).await?
            }
        };
        let (desired, standing) = (pinned.objects, pinned.standing);
        let workload = match self.applier.apply(&owner, &desired, &self.world).await {
            Ok(workload) => workload,
            Err(error) if error.is_retryable() => return Err(error.into()),
            Err(error) => return Ok((refused(&error), None)),
        };
        if let Some(routing) = &planned.routing {
            self.world.state().looks.apply(key, routing.clone());
        }
        // Pods of before may need what those of now do not.
        if standing.queued.is_none() {
            self.prune(&owner, &desired).await?;
        }
        let outcome = match &planned.named {
            Some(named) => self.roller.roll(named, &desired, &self.world).await?,
            None => applied_outcome(planned, workload),
        };
        let outcome = outcome.with(standing);
        Ok((outcome, pinned.begins))
    }

    async fn report(
        &self,
        key: &Key,
        planned: &Planned,
        (outcome, begins): (Outcome, Option<Begin>),
    ) -> Result<(), Error> {
        let now = Time(Timestamp::now());
        let (before, after) = match key.kind {
            Kind::EventStore => self.report_store(key, planned, outcome, now).await?,
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
                    is_paused: planned.subject.wishes.is_paused,
                    outcome,
                    pods: &pods,
                    other_store: self.other_store(key, &asked),
                    before: &before.conditions,
                    now,
                };
                let mut status = report::status(&seen, &before);
                describe(key, planned.verdict.resolved.as_ref(), &asked, &mut status);
                self.write(key, &before, &status).await?;
                (before.conditions, status.conditions)
            }
        };
        self.events
            .publish(key, &planned.subject, (&before, &after), begins.as_ref())
            .await;
        Ok(())
    }

    /// Writes a status that changed.
    pub(super) async fn write<S: Serialize + PartialEq + Sync>(
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
        let how = PatchParams::apply(STATUS_MANAGER).force();
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
pub(super) fn read<S: DeserializeOwned + Default>(status: &Value) -> S {
    serde_json::from_value(status.clone()).unwrap_or_default()
}

fn applied_outcome(planned: &Planned, workload: Option<Workload>) -> Outcome {
    let is_stopped = match &planned.verdict.resolved {
        Some(Resolved::Component(component, _)) => matches!(component.scale, Scale::Fixed(0)),
        Some(Resolved::Store(_)) | None => false,
    };
    Outcome::Applied {
        workload: workload.unwrap_or_default(),
        is_stopped,
        standing: Standing::default(),
    }
}
