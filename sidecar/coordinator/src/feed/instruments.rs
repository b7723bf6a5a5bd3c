//! What is measured of appends on their way to subscribers.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};

use crate::model::Domain;

struct Instruments {
    duration: Histogram<f64>,
    total: Counter<u64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = global::meter("angzarr");
    Instruments {
        duration: meter
            .f64_histogram("angzarr.bus.publish.duration")
            .with_description(
                "From the reading of an append out of the log until a subscriber took it",
            )
            .with_unit("s")
            .build(),
        total: meter
            .u64_counter("angzarr.bus.publish.total")
            .with_description("Appends that subscribers took, each counted for each")
            .build(),
    }
});

/// The measurements of one subscription, with labels that are made ahead.
pub(super) struct Published {
    labels: [KeyValue; 2],
}

impl Published {
    pub(super) fn new(domain: &Domain) -> Self {
        Self {
            labels: [
                KeyValue::new("domain", domain.to_shared()),
                KeyValue::new("outcome", "ok"),
            ],
        }
    }

    /// Notes an append that was taken.
    pub(super) fn note(&self, waited: Duration) {
        INSTRUMENTS
            .duration
            .record(waited.as_secs_f64(), &self.labels);
        INSTRUMENTS.total.add(1, &self.labels);
    }
}
