//! Gauges of the process as a whole, read off it whenever metrics are gathered.

use std::sync::Arc;

use opentelemetry::{KeyValue, global};

use crate::grpc::Memory;
use crate::health::{Health, Reach};

/// Shows whether the store answers, as long as its health is watched. To be called once.
pub fn observe_store(health: &Arc<Health>) {
    let health = Arc::downgrade(health);
    // The meter provider keeps the callback; the handle itself does nothing.
    let _gauge = global::meter("angzarr")
        .u64_observable_gauge("angzarr.store.reachable")
        .with_description("1 when the store answered its last probe, else 0")
        .with_callback(move |gauge| {
            if let Some(health) = health.upgrade() {
                gauge.observe(u64::from(health.store() == Reach::Reachable), &[]);
            }
        })
        .build();
}

/// Shows whether the logic of each component answers, as long as its health is watched. To be called once.
pub fn observe_logic(health: &Arc<Health>) {
    let health = Arc::downgrade(health);
    // As above.
    let _gauge = global::meter("angzarr")
        .u64_observable_gauge("angzarr.logic.reachable")
        .with_description("1 when the logic of a component answered its last probe, else 0")
        .with_callback(move |gauge| {
            let Some(health) = health.upgrade() else {
                return;
            };
            for (component, state) in health.components() {
                let labels = [
                    KeyValue::new("kind", component.kind.as_str()),
                    KeyValue::new("component", component.name.clone()),
                ];
                gauge.observe(u64::from(state == Reach::Reachable), &labels);
            }
        })
        .build();
}

/// Shows what calls hold of the memory that is allowed. To be called once.
pub fn observe_memory(memory: &Memory) {
    let memory = memory.clone();
    // As above.
    let _gauge = global::meter("angzarr")
        .u64_observable_gauge("angzarr.call.bytes")
        .with_description("Bytes that calls under way hold, by what they are held for")
        .with_unit("By")
        .with_callback(move |gauge| {
            for (held_for, budget) in memory.list() {
                let held_for = KeyValue::new("for", held_for);
                gauge.observe(budget.used() as u64, &[held_for]);
            }
        })
        .build();
}
