//! What a consumer measures.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};

use crate::model::{ConsumerId, ConsumerKind, Domain};
use crate::port::logic;

struct Instruments {
    projector: Histogram<f64>,
    saga: Histogram<f64>,
    process_manager: Histogram<f64>,
    retries: Counter<u64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = global::meter("angzarr");
    let duration = |name: &'static str, description: &'static str| {
        meter
            .f64_histogram(name)
            .with_description(description)
            .with_unit("s")
            .build()
    };
    Instruments {
        projector: duration(
            "angzarr.projector.duration",
            "Calls to projectors, by outcome",
        ),
        saga: duration("angzarr.saga.duration", "Calls to sagas, by outcome"),
        process_manager: duration(
            "angzarr.pm.duration",
            "Calls to process managers, by outcome",
        ),
        retries: meter
            .u64_counter("angzarr.saga.retry.total")
            .with_description("Repeated sends of outgoing commands and facts")
            .build(),
    }
});

/// Notes a call to the logic.
pub(super) fn called<T>(
    consumer: &ConsumerId,
    domain: &Domain,
    answer: &Result<T, logic::Error>,
    took: Duration,
) {
    let outcome = match answer {
        Ok(_) => "ok",
        Err(logic::Error::Unreachable(_)) => "unreachable",
        Err(logic::Error::Broken(_)) => "broken",
        Err(logic::Error::Answered(_)) => "error",
        Err(logic::Error::Contract(_)) => "contract",
    };
    let histogram = match consumer.kind {
        ConsumerKind::Projector => &INSTRUMENTS.projector,
        ConsumerKind::Saga => &INSTRUMENTS.saga,
        ConsumerKind::ProcessManager => &INSTRUMENTS.process_manager,
    };
    histogram.record(
        took.as_secs_f64(),
        &[
            KeyValue::new("domain", domain.to_shared()),
            KeyValue::new("consumer", Arc::clone(&consumer.name)),
            KeyValue::new("outcome", outcome),
        ],
    );
}

/// Notes that outgoing work is sent again.
pub(super) fn retried(consumer: &ConsumerId, domain: &Domain) {
    INSTRUMENTS.retries.add(
        1,
        &[
            KeyValue::new("domain", domain.to_shared()),
            KeyValue::new("consumer", Arc::clone(&consumer.name)),
        ],
    );
}
