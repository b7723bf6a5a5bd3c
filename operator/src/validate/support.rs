//! Fields whose function is not built yet: they are accepted at their defaults only, so that nobody believes that they work.

use angzarr_crds::{
    AggregateSpec, AllowedNamespaces, Compensation, ComponentSpec, Concurrency, ConsumerSpec,
    EventStoreSpec, LAG_THRESHOLD, Limits, Logic, Protocol, SchemaSettings, Sidecar, Snapshots,
    Sync, Timeouts, UpdatePolicy,
};

use super::Report;
use crate::manifest::Spec;

/// A field, whether it stands at its default, and what to do otherwise.
type Row = (&'static str, bool, &'static str);

/// Reports each field that asks for something that is not built.
pub(super) fn check(report: &mut Report) {
    let resource = report.resource;
    let own = match &resource.spec {
        Spec::EventStore(store) => of_store(&store.spec),
        Spec::Aggregate(aggregate) => of_aggregate(&aggregate.spec),
        Spec::Projector(projector) => vec![(
            "spec.rebuild",
            projector.spec.rebuild.is_none(),
            "leave it out",
        )],
        Spec::Saga(saga) => of_saga(saga.spec.mode, &saga.spec.compensation, &saga.spec.timeouts),
        // The kind as a whole is refused.
        Spec::ProcessManager(_) => return,
    };
    let declared = resource.component();
    let shared = declared.map(|declared| of_component(declared.component()));
    let reading = declared
        .and_then(|declared| declared.consumer())
        .map(of_consumer);
    let rows = own
        .into_iter()
        .chain(shared.into_iter().flatten())
        .chain(reading.into_iter().flatten());
    for (field, is_default, advice) in rows {
        if !is_default {
            report.say(field, format!("is not supported yet; {advice}"));
        }
    }
}

fn of_store(spec: &EventStoreSpec) -> Vec<Row> {
    vec![
        ("spec.tls", spec.tls.is_none(), "leave it out"),
        (
            "spec.schema.policy",
            spec.schema == SchemaSettings::default(),
            "write Auto",
        ),
        (
            "spec.allowedNamespaces",
            spec.allowed_namespaces == AllowedNamespaces::default(),
            "leave it out",
        ),
        ("spec.restore", spec.restore.is_none(), "leave it out"),
    ]
}

fn of_aggregate(spec: &AggregateSpec) -> Vec<Row> {
    let (snapshots, sync, limits) = (Snapshots::default(), Sync::default(), Limits::default());
    let described = spec.contract.as_ref();
    vec![
        (
            "spec.snapshots.everyEvents",
            spec.snapshots.every_events == snapshots.every_events,
            "leave it out; a snapshot that the logic hands over is kept",
        ),
        (
            "spec.snapshots.keep",
            spec.snapshots.keep == snapshots.keep,
            "write 1",
        ),
        (
            "spec.concurrency.mergeStrategy",
            spec.concurrency == Concurrency::default(),
            "write Strict; a command can name another strategy itself",
        ),
        (
            "spec.sync.allow",
            spec.sync.allow == sync.allow,
            "leave it out",
        ),
        (
            "spec.sync.maxCascadeDepth",
            spec.sync.max_cascade_depth == sync.max_cascade_depth,
            "leave it out",
        ),
        (
            "spec.limits.maxCommandBytes",
            spec.limits.max_command_bytes == limits.max_command_bytes,
            "leave it out",
        ),
        (
            "spec.limits.commandTimeout",
            spec.limits.command_timeout == limits.command_timeout,
            "leave it out; callers set deadlines",
        ),
        ("spec.upcaster", spec.upcaster.is_none(), "leave it out"),
        (
            "spec.contract.descriptorRef",
            described.is_none_or(|contract| contract.descriptor_ref.is_none()),
            "leave it out",
        ),
    ]
}

fn of_saga(mode: angzarr_crds::Mode, compensation: &Compensation, timeouts: &Timeouts) -> Vec<Row> {
    vec![
        (
            "spec.mode",
            mode == angzarr_crds::Mode::Async,
            "write Async for a saga",
        ),
        (
            "spec.compensation",
            *compensation == Compensation::default(),
            "leave it out",
        ),
        (
            "spec.timeouts.prepare",
            timeouts.prepare == Timeouts::default().prepare,
            "leave it out",
        ),
    ]
}

fn of_consumer(spec: &ConsumerSpec) -> Vec<Row> {
    vec![(
        "spec.lagThreshold",
        spec.lag_threshold == LAG_THRESHOLD,
        "leave it out",
    )]
}

fn of_component(spec: &ComponentSpec) -> Vec<Row> {
    let (logic, sidecar) = (Logic::default(), Sidecar::default());
    let store = &spec.event_store_ref;
    vec![
        (
            "spec.eventStoreRef.connectionSecretRef",
            store.connection_secret_ref.is_none(),
            "leave it out",
        ),
        (
            "spec.eventStoreRef.busSecretRef",
            store.bus_secret_ref.is_none(),
            "leave it out",
        ),
        (
            "spec.logic.protocol",
            spec.logic.protocol != Protocol::Stream,
            "write Auto or Unary",
        ),
        (
            "spec.logic.startupTimeout",
            spec.logic.startup_timeout == logic.startup_timeout,
            "leave it out",
        ),
        (
            "spec.sidecar.updatePolicy",
            spec.sidecar.update_policy == UpdatePolicy::NextRollout,
            "write NextRollout",
        ),
        (
            "spec.sidecar.otel",
            spec.sidecar.otel == sidecar.otel,
            "leave it out",
        ),
    ]
}
