//! What is measured of a store, with labels that are made ahead: a call allocates nothing.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use angzarr_coordinator::model::{Append, ConsumerId, Domain};
use angzarr_coordinator::port::store::Error;
use opentelemetry::metrics::{Counter, Histogram, Meter};
use opentelemetry::{KeyValue, global};

/// The bounds of batch sizes.
const SIZES: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0,
];

/// What a call came to, as a label.
const OUTCOMES: [&str; 7] = [
    "ok",
    "unavailable",
    "full",
    "fenced",
    "unstorable",
    "corrupt",
    "fatal",
];

fn outcome<T>(answer: &Result<T, Error>) -> usize {
    match answer {
        Ok(_) => 0,
        Err(Error::Unavailable(_)) => 1,
        Err(Error::Full(_)) => 2,
        Err(Error::Fenced { .. }) => 3,
        Err(Error::Unstorable(_)) => 4,
        Err(Error::Corrupt(_)) => 5,
        Err(Error::Fatal(_)) => 6,
    }
}

/// The measurements of one operation.
pub(super) struct Operation {
    duration: Histogram<f64>,
    labels: [[KeyValue; 3]; OUTCOMES.len()],
}

impl Operation {
    /// Waits for a call and notes how long it took and what it came to.
    pub(super) async fn measure<T>(
        &self,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let began = Instant::now();
        let answer = call.await;
        let took = began.elapsed().as_secs_f64();
        self.duration.record(took, &self.labels[outcome(&answer)]);
        answer
    }
}

/// Makes the instruments of one store.
pub(super) struct Maker {
    meter: Meter,
    store: &'static str,
    duration: Histogram<f64>,
    batch: Histogram<u64>,
}

impl Maker {
    pub(super) fn new(store: &'static str) -> Self {
        let meter = global::meter("angzarr");
        let duration = meter
            .f64_histogram("angzarr.storage.duration_seconds")
            .with_description("Calls to the store, by operation and outcome")
            .build();
        let batch = meter
            .u64_histogram("angzarr.storage.batch_size")
            .with_description("Requests that went to the store in one call")
            .with_boundaries(SIZES.to_vec())
            .build();
        Self {
            meter,
            store,
            duration,
            batch,
        }
    }

    pub(super) fn operation(&self, operation: &'static str) -> Operation {
        let labels = |outcome| {
            [
                KeyValue::new("operation", operation),
                KeyValue::new("store", self.store),
                KeyValue::new("outcome", outcome),
            ]
        };
        Operation {
            duration: self.duration.clone(),
            labels: OUTCOMES.map(labels),
        }
    }

    pub(super) fn batch(&self, operation: &'static str) -> Batch {
        Batch {
            size: self.batch.clone(),
            labels: [
                KeyValue::new("operation", operation),
                KeyValue::new("store", self.store),
            ],
        }
    }

    pub(super) fn by_domain(&self, name: &'static str, description: &'static str) -> ByName {
        self.by_name("domain", name, description)
    }

    pub(super) fn by_consumer(&self, name: &'static str, description: &'static str) -> ByName {
        self.by_name("consumer", name, description)
    }

    fn by_name(
        &self,
        label: &'static str,
        name: &'static str,
        description: &'static str,
    ) -> ByName {
        let counter = self.meter.u64_counter(name).with_description(description);
        ByName {
            counter: counter.build(),
            store: self.store,
            label,
            labels: RwLock::default(),
        }
    }
}

/// The sizes of batches of one operation.
pub(super) struct Batch {
    size: Histogram<u64>,
    labels: [KeyValue; 2],
}

impl Batch {
    pub(super) fn note(&self, requests: usize) {
        self.size.record(requests as u64, &self.labels);
    }
}

/// A counter with a label for each domain or consumer that it has met; there are as many as are configured.
pub(super) struct ByName {
    counter: Counter<u64>,
    store: &'static str,
    label: &'static str,
    /// The std lock guards a look-up only.
    labels: RwLock<HashMap<Arc<str>, [KeyValue; 2]>>,
}

impl ByName {
    fn add(&self, name: &str, count: usize) {
        if count == 0 {
            return;
        }
        let known = self.labels.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(labels) = known.get(name) {
            self.counter.add(count as u64, labels);
            return;
        }
        drop(known);
        let name: Arc<str> = name.into();
        let labels = [
            KeyValue::new("store", self.store),
            KeyValue::new(self.label, Arc::clone(&name)),
        ];
        self.counter.add(count as u64, &labels);
        self.labels
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, labels);
    }

    /// Counts for a consumer.
    pub(super) fn add_of(&self, consumer: &ConsumerId, count: usize) {
        self.add(&consumer.name, count);
    }

    /// Counts the events of appends of one domain.
    pub(super) fn add_events(&self, domain: &Domain, appends: &[Append]) {
        let events = appends.iter().map(|append| append.events.len()).sum();
        self.add(domain.as_str(), events);
    }

    /// Counts so many for each domain, where neighbours are mostly of the same one.
    pub(super) fn add_each<'a>(&self, counts: impl Iterator<Item = (&'a Domain, usize)>) {
        let mut run: Option<(&Domain, usize)> = None;
        for (domain, count) in counts {
            match &mut run {
                Some((of, sum)) if *of == domain => *sum += count,
                Some((of, sum)) => {
                    self.add(of.as_str(), *sum);
                    run = Some((domain, count));
                }
                None => run = Some((domain, count)),
            }
        }
        if let Some((of, sum)) = run {
            self.add(of.as_str(), sum);
        }
    }
}
