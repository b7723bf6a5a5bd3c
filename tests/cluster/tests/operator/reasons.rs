//! Every reason is reached, with every condition that the manual lists for it.

use std::collections::BTreeSet;
use std::thread;

use angzarr_cluster::until;
use angzarr_operator::controller::{Reason, Type};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::injection::{deployment, existing};
use super::lake::{Lake, Running, STORE, aggregate, component};
use super::probe;
use super::record::{Record, Said};
use super::{grants, refusals, tables, wishes};

/// A store on a server, whose components keep their old pods while new ones start.
pub(crate) const SERVER: &str = "
apiVersion: angzarr.io/v1alpha1
kind: EventStore
metadata: {name: heron}
spec:
  storage: {type: postgres, postgres: {connection: {secretRef: {name: lake}}}}
  bus: {type: direct}
";

/// A story that reaches reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Story {
    ItServesUntilItIsSuspended,
    WhatCannotWorkNeedsAPerson,
    ARefusedTemplateChangesNothing,
    WhatIsMissingIsWaitedFor,
    AWorkloadIsNotReadyForTheSidecar,
    OldPodsServeWhileNewOnesFail,
    AQuotaIsInTheWay,
    ARolloutWaits,
    AnotherVersionOperates,
    APersonPauses,
    AQuotaLeavesNoRoom,
    ARuleIsMissing,
    TheApiServerFails,
    APodHasNoSidecar,
    ASidecarIsAsked,
    SidecarsSayWhatTheySay,
    TablesArePrepared,
    AStoreAllowsNobody,
    OneNamespaceIsWatched,
}

use Story::{
    APersonPauses, APodHasNoSidecar, AQuotaIsInTheWay, AQuotaLeavesNoRoom,
    ARefusedTemplateChangesNothing, ARolloutWaits, ARuleIsMissing, ASidecarIsAsked,
    AStoreAllowsNobody, AWorkloadIsNotReadyForTheSidecar, AnotherVersionOperates,
    ItServesUntilItIsSuspended, OldPodsServeWhileNewOnesFail, OneNamespaceIsWatched,
    SidecarsSayWhatTheySay, TablesArePrepared, TheApiServerFails, WhatCannotWorkNeedsAPerson,
    WhatIsMissingIsWaitedFor,
};

impl Story {
    const ALL: [Self; 19] = [
        ItServesUntilItIsSuspended,
        WhatCannotWorkNeedsAPerson,
        ARefusedTemplateChangesNothing,
        WhatIsMissingIsWaitedFor,
        AWorkloadIsNotReadyForTheSidecar,
        OldPodsServeWhileNewOnesFail,
        AQuotaIsInTheWay,
        ARolloutWaits,
        AnotherVersionOperates,
        APersonPauses,
        AQuotaLeavesNoRoom,
        ARuleIsMissing,
        TheApiServerFails,
        APodHasNoSidecar,
        ASidecarIsAsked,
        SidecarsSayWhatTheySay,
        TablesArePrepared,
        AStoreAllowsNobody,
        OneNamespaceIsWatched,
    ];

    /// The story that reaches a reason.
    fn of(reason: Reason) -> Self {
        match reason {
            Reason::Valid
            | Reason::Resolved
            | Reason::RollingOut
            | Reason::Serving
            | Reason::Progressing
            | Reason::Suspended
            | Reason::PodsAvailable
            | Reason::UpToDate => ItServesUntilItIsSuspended,
            Reason::InvalidSpec
            | Reason::NotYetSupported
            | Reason::DomainConflict
            | Reason::NameTaken
            | Reason::ManagedByAnotherOperator => WhatCannotWorkNeedsAPerson,
            Reason::InvalidTemplate => ARefusedTemplateChangesNothing,
            Reason::WaitingForEventStore
            | Reason::EventStoreInvalid
            | Reason::WaitingForDomain
            | Reason::WaitingForDependency => WhatIsMissingIsWaitedFor,
            Reason::WorkloadConflict | Reason::WaitingForWorkload | Reason::WaitingForLabel => {
                AWorkloadIsNotReadyForTheSidecar
            }
            Reason::ProgressDeadlineExceeded => OldPodsServeWhileNewOnesFail,
            Reason::PodsUnavailable => AQuotaIsInTheWay,
            Reason::Paused => APersonPauses,
            Reason::QuotaExceeded => AQuotaLeavesNoRoom,
            Reason::NotPermitted => ARuleIsMissing,
            Reason::ApiServerError => TheApiServerFails,
            Reason::RolloutQueued => ARolloutWaits,
            Reason::SidecarUpdateAvailable => AnotherVersionOperates,
            Reason::SidecarMissing => APodHasNoSidecar,
            Reason::Acknowledged
            | Reason::Pending
            | Reason::LogicAnswers
            | Reason::LogicUnreachable
            | Reason::StorageAnswers => ASidecarIsAsked,
            Reason::Unverifiable
            | Reason::CaughtUp
            | Reason::Lagging
            | Reason::StorageUnreachable => SidecarsSayWhatTheySay,
            Reason::Migrated
            | Reason::Verified
            | Reason::SchemaPending
            | Reason::SchemaOutdated
            | Reason::SchemaFailed
            | Reason::StoreIdentityChanged => TablesArePrepared,
            Reason::ReferenceNotPermitted => AStoreAllowsNobody,
            Reason::NamespaceNotWatched => OneNamespaceIsWatched,
        }
    }

    async fn play(self) {
        if self == AStoreAllowsNobody {
            return grants::story().await;
        }
        let lake = Lake::new("reason").await;
        let record = Record::of(&lake);
        let (broken, wire) = match self {
            TheApiServerFails => Some(refusals::operate_over_a_broken_wire(&lake)).unzip(),
            _ => (None, None),
        };
        let mut running = match (self, broken) {
            (_, Some(running)) => running,
            (ARolloutWaits, None) => lake.operate_at_most(1),
            (ARuleIsMissing, None) => refusals::operate_without_services(&lake).await,
            (_, None) => lake.operate(),
        };
        match self {
            ItServesUntilItIsSuspended => serves_until_suspended(&lake, &record).await,
            WhatCannotWorkNeedsAPerson => needs_a_person(&lake, &record).await,
            ARefusedTemplateChangesNothing => refused_template(&lake, &record).await,
            WhatIsMissingIsWaitedFor => missing(&lake, &record).await,
            AWorkloadIsNotReadyForTheSidecar => unready_workload(&lake, &record).await,
            OldPodsServeWhileNewOnesFail => broken_rollout(&lake, &record).await,
            AQuotaIsInTheWay => quota(&lake, &record).await,
            ARolloutWaits => queued(&lake, &record).await,
            AnotherVersionOperates => running = updated(&lake, &record, running).await,
            APersonPauses => wishes::paused(&lake, &record).await,
            AQuotaLeavesNoRoom => refusals::no_room(&lake, &record).await,
            ARuleIsMissing => refusals::no_right(&lake, &record).await,
            TheApiServerFails => refusals::failing(&lake, &record, &wire.unwrap()).await,
            APodHasNoSidecar => bare_pod(&lake, &record).await,
            ASidecarIsAsked => probe::real(&lake, &record).await,
            AStoreAllowsNobody => {}
            OneNamespaceIsWatched => grants::unwatched(&lake, &record).await,
            TablesArePrepared => tables::story(&lake, &record).await,
            SidecarsSayWhatTheySay => probe::told(&lake, &record).await,
        }
        let own = Reason::ALL.into_iter().filter(|it| Self::of(*it) == self);
        let expected: BTreeSet<Said> = own
            .flat_map(|reason| {
                let seen = reason.entry().seen.iter();
                seen.map(move |(kind, state)| (*kind, *state, reason))
            })
            .collect();
        record.has_said(&expected).await;
        running.stop().await;
    }
}

#[test]
fn every_reason_is_reached_with_every_condition_that_the_manual_lists() {
    let played = Story::ALL.map(|story| {
        let play = move || Runtime::new().unwrap().block_on(story.play());
        (story, thread::spawn(play))
    });
    let ended = played.map(|(story, thread)| (story, thread.join().is_ok()));
    let failed: Vec<_> = ended.into_iter().filter(|(_, is_ok)| !is_ok).collect();
    assert!(failed.is_empty(), "{failed:?}; their messages are above");
}

async fn serves_until_suspended(lake: &Lake, record: &Record) {
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    record
        .reason("agg/nest", Type::Reconciling, Reason::RollingOut)
        .await;
    lake.pods_become_ready("nest", 1).await;
    record
        .reason("agg/nest", Type::Ready, Reason::Serving)
        .await;
    record.lacks("agg/nest", Type::Reconciling).await;
    lake.apply(&component(
        "Aggregate",
        "nest",
        "  domain: nest\n  suspend: true",
    ));
    record.lacks("agg/nest", Type::Ready).await;
}

async fn needs_a_person(lake: &Lake, record: &Record) {
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    record
        .reason("agg/nest", Type::Accepted, Reason::Valid)
        .await;
    let service = ["create", "service", "externalname", "reed-agg"];
    lake.kubectl(&[&service[..], &["--external-name", "reed.example"]].concat());
    let cases = [
        (
            component("Aggregate", "many", "  domain: many\n  replicas: 3"),
            "many",
            Reason::InvalidSpec,
        ),
        (
            component(
                "Aggregate",
                "pike",
                "  domain: pike\n  snapshots: {everyEvents: 10}",
            ),
            "pike",
            Reason::NotYetSupported,
        ),
        (
            component("Aggregate", "robber", "  domain: nest"),
            "robber",
            Reason::DomainConflict,
        ),
        (aggregate("reed"), "reed", Reason::NameTaken),
    ];
    // Given to this operator by somebody who forgot an object.
    lake.apply(&aggregate("carp"));
    record
        .reason("agg/carp", Type::Accepted, Reason::Valid)
        .await;
    lake.kubectl(&["label", "deployment/carp-agg", "angzarr.io/instance=lagoon"]);
    record
        .reason("agg/carp", Type::Stalled, Reason::ManagedByAnotherOperator)
        .await;
    for (text, name, reason) in cases {
        lake.apply(&text);
        record
            .reason(&format!("agg/{name}"), Type::Stalled, reason)
            .await;
    }
}

/// The children of a component with their generations or versions.
fn children(lake: &Lake) -> BTreeSet<String> {
    let kinds = "deployments,services,configmaps,serviceaccounts";
    let text = lake.kubectl(&["get", kinds, "--output", "json"]);
    let all: Value = serde_json::from_str(&text).unwrap();
    let all = all["items"].as_array().unwrap().iter();
    let ours = all.filter(|it| it["metadata"]["labels"]["angzarr.io/component"] == "nest");
    ours.map(|it| {
        format!(
            "{} {} {}",
            it["kind"], it["metadata"]["name"], it["spec"]["template"]
        )
    })
    .collect()
}

async fn refused_template(lake: &Lake, record: &Record) {
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    record
        .reason("agg/nest", Type::Reconciling, Reason::RollingOut)
        .await;
    let before = (
        children(lake),
        lake.get("configmap/nest-agg-routing")["data"].clone(),
    );
    let changed = component("Aggregate", "nest", "  domain: nest\n  sync: {timeout: 7s}");
    let pod = "      securityContext: {runAsNonRoot";
    lake.apply(&changed.replace(pod, &format!("      dnsPolicy: Nowhere\n{pod}")));
    let stalled = record
        .reason("agg/nest", Type::Stalled, Reason::InvalidTemplate)
        .await;
    let message = stalled["message"].as_str().unwrap();
    assert!(
        message.contains("dnsPolicy") && message.contains("Nowhere"),
        "{message}"
    );
    let after = (
        children(lake),
        lake.get("configmap/nest-agg-routing")["data"].clone(),
    );
    assert_eq!(before, after);
    lake.apply(&changed);
    record.lacks("agg/nest", Type::Stalled).await;
    let routing = lake.get("configmap/nest-agg-routing")["data"].clone();
    assert_ne!(routing, before.1);
}

async fn missing(lake: &Lake, record: &Record) {
    let saga = "  sources: [{domain: nest}]\n  targets: [{domain: reed}]";
    lake.apply(&(aggregate("nest") + &component("Saga", "feed", saga)));
    record
        .reason("agg/nest", Type::Ready, Reason::WaitingForDependency)
        .await;
    let bus = "{type: rabbitmq, rabbitmq: {connection: {secretRef: {name: lake}}}}";
    lake.apply(&STORE.replace("{type: direct}", bus));
    let invalid = record
        .reason(
            "agg/nest",
            Type::ReferencesResolved,
            Reason::EventStoreInvalid,
        )
        .await;
    let expected = format!(
        "spec.eventStoreRef.name: EventStore heron in namespace {} is not valid; its condition Accepted says why",
        lake.namespace
    );
    assert_eq!(invalid["message"], expected);
    lake.kubectl(&["delete", "evs/heron"]);
    lake.apply(STORE);
    record
        .reason("saga/feed", Type::Reconciling, Reason::WaitingForDomain)
        .await;
    lake.apply(&aggregate("reed"));
    record
        .reason("saga/feed", Type::ReferencesResolved, Reason::Resolved)
        .await;
}

async fn unready_workload(lake: &Lake, record: &Record) {
    lake.apply(&(SERVER.to_owned() + &existing("nest", "")));
    record
        .reason("agg/nest", Type::Reconciling, Reason::WaitingForWorkload)
        .await;
    lake.apply(&deployment("nest", "agg-other", json!({})));
    let waiting = record
        .reason("agg/nest", Type::Reconciling, Reason::WaitingForLabel)
        .await;
    let message = waiting["message"].as_str().unwrap();
    let line = "add to its spec.template.metadata.labels the line angzarr.io/inject: agg-nest";
    assert!(message.ends_with(line), "{message}");
    lake.apply(&deployment("nest", "agg-nest", json!({})));
    record
        .reason("agg/nest", Type::ReferencesResolved, Reason::Resolved)
        .await;
    let robber =
        existing("robber", "").replace("workloadRef: {name: robber}", "workloadRef: {name: nest}");
    lake.apply(&robber);
    let stalled = record
        .reason("agg/robber", Type::Stalled, Reason::WorkloadConflict)
        .await;
    let message = "spec.workloadRef: Deployment nest belongs to Aggregate/nest already; a workload runs the pods of one component";
    assert_eq!(stalled["message"], message);
    lake.kubectl(&["delete", "agg/nest"]);
    let waiting = record
        .reason("agg/robber", Type::Reconciling, Reason::WaitingForLabel)
        .await;
    assert!(waiting["message"].as_str().unwrap().ends_with("agg-robber"));
}

/// Says of a new pod of `nest` why it does not become ready.
pub(crate) async fn pods_fail(lake: &Lake) {
    let pods: Api<Pod> = Api::namespaced(lake.client.clone(), &lake.namespace);
    let of = ListParams::default().labels("angzarr.io/component=nest");
    let waiting = json!({ "reason": "ImagePullBackOff", "message": "no such image" });
    let logic = json!({
        "name": "logic", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": { "waiting": waiting },
    });
    let failing = json!({ "status": { "containerStatuses": [logic] } });
    let new = until("a new pod", async || {
        let found = pods.list(&of).await.unwrap().items.into_iter();
        let is_new = |pod: &Pod| {
            let status = pod.status.as_ref();
            status.is_none_or(|status| status.conditions.iter().flatten().next().is_none())
        };
        found
            .filter(is_new)
            .map(|it| it.name_any())
            .next()
            .ok_or("there is none".to_owned())
    })
    .await;
    let how = PatchParams::default();
    pods.patch_status(&new, &how, &Patch::Merge(&failing))
        .await
        .unwrap();
}

async fn broken_rollout(lake: &Lake, record: &Record) {
    let fields = "  domain: nest\n  rollout: {progressDeadlineSeconds: 2}";
    let good = component("Aggregate", "nest", fields);
    lake.apply(&(SERVER.to_owned() + &good));
    lake.pods_become_ready("nest", 1).await;
    record
        .reason("agg/nest", Type::Ready, Reason::Serving)
        .await;
    record.lacks("agg/nest", Type::Stalled).await;
    lake.apply(&good.replace("nest:1", "nest:broken"));
    pods_fail(lake).await;
    let stalled = record
        .condition("agg/nest", Type::Stalled, |it| {
            it["reason"] == Reason::ProgressDeadlineExceeded.as_str()
                && it["message"]
                    .as_str()
                    .unwrap()
                    .contains("container logic: ImagePullBackOff: no such image")
        })
        .await;
    assert_eq!(stalled["observedGeneration"], 2);
    let ready = record
        .reason("agg/nest", Type::Ready, Reason::Serving)
        .await;
    assert_eq!(
        (&ready["status"], &ready["observedGeneration"]),
        (&json!("True"), &json!(1))
    );
    let wait = ["wait", "agg/nest", "--for=condition=Ready", "--timeout=2s"];
    let inside = [&["--namespace", lake.namespace.as_str()], &wait[..]].concat();
    assert!(!lake.plane.try_kubectl(&inside, "").status.success());
    lake.apply(&good);
    record.lacks("agg/nest", Type::Stalled).await;
    record
        .condition("agg/nest", Type::Ready, |it| it["observedGeneration"] == 3)
        .await;
    lake.kubectl(&wait);
}

async fn quota(lake: &Lake, record: &Record) {
    lake.kubectl(&["create", "quota", "none", "--hard=pods=0"]);
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    record
        .condition("agg/nest", Type::Reconciling, |it| {
            it["message"]
                .as_str()
                .unwrap()
                .contains("exceeded quota: none")
        })
        .await;
}

async fn queued(lake: &Lake, record: &Record) {
    let both = aggregate("nest") + &aggregate("reed");
    lake.apply(&(STORE.to_owned() + &both));
    for name in ["nest", "reed"] {
        lake.pods_become_ready(name, 1).await;
        let object = format!("agg/{name}");
        record.reason(&object, Type::Ready, Reason::Serving).await;
    }
    lake.apply(&both.replace("nest:1", "nest:2"));
    record
        .reason("agg/nest", Type::Reconciling, Reason::RollingOut)
        .await;
    lake.apply(&both.replace(":1", ":2"));
    let waits = record
        .reason("agg/reed", Type::Reconciling, Reason::RolloutQueued)
        .await;
    assert_eq!(
        waits["message"],
        "its pods are replaced when it is its turn; not more than 1 at a time are rolled out"
    );
}

async fn updated(lake: &Lake, record: &Record, running: Running) -> Running {
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    lake.pods_become_ready("nest", 1).await;
    record
        .reason("agg/nest", Type::WorkloadUpToDate, Reason::UpToDate)
        .await;
    running.stop().await;
    let running = lake.operate_with("sidecar:10");
    record
        .reason(
            "agg/nest",
            Type::WorkloadUpToDate,
            Reason::SidecarUpdateAvailable,
        )
        .await;
    running
}

async fn bare_pod(lake: &Lake, record: &Record) {
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    lake.pods_become_ready("nest", 1).await;
    record
        .reason("agg/nest", Type::WorkloadUpToDate, Reason::UpToDate)
        .await;
    lake.apply(
        "
apiVersion: v1
kind: Pod
metadata: {name: bare, labels: {angzarr.io/kind: Aggregate, angzarr.io/component: nest}}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - {name: logic, image: 'nest:1', securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}
",
    );
    let missing = record
        .reason("agg/nest", Type::WorkloadUpToDate, Reason::SidecarMissing)
        .await;
    assert_eq!(missing["message"], "pod bare has no sidecar; delete it");
    lake.kubectl(&["delete", "pod/bare", "--now"]);
    record
        .reason("agg/nest", Type::WorkloadUpToDate, Reason::UpToDate)
        .await;
}
