//! What the operator measures of itself, in Prometheus' form.

use std::time::Duration;

use angzarr_crds::Kind;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use super::queue::Next;

/// The buckets of reconciles, in seconds.
const SECONDS: [f64; 11] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// The metrics of one operator.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    registry: Registry,
    reconciles: IntCounterVec,
    durations: HistogramVec,
    writes: IntCounterVec,
    queue: IntGauge,
    leader: IntGauge,
}

impl Metrics {
    /// Metrics that count from zero.
    ///
    /// # Errors
    /// A name that is taken or malformed.
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let metrics = Self {
            registry: Registry::new(),
            reconciles: IntCounterVec::new(
                Opts::new(
                    "angzarr_operator_reconciles_total",
                    "Resources looked at, by kind and by result: done, failed, or gone.",
                ),
                &["kind", "result"],
            )?,
            durations: HistogramVec::new(
                HistogramOpts::new(
                    "angzarr_operator_reconcile_duration_seconds",
                    "How long a look at a resource took, by kind.",
                )
                .buckets(SECONDS.to_vec()),
                &["kind"],
            )?,
            writes: IntCounterVec::new(
                Opts::new(
                    "angzarr_operator_writes_total",
                    "Requests that change something, by resource of the API server and by HTTP method. Dry runs and the lease are not counted.",
                ),
                &["resource", "method"],
            )?,
            queue: IntGauge::new(
                "angzarr_operator_queue_length",
                "Resources that are due or looked at.",
            )?,
            leader: IntGauge::new(
                "angzarr_operator_leader",
                "1 while this process holds the lease, else 0.",
            )?,
        };
        let registry = &metrics.registry;
        registry.register(Box::new(metrics.reconciles.clone()))?;
        registry.register(Box::new(metrics.durations.clone()))?;
        registry.register(Box::new(metrics.writes.clone()))?;
        registry.register(Box::new(metrics.queue.clone()))?;
        registry.register(Box::new(metrics.leader.clone()))?;
        Ok(metrics)
    }

    /// The gauge of the queue.
    pub(super) fn queue(&self) -> IntGauge {
        self.queue.clone()
    }

    /// Counts a look at a resource.
    pub(super) fn count_reconcile(&self, kind: Kind, next: Next, took: Duration) {
        let result = match next {
            Next::Regular => "done",
            Next::Failed => "failed",
            Next::Never => "gone",
        };
        let kind = kind.as_str();
        self.reconciles.with_label_values(&[kind, result]).inc();
        self.durations
            .with_label_values(&[kind])
            .observe(took.as_secs_f64());
    }

    /// Counts a request that changes something.
    pub(super) fn count_write(&self, resource: &str, method: &str) {
        self.writes.with_label_values(&[resource, method]).inc();
    }

    /// Shows whether this process leads.
    pub(super) fn show_leader(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// All metrics as text.
    ///
    /// # Errors
    /// A metric that has no text.
    pub(super) fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}
