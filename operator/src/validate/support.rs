//! Fields without a function yet: they are accepted at their defaults only, so that they cannot be mistaken for working ones.

use angzarr_crds::{
    AggregateSpec, AllowedNamespaces, Compensation, ComponentSpec, Concurrency, ConsumerSpec,
    EventStoreSpec, LAG_THRESHOLD, Limits, Logic, Mode, Protocol, SagaSpec, SchemaSettings,
    Sidecar, Snapshots, Sync, Timeouts, UpdatePolicy,
};

use super::Report;
use crate::resource::Spec;

/// A field, and whether it has its default.
type Row = (&'static str, bool);

/// Reports each field that asks for something that is not supported yet.
pub(super) fn check(report: &mut Report) {
    let resource = report.resource;
    let mut rows = match &resource.spec {
        Spec::EventStore(store) => of_store(&store.spec),
        Spec::Aggregate(aggregate) => of_aggregate(&aggregate.spec),
        Spec::Projector(projector) => vec![("spec.rebuild", projector.spec.rebuild.is_none())],
        Spec::Saga(saga) => of_saga(&saga.spec),
        // The kind as a whole is refused.
        Spec::ProcessManager(_) => return,
    };
    if let Some(declared) = resource.component() {
        rows.extend(of_component(declared.component()));
        rows.extend(declared.consumer().map(of_consumer));
    }
    for (field, is_default) in rows {
        if !is_default {
            report.unsupported(field, advice(field));
        }
    }
}

/// What to do about a field that does not have its default.
fn advice(field: &str) -> &'static str {
    match field {
        "spec.schema.policy" => "write Auto",
        "spec.snapshots.everyEvents" => "leave it out; snapshots that the logic returns are kept",
        "spec.snapshots.keep" => "write 1",
        "spec.concurrency.mergeStrategy" => {
            "write Strict; a command can name another strategy itself"
        }
        "spec.limits.commandTimeout" => "leave it out; callers set deadlines",
        "spec.mode" => "write Async for a saga",
        "spec.logic.protocol" => "write Auto or Unary",
        "spec.sidecar.updatePolicy" => "write NextRollout",
        _ => "leave it out",
    }
}

fn of_store(spec: &EventStoreSpec) -> Vec<Row> {
    let schema = spec.schema == SchemaSettings::default();
    let namespaces = spec.allowed_namespaces == AllowedNamespaces::default();
    vec![
        ("spec.tls", spec.tls.is_none()),
        ("spec.schema.policy", schema),
        ("spec.allowedNamespaces", namespaces),
        ("spec.restore", spec.restore.is_none()),
    ]
}

fn of_aggregate(spec: &AggregateSpec) -> Vec<Row> {
    let (snapshots, sync, limits) = (&spec.snapshots, &spec.sync, &spec.limits);
    let depth = sync.max_cascade_depth == Sync::default().max_cascade_depth;
    let bytes = limits.max_command_bytes == Limits::default().max_command_bytes;
    let timeout = limits.command_timeout == Limits::default().command_timeout;
    let strategy = spec.concurrency == Concurrency::default();
    let contract = spec.contract.as_ref();
    let descriptors = contract.and_then(|contract| contract.descriptor_ref.as_ref());
    vec![
        (
            "spec.snapshots.everyEvents",
            snapshots.every_events.is_none(),
        ),
        (
            "spec.snapshots.keep",
            snapshots.keep == Snapshots::default().keep,
        ),
        ("spec.concurrency.mergeStrategy", strategy),
        ("spec.sync.allow", sync.allow == Sync::default().allow),
        ("spec.sync.maxCascadeDepth", depth),
        ("spec.limits.maxCommandBytes", bytes),
        ("spec.limits.commandTimeout", timeout),
        ("spec.upcaster", spec.upcaster.is_none()),
        ("spec.contract.descriptorRef", descriptors.is_none()),
    ]
}

fn of_saga(spec: &SagaSpec) -> Vec<Row> {
    let compensation = spec.compensation == Compensation::default();
    let prepare = spec.timeouts.prepare == Timeouts::default().prepare;
    vec![
        ("spec.mode", spec.mode == Mode::Async),
        ("spec.compensation", compensation),
        ("spec.timeouts.prepare", prepare),
    ]
}

fn of_consumer(spec: &ConsumerSpec) -> Row {
    ("spec.lagThreshold", spec.lag_threshold == LAG_THRESHOLD)
}

fn of_component(spec: &ComponentSpec) -> Vec<Row> {
    let (store, logic, sidecar) = (&spec.event_store_ref, &spec.logic, &spec.sidecar);
    let connection = store.connection_secret_ref.is_none();
    let startup = logic.startup_timeout == Logic::default().startup_timeout;
    let policy = sidecar.update_policy == UpdatePolicy::NextRollout;
    vec![
        ("spec.eventStoreRef.connectionSecretRef", connection),
        (
            "spec.eventStoreRef.busSecretRef",
            store.bus_secret_ref.is_none(),
        ),
        ("spec.logic.protocol", logic.protocol != Protocol::Stream),
        ("spec.logic.startupTimeout", startup),
        ("spec.sidecar.updatePolicy", policy),
        ("spec.sidecar.otel", sidecar.otel == Sidecar::default().otel),
    ]
}
