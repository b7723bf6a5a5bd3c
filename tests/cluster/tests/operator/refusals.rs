//! What is in the way of an operator from outside of the resource: no room, no right, no API server that answers.

use angzarr_operator::controller::{Reason, Type};

use super::faults::quick;
use super::lake::{Lake, Running, STORE, aggregate};
use super::record::Record;
use super::rights::holder;
use super::wire::{Call, Fault, Wire};

/// A quota leaves no room for a child.
pub(crate) async fn no_room(lake: &Lake, record: &Record) {
    lake.kubectl(&["create", "quota", "few", "--hard=services=1"]);
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    let stalled = record
        .reason("agg/nest", Type::Stalled, Reason::QuotaExceeded)
        .await;
    let message = stalled["message"].as_str().unwrap();
    assert!(
        message.starts_with("there is no room for Service nest-agg-peers: ")
            && message.contains("exceeded quota: few"),
        "{message}"
    );
    lake.kubectl(&["delete", "quota", "few"]);
    record
        .reason("agg/nest", Type::Reconciling, Reason::RollingOut)
        .await;
}

/// An operator that may do everything but create and delete Services.
pub(crate) async fn operate_without_services(lake: &Lake) -> Running {
    lake.kubectl(&["create", "serviceaccount", "poor"]);
    let may = |role: &str, verbs: &str, resources: &str| {
        let (verbs, resources) = (format!("--verb={verbs}"), format!("--resource={resources}"));
        lake.kubectl(&["create", "role", role, &verbs, &resources]);
        let (of, to) = (
            format!("--role={role}"),
            format!("--serviceaccount={}:poor", lake.namespace),
        );
        lake.kubectl(&["create", "rolebinding", role, &of, &to]);
    };
    let others = super::world::KINDS.replace("services,", "").replacen(
        "deployments,",
        "deployments.apps,",
        1,
    );
    may(
        "others",
        "*",
        &format!("{others},pods,replicasets.apps,statefulsets.apps,events.events.k8s.io"),
    );
    may(
        "resources",
        "*",
        "eventstores,aggregates,projectors,sagas,processmanagers",
    );
    let statuses = [
        "eventstores",
        "aggregates",
        "projectors",
        "sagas",
        "processmanagers",
    ];
    may(
        "statuses",
        "*",
        &statuses.map(|it| format!("{it}/status")).join(","),
    );
    may("services", "get,list,watch,patch", "services");
    let client = holder(lake.plane, &lake.client, (&lake.namespace, "poor")).await;
    lake.operate_over(client, quick())
}

/// The role lacks a rule.
pub(crate) async fn no_right(lake: &Lake, record: &Record) {
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    let stalled = record
        .reason("agg/nest", Type::Stalled, Reason::NotPermitted)
        .await;
    assert_eq!(
        stalled["message"],
        format!(
            "the operator's role lacks a rule in namespace {}: {{apiGroups: [\"\"], resources: [services], verbs: [create]}}",
            lake.namespace
        )
    );
    lake.kubectl(&["delete", "role", "services"]);
    lake.kubectl(&[
        "create",
        "role",
        "services",
        "--verb=*",
        "--resource=services",
    ]);
    record
        .reason("agg/nest", Type::Reconciling, Reason::RollingOut)
        .await;
}

/// An operator for which the API server fails at each write of a Service.
pub(crate) fn operate_over_a_broken_wire(lake: &Lake) -> (Running, std::sync::Arc<Wire>) {
    let wire = Wire::new(lake.account.clone());
    wire.fail(|call: &Call| {
        let is_service = call.path.contains("/services/");
        (call.is_write() && is_service).then_some(Fault::Code(503))
    });
    (lake.operate_over(wire.client(), quick()), wire)
}

/// The API server fails for long.
pub(crate) async fn failing(lake: &Lake, record: &Record, wire: &Wire) {
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    let delayed = record
        .reason("agg/nest", Type::Reconciling, Reason::ApiServerError)
        .await;
    let message = delayed["message"].as_str().unwrap();
    assert!(
        message.starts_with("apply Service nest-agg: ") && message.ends_with("; it is tried again"),
        "{message}"
    );
    wire.mend();
    record
        .reason("agg/nest", Type::Reconciling, Reason::RollingOut)
        .await;
}
