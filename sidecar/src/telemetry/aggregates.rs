//! Gauges of aggregates, read off them whenever metrics are gathered.

use std::sync::Arc;

use opentelemetry::{KeyValue, global};

use crate::aggregates::Aggregates;

/// Shows how many commands are in flight, as long as the aggregates live. To be called once.
pub fn observe_aggregates(aggregates: &Arc<Aggregates>) {
    let aggregates = Arc::downgrade(aggregates);
    // The meter provider keeps the callback; the handle itself does nothing.
    let _gauge = global::meter("angzarr")
        .u64_observable_gauge("angzarr.command.in_flight")
        .with_description("Commands and records that are under way")
        .with_callback(move |gauge| {
            let Some(aggregates) = aggregates.upgrade() else {
                return;
            };
            for aggregate in aggregates.list() {
                let executor = aggregates.executor(&aggregate.domain);
                let in_flight = executor.map_or(0, |executor| executor.in_flight());
                let domain = KeyValue::new("domain", aggregate.domain.to_string());
                gauge.observe(in_flight as u64, &[domain]);
            }
        })
        .build();
}
