//! Gauges of consumers, read off them whenever metrics are gathered.

use std::sync::Arc;

use angzarr_coordinator::consumer::{Consumer, Snapshot};
use opentelemetry::metrics::{AsyncInstrument, Meter};
use opentelemetry::{KeyValue, global};

/// Shows how far consumers are behind, what is parked for them, and what they have yet to send. To be called once, when all are known; the
/// consumers live as long as the process then.
pub fn observe_consumers(consumers: &[Arc<Consumer>]) {
    let meter = global::meter("angzarr");
    observe(
        &meter,
        "angzarr.consumer.lag",
        "Events between a source's head and a consumer's progress",
        consumers,
        |snapshot, gauge| {
            for source in &snapshot.sources {
                let mut labels = labels(snapshot);
                labels.push(KeyValue::new("domain", source.domain.to_string()));
                gauge.observe(source.lag, &labels);
            }
        },
    );
    observe(
        &meter,
        "angzarr.consumer.parked",
        "Roots that are parked for a consumer",
        consumers,
        |snapshot, gauge| gauge.observe(snapshot.parked, &labels(snapshot)),
    );
    observe(
        &meter,
        "angzarr.consumer.outgoing",
        "Commands and facts that a consumer has yet to send",
        consumers,
        |snapshot, gauge| gauge.observe(snapshot.outgoing as u64, &labels(snapshot)),
    );
    observe(
        &meter,
        "angzarr.consumer.ready",
        "1 when a consumer acts and the start of every source is stored, else 0",
        consumers,
        |snapshot, gauge| gauge.observe(u64::from(snapshot.is_ready), &labels(snapshot)),
    );
}

fn observe(
    meter: &Meter,
    name: &'static str,
    description: &'static str,
    consumers: &[Arc<Consumer>],
    show: impl Fn(&Snapshot, &dyn AsyncInstrument<u64>) + Send + Sync + 'static,
) {
    let consumers = consumers.to_vec();
    // The meter provider keeps the callback; the handle itself does nothing.
    let _gauge = meter
        .u64_observable_gauge(name)
        .with_description(description)
        .with_callback(move |gauge| {
            for consumer in &consumers {
                show(&consumer.snapshot(), gauge);
            }
        })
        .build();
}

fn labels(snapshot: &Snapshot) -> Vec<KeyValue> {
    vec![
        KeyValue::new("kind", snapshot.id.kind.as_str()),
        KeyValue::new("consumer", snapshot.id.name.to_string()),
    ]
}
