//! The metrics of the pipeline, counted as it reports them.

use std::sync::Arc;
use std::time::Duration;

use angzarr_coordinator::model::{ConsumerId, ConsumerKind, Domain};
use angzarr_coordinator::port::logic;
use angzarr_coordinator::port::observer::{CommandEnd, Limit, LogicCall, Observer};
use opentelemetry::metrics::{Counter, Histogram, Meter};
use opentelemetry::{KeyValue, global};

/// Counts what the pipeline reports. Labels share the text of names, so no report allocates.
pub struct Measures {
    command_duration: Histogram<f64>,
    command_total: Counter<u64>,
    limit_near: Counter<u64>,
    publish_duration: Histogram<f64>,
    publish_total: Counter<u64>,
    projector_duration: Histogram<f64>,
    saga_duration: Histogram<f64>,
    process_manager_duration: Histogram<f64>,
    saga_retries: Counter<u64>,
}

impl Measures {
    /// Makes the instruments of the meter that is global now.
    pub fn of_global_meter() -> Self {
        let meter = global::meter("angzarr");
        Self {
            command_duration: seconds(
                &meter,
                "angzarr.command.duration",
                "Commands and records from their arrival to a durable result or refusal, by outcome",
            ),
            command_total: counter(
                &meter,
                "angzarr.command.total",
                "Commands and records, by outcome",
            ),
            limit_near: counter(
                &meter,
                "angzarr.limit.near.total",
                "Commands that used four fifths of a limit or more",
            ),
            publish_duration: seconds(
                &meter,
                "angzarr.bus.publish.duration",
                "From the reading of an append out of the log until a subscriber took it",
            ),
            publish_total: counter(
                &meter,
                "angzarr.bus.publish.total",
                "Appends that subscribers took, each counted for each",
            ),
            projector_duration: seconds(
                &meter,
                "angzarr.projector.duration",
                "Calls to projectors, by outcome",
            ),
            saga_duration: seconds(
                &meter,
                "angzarr.saga.duration",
                "Calls to sagas, by outcome",
            ),
            process_manager_duration: seconds(
                &meter,
                "angzarr.pm.duration",
                "Calls to process managers, by outcome",
            ),
            saga_retries: counter(
                &meter,
                "angzarr.saga.retry.total",
                "Repeated sends of outgoing commands and facts",
            ),
        }
    }
}

fn seconds(meter: &Meter, name: &'static str, description: &'static str) -> Histogram<f64> {
    meter
        .f64_histogram(name)
        .with_description(description)
        .with_unit("s")
        .build()
}

fn counter(meter: &Meter, name: &'static str, description: &'static str) -> Counter<u64> {
    meter
        .u64_counter(name)
        .with_description(description)
        .build()
}

impl Observer for Measures {
    fn command_ended(&self, domain: &Domain, end: CommandEnd, took: Duration) {
        let outcome = match end {
            CommandEnd::Executed => "ok",
            CommandEnd::Replayed => "replayed",
            CommandEnd::Invalid => "invalid",
            CommandEnd::Conflict => "conflict",
            CommandEnd::Refused => "refused",
            CommandEnd::Contract => "contract",
            CommandEnd::Unavailable => "unavailable",
            CommandEnd::Busy => "busy",
            CommandEnd::StoreFull => "full",
            CommandEnd::HistoryTooLarge => "too_large",
            CommandEnd::Late => "late",
            CommandEnd::Unknown => "unknown",
        };
        let labels = [of_domain(domain), KeyValue::new("outcome", outcome)];
        self.command_duration.record(took.as_secs_f64(), &labels);
        self.command_total.add(1, &labels);
    }

    fn limit_neared(&self, domain: &Domain, limit: Limit) {
        let limit = match limit {
            Limit::PageBytes => "pageBytes",
            Limit::AppendBytes => "appendBytes",
            Limit::AppendPages => "appendPages",
            Limit::HistoryBytes => "historyBytes",
            Limit::InFlightPerRoot => "inFlightPerRoot",
            Limit::InFlight => "inFlight",
        };
        self.limit_near
            .add(1, &[of_domain(domain), KeyValue::new("limit", limit)]);
    }

    fn append_taken(&self, domain: &Domain, waited: Duration) {
        let labels = [of_domain(domain), KeyValue::new("outcome", "ok")];
        self.publish_duration.record(waited.as_secs_f64(), &labels);
        self.publish_total.add(1, &labels);
    }

    fn logic_called(&self, call: &LogicCall<'_>) {
        let outcome = match call.error {
            None => "ok",
            Some(logic::Error::Unreachable(_)) => "unreachable",
            Some(logic::Error::Broken(_)) => "broken",
            Some(logic::Error::Status(_)) => "error",
            Some(logic::Error::Unimplemented { .. }) => "unimplemented",
            Some(logic::Error::Contract(_)) => "contract",
        };
        let duration = match call.consumer.kind {
            ConsumerKind::Projector => &self.projector_duration,
            ConsumerKind::Saga => &self.saga_duration,
            ConsumerKind::ProcessManager => &self.process_manager_duration,
        };
        duration.record(
            call.took.as_secs_f64(),
            &[
                of_domain(call.domain),
                of_consumer(call.consumer),
                KeyValue::new("outcome", outcome),
            ],
        );
    }

    fn outgoing_repeated(&self, consumer: &ConsumerId, domain: &Domain) {
        self.saga_retries
            .add(1, &[of_domain(domain), of_consumer(consumer)]);
    }
}

fn of_domain(domain: &Domain) -> KeyValue {
    KeyValue::new("domain", domain.to_shared())
}

fn of_consumer(consumer: &ConsumerId) -> KeyValue {
    KeyValue::new("consumer", Arc::clone(&consumer.name))
}
