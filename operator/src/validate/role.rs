//! What a component does, and the settings that its resource or its store gives it.

use std::time::Duration;

use angzarr_config::Routing;
use angzarr_config::boot::{Mode, Source, Start};
use angzarr_config::routing::LONGEST_TIME;
use angzarr_crds::{self as crds, EventStoreSpec, StartType};

use super::Report;

use crate::model::{Reads, Role};
use crate::resource::{Resource, Spec};

/// What a component does; `None` if that is not built yet, which `support` reports.
pub(super) fn read(resource: &Resource, declared: &dyn crds::Component) -> Option<Role> {
    match &resource.spec {
        Spec::EventStore(_) | Spec::ProcessManager(_) => None,
        Spec::Aggregate(aggregate) => Some(Role::Aggregate {
            domain: aggregate.spec.domain.clone(),
            snapshot_version: aggregate.spec.snapshots.version,
            emits: aggregate
                .spec
                .contract
                .as_ref()
                .map(|contract| contract.events.clone())
                .unwrap_or_default(),
        }),
        Spec::Projector(projector) => Some(Role::Projector {
            mode: decode_mode(projector.spec.mode),
            reads: read_sources(declared)?,
        }),
        Spec::Saga(saga) => Some(Role::Saga {
            reads: read_sources(declared)?,
            targets: saga
                .spec
                .targets
                .iter()
                .map(|target| target.domain.clone())
                .collect(),
            mode: decode_mode(saga.spec.mode),
        }),
    }
}

fn decode_mode(mode: crds::Mode) -> Mode {
    match mode {
        crds::Mode::Async => Mode::Async,
        crds::Mode::Sync => Mode::Sync,
    }
}

fn read_sources(declared: &dyn crds::Component) -> Option<Reads> {
    let start_from = declared
        .consumer()
        .and_then(|consumer| consumer.start_from.as_ref());
    let start = match start_from.map_or(declared.default_start(), |start| start.type_) {
        StartType::Beginning => Start::Beginning,
        StartType::Now => Start::Now,
        StartType::Position | StartType::Time => return None,
    };
    let sources = declared.sources().iter().map(|source| Source {
        domain: source.domain.clone(),
        event_types: source.event_types.clone(),
    });
    Some(Reads {
        sources: sources.collect(),
        start,
    })
}

/// Refuses durations of 0s and over 24h, which a sidecar refuses in its documents.
pub(super) fn check_spans(resource: &Resource, report: &mut Report) {
    let mut spans = Vec::new();
    let delivery = resource
        .component()
        .and_then(|declared| declared.consumer())
        .map(|consumer| &consumer.delivery);
    match &resource.spec {
        Spec::EventStore(store) => spans.extend(delivery_spans(&store.spec.delivery)),
        Spec::Aggregate(aggregate) => {
            spans.push(("spec.sync.timeout", Some(aggregate.spec.sync.timeout)));
            let client = aggregate.spec.limits.client_timeout;
            spans.push(("spec.limits.clientTimeout", Some(client)));
        }
        Spec::Saga(saga) => {
            spans.push(("spec.timeouts.command", Some(saga.spec.timeouts.command)));
        }
        Spec::Projector(_) | Spec::ProcessManager(_) => {}
    }
    spans.extend(delivery.into_iter().flat_map(delivery_spans));
    for (field, span) in spans {
        let Some(span) = span.map(crds::Duration::get) else {
            continue;
        };
        if span.is_zero() {
            report.say(field, "must be longer than 0s");
        } else if span > LONGEST_TIME {
            report.say(field, "must be at most 24h");
        }
    }
}

fn delivery_spans(delivery: &crds::Delivery) -> [(&'static str, Option<crds::Duration>); 3] {
    let backoff = delivery.backoff.as_ref();
    [
        (
            "spec.delivery.backoff.initial",
            backoff.map(|it| it.initial),
        ),
        ("spec.delivery.backoff.max", backoff.map(|it| it.max)),
        ("spec.delivery.timeout", delivery.timeout),
    ]
}

/// The settings of a sidecar: from its resource, else from its store, else the defaults.
pub(super) fn read_settings(
    resource: &Resource,
    declared: &dyn crds::Component,
    store: &EventStoreSpec,
) -> Routing {
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let mut settings = Routing::default();
    let drain = declared.component().sidecar.drain_seconds;
    settings.timeouts.drain = Duration::from_secs(drain.into());
    if let Spec::Aggregate(aggregate) = &resource.spec {
        let limits = &aggregate.spec.limits;
        settings.timeouts.sync = aggregate.spec.sync.timeout.get();
        settings.limits.append_pages = count(limits.max_events_per_command);
        settings.limits.in_flight = count(limits.max_in_flight);
        settings.limits.in_flight_per_root = count(limits.max_queued_per_root);
        let bytes = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        settings.limits.in_flight_bytes = bytes(limits.max_in_flight_bytes);
        settings.limits.query_bytes = bytes(limits.max_query_bytes);
        settings.timeouts.client = limits.client_timeout.get();
    }
    if let Spec::Saga(saga) = &resource.spec {
        settings.timeouts.command = saga.spec.timeouts.command.get();
    }
    if let Some(consumer) = declared.consumer() {
        let (own, others, delivery) = (&consumer.delivery, &store.delivery, &mut settings.delivery);
        if let Some(attempts) = own.max_attempts.or(others.max_attempts) {
            delivery.max_attempts = attempts;
        }
        if let Some(backoff) = own.backoff.as_ref().or(others.backoff.as_ref()) {
            delivery.backoff_initial = backoff.initial.get();
            delivery.backoff_max = backoff.max.get();
        }
        if let Some(timeout) = own.timeout.or(others.timeout) {
            settings.timeouts.logic = timeout.get();
        }
    }
    settings
}
