//! Runs a sidecar within the test, with a subscriber that keeps every span: all documented spans exist, with root and correlation id.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use angzarr_sidecar::run::run;
use angzarr_sidecar::settings::{CONFIG, ROUTING, Settings};
use angzarr_sidecar::telemetry::start_metrics;
use angzarr_tests::client::{command, execute_simple, root};
use angzarr_tests::probe::{Probes, aggregates, consumers};
use angzarr_tests::sidecar::{Place, until};
use tokio_util::sync::CancellationToken;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// The documented spans, each with its parent.
const PROMISED: [(&str, Option<&str>); 12] = [
    ("aggregate.handle", None),
    ("aggregate.load_events", Some("aggregate.handle")),
    ("aggregate.execute", Some("aggregate.handle")),
    ("aggregate.persist", Some("aggregate.handle")),
    ("aggregate.post_persist", Some("aggregate.handle")),
    ("aggregate.sync_projectors", Some("aggregate.post_persist")),
    ("saga.orchestrate", None),
    ("saga.retry", None),
    ("orchestration.fetch", None),
    ("orchestration.execute", None),
    ("projector.handle", None),
    ("aggregate.handle", Some("orchestration.execute")),
];

/// A span as it was opened, with what was recorded later.
#[derive(Debug, Clone, Default)]
struct Seen {
    name: &'static str,
    within: Option<&'static str>,
    fields: BTreeMap<&'static str, String>,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }
}

/// Keeps the spans of the pipeline.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<BTreeMap<u64, Seen>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with("angzarr")
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut seen = Seen {
            name: attributes.metadata().name(),
            within: context.lookup_current().map(|span| span.name()),
            ..Seen::default()
        };
        attributes.record(&mut seen);
        self.0.lock().unwrap().insert(id.into_u64(), seen);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        if let Some(seen) = self.0.lock().unwrap().get_mut(&id.into_u64()) {
            values.record(seen);
        }
    }
}

impl Spans {
    /// Whether a span with all its fields was opened in a parent, or anywhere.
    fn has(&self, name: &str, within: Option<&str>) -> bool {
        let spans = self.0.lock().unwrap();
        let is_whole = |seen: &Seen| {
            let root = seen.fields.get("root");
            root == Some(&"01010101-0101-0101-0101-010101010101".to_owned())
                && seen.fields.get("correlation_id") == Some(&"the-workflow".to_owned())
                && seen.fields.contains_key("domain")
        };
        let found = spans.values().find(|seen| {
            seen.name == name
                && within.is_none_or(|within| seen.within == Some(within))
                && is_whole(seen)
        });
        found.is_some()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_documented_span_has_root_and_correlation_id() {
    let spans = Spans::default();
    let registry = tracing_subscriber::registry().with(spans.clone());
    tracing::subscriber::set_global_default(registry).unwrap();
    let probes = Probes::start().await;
    // No sidecar serves the domain of the saga's facts, so that they are retried.
    let mut components = aggregates(probes.port);
    components.truncate(
        components
            .find("- {kind: aggregate, domain: notes")
            .unwrap(),
    );
    components.push_str(&consumers(probes.port));
    let place = Place::new("", &components);
    place.route(
        "{\"schemaVersion\":1,\"delivery\":{\"backoffInitial\":\"10ms\",\"backoffMax\":\"100ms\"}}",
    );
    let lookup = |name: &str| match name {
        CONFIG => Some(place.boot().into_os_string()),
        ROUTING => Some(place.routing().into_os_string()),
        _ => None,
    };
    let settings = Settings::from_variables(&lookup).unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(run(settings, start_metrics().unwrap(), stop.clone()));
    place.ready().await;

    // A projector that is faster than the command that waits for it has nothing to fetch.
    let mut turn = 0;
    until(async || {
        turn += 1;
        let mut add = command("Add", root(1), &format!("add-{turn}"));
        add.cover.as_mut().unwrap().correlation_id = "the-workflow".to_owned();
        execute_simple(place.channel(), add).await.unwrap();
        spans.has("orchestration.fetch", None)
    })
    .await;
    for (name, within) in PROMISED {
        until(async || spans.has(name, within)).await;
    }
    stop.cancel();
    running.await.unwrap().unwrap();
}
