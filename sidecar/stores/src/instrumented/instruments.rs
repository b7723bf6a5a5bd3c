//! What is measured of a store. Labels are texts that are held in common, so a call copies none.

use std::collections::HashMap;
use std::time::Instant;

use angzarr_coordinator::model::{Append, ConsumerId, Domain};
use angzarr_coordinator::port::store::Error;
use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};

/// The bounds of batch sizes.
const SIZES: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0,
];

/// What a call came to, as a label.
fn outcome<T>(answer: &Result<T, Error>) -> &'static str {
    match answer {
        Ok(_) => "ok",
        Err(Error::Unavailable(_)) => "unavailable",
        Err(Error::Full(_)) => "full",
        Err(Error::Fenced { .. }) => "fenced",
        Err(Error::Unstorable(_)) => "unstorable",
        Err(Error::Corrupt(_)) => "corrupt",
        Err(Error::Fatal(_)) => "fatal",
    }
}

/// The instruments of one store.
pub(super) struct Instruments {
    store: KeyValue,
    duration: Histogram<f64>,
    batch: Histogram<u64>,
    events_stored: Counter<u64>,
    events_loaded: Counter<u64>,
    snapshots_stored: Counter<u64>,
    positions_updated: Counter<u64>,
}

impl Instruments {
    pub(super) fn new(store: &'static str) -> Self {
        let meter = global::meter("angzarr");
        let count = |name: &'static str, description: &'static str| {
            let counter = meter.u64_counter(name);
            counter.with_description(description).build()
        };
        let duration = meter
            .f64_histogram("angzarr.storage.duration_seconds")
            .with_description("Calls to the store, by operation and outcome");
        let batch = meter
            .u64_histogram("angzarr.storage.batch_size")
            .with_description("Requests that went to the store in one call")
            .with_boundaries(SIZES.to_vec());
        Self {
            store: KeyValue::new("store", store),
            duration: duration.build(),
            batch: batch.build(),
            events_stored: count("angzarr.events.stored_total", "Events that were stored"),
            events_loaded: count("angzarr.events.loaded_total", "Events that were read"),
            snapshots_stored: count(
                "angzarr.snapshots.stored_total",
                "Snapshots that were stored with events",
            ),
            positions_updated: count(
                "angzarr.positions.updated_total",
                "Roots and sources in which a consumer got on",
            ),
        }
    }

    /// Waits for a call and notes how long it took and what it came to.
    pub(super) async fn measure<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let began = Instant::now();
        let answer = call.await;
        let labels = [
            KeyValue::new("operation", operation),
            self.store.clone(),
            KeyValue::new("outcome", outcome(&answer)),
        ];
        self.duration.record(began.elapsed().as_secs_f64(), &labels);
        answer
    }

    /// Notes how many entries are written in one call.
    pub(super) fn note_batch(&self, entries: usize) {
        let labels = [KeyValue::new("operation", "write"), self.store.clone()];
        self.batch.record(entries as u64, &labels);
    }

    /// Counts the events of appends that were stored, and the snapshots, for those appends that came with one.
    pub(super) fn count_stored<'a>(&self, appends: impl Iterator<Item = (&'a Append, bool)>) {
        let mut sums: HashMap<&Domain, (usize, usize)> = HashMap::new();
        for (append, has_snapshot) in appends {
            let (events, snapshots) = sums.entry(&append.stream.domain).or_default();
            *events += append.events.len();
            *snapshots += usize::from(has_snapshot);
        }
        for (domain, (events, snapshots)) in sums {
            self.add_of(&self.events_stored, domain, events);
            self.add_of(&self.snapshots_stored, domain, snapshots);
        }
    }

    /// Counts events that were read.
    pub(super) fn count_loaded(&self, domain: &Domain, events: usize) {
        self.add_of(&self.events_loaded, domain, events);
    }

    /// Counts the events of appends that were read.
    pub(super) fn count_appends(&self, domain: &Domain, appends: &[Append]) {
        let events = appends.iter().map(|append| append.events.len());
        self.count_loaded(domain, events.sum());
    }

    /// Counts the roots and sources in which a consumer got on.
    pub(super) fn count_moves(&self, consumer: &ConsumerId, moves: usize) {
        let name = KeyValue::new("consumer", consumer.name.clone());
        self.add(&self.positions_updated, name, moves);
    }

    fn add_of(&self, counter: &Counter<u64>, domain: &Domain, count: usize) {
        let domain = KeyValue::new("domain", domain.to_shared());
        self.add(counter, domain, count);
    }

    fn add(&self, counter: &Counter<u64>, of: KeyValue, count: usize) {
        if count > 0 {
            counter.add(count as u64, &[self.store.clone(), of]);
        }
    }
}
