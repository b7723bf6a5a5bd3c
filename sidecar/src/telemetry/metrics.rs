//! Metrics of this process, gathered for Prometheus.
//!
//! # Design
//! Instruments have the names that are promised to users, dots and all; on `/metrics` a dot becomes `_` and a unit of seconds is appended. Counters
//! get no further `_total`, since their names end with it.

use opentelemetry::global;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, SdkMeterProvider, Stream,
};
use prometheus::Registry;

/// The buckets of everything that lasts, from 0.1 ms to 30 s.
const SECONDS: [f64; 17] = [
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
    10.0, 30.0,
];

/// Starts to measure: whatever asks the global meter from now on is found in the registry.
///
/// # Errors
/// The exporter's.
pub fn start_metrics() -> Result<Registry, OTelSdkError> {
    let registry = Registry::new();
    global::set_meter_provider(provider(registry.clone())?);
    Ok(registry)
}

fn provider(registry: Registry) -> Result<SdkMeterProvider, OTelSdkError> {
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(registry)
        .without_counter_suffixes()
        .without_target_info()
        .scope_info_enabled(false)
        .build()?;
    Ok(SdkMeterProvider::builder()
        .with_reader(exporter)
        .with_view(durations)
        .build())
}

/// Gives every histogram of seconds the same buckets.
fn durations(instrument: &Instrument) -> Option<Stream> {
    let is_duration = instrument.unit() == "s" || instrument.name().ends_with("_seconds");
    if instrument.kind() != InstrumentKind::Histogram || !is_duration {
        return None;
    }
    let aggregation = Aggregation::ExplicitBucketHistogram {
        boundaries: SECONDS.to_vec(),
        record_min_max: false,
    };
    // The boundaries ascend, so the stream is valid.
    Stream::builder().with_aggregation(aggregation).build().ok()
}

#[cfg(test)]
mod tests {
    use opentelemetry::metrics::MeterProvider;
    use prometheus::{Encoder, TextEncoder};

    use super::*;

    #[test]
    fn names_and_buckets_are_those_that_are_promised() {
        let registry = Registry::new();
        let provider = provider(registry.clone()).unwrap();
        let meter = provider.meter("angzarr");
        meter
            .u64_counter("angzarr.command.total")
            .build()
            .add(2, &[]);
        let lasted = meter
            .f64_histogram("angzarr.command.duration")
            .with_unit("s")
            .build();
        lasted.record(0.00015, &[]);
        let stored = meter
            .f64_histogram("angzarr.storage.duration_seconds")
            .build();
        stored.record(0.3, &[]);
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&registry.gather(), &mut text)
            .unwrap();
        let text = String::from_utf8(text).unwrap();
        for line in [
            "angzarr_command_total 2",
            "angzarr_command_duration_seconds_bucket{le=\"0.0001\"} 0",
            "angzarr_command_duration_seconds_bucket{le=\"0.0002\"} 1",
            "angzarr_command_duration_seconds_bucket{le=\"30\"} 1",
            "angzarr_storage_duration_seconds_bucket{le=\"0.5\"} 1",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
