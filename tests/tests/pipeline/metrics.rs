//! Reads `/metrics` of a sidecar after some work: every documented metric exists, with its labels.

use angzarr_tests::client::{command, execute, execute_simple, pages, root};
use angzarr_tests::probe::{Probes, aggregates};
use angzarr_tests::sidecar::{Place, Process, until};

use crate::PROGRAM;

/// The content of `/metrics`, one line for each sample.
struct Metrics(String);

impl Metrics {
    async fn read(place: &Place) -> Self {
        Self(place.ask_http("GET", "/metrics").await)
    }

    /// The sum of all samples of a name that have the labels.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let samples = self.0.lines().filter(|line| {
            let rest = line.strip_prefix(name).unwrap_or_default();
            let has =
                |(label, value): &(&str, &str)| rest.contains(&format!("{label}=\"{value}\""));
            rest.starts_with(['{', ' ']) && labels.iter().all(has)
        });
        let values = samples.map(|line| line.rsplit(' ').next().unwrap());
        values.map(|value| value.parse::<f64>().unwrap()).sum()
    }

    #[track_caller]
    fn assert_counted(&self, name: &str, labels: &[(&str, &str)]) {
        let sum = self.sum(name, labels);
        assert!(
            sum > 0.0,
            "{name} with {labels:?} is missing in\n{}",
            self.0
        );
    }
}

/// A sidecar that has executed commands, projected and reacted.
async fn worked() -> (Probes, Place, Process) {
    let probes = Probes::start().await;
    let place = Place::new(PROGRAM, &probes.components());
    let process = place.start_ready().await;
    for turn in 0..6 {
        let add = command("Add", root(1), &format!("add-{turn}"));
        execute_simple(place.channel(), add).await.unwrap();
    }
    until(async || {
        let mirrored = pages(place.channel(), "mirror", root(1)).await;
        mirrored.unwrap().len() == 6
    })
    .await;
    until(async || probes.journal.count(&root(1)) == 6).await;
    (probes, place, process)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_of_the_store_have_the_documented_names() {
    let (_probes, place, _process) = worked().await;
    let metrics = Metrics::read(&place).await;
    for operation in ["write", "load", "read_partition", "acquire"] {
        let labels = [
            ("operation", operation),
            ("store", "sqlite"),
            ("outcome", "ok"),
        ];
        metrics.assert_counted("angzarr_storage_duration_seconds_count", &labels);
        metrics.assert_counted("angzarr_storage_duration_seconds_bucket", &labels);
    }
    metrics.assert_counted(
        "angzarr_storage_batch_size_count",
        &[("operation", "write")],
    );
    let tally = [("store", "sqlite"), ("domain", "tally")];
    assert_eq!(metrics.sum("angzarr_events_stored_total", &tally), 6.0);
    metrics.assert_counted("angzarr_events_loaded_total", &tally);
    metrics.assert_counted("angzarr_snapshots_stored_total", &tally);
    for consumer in ["ledger", "mirror"] {
        let labels = [("store", "sqlite"), ("consumer", consumer)];
        metrics.assert_counted("angzarr_positions_updated_total", &labels);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_of_the_pipeline_have_the_documented_names() {
    let (_probes, place, _process) = worked().await;
    let send = async |name, id| execute(place.channel(), command(name, root(1), id)).await;
    send("Add", "add-0").await.unwrap();
    send("Refuse", "refused").await.unwrap_err();
    send("Huge", "huge").await.unwrap_err();
    let hanging = tokio::spawn(execute(place.channel(), command("Hang", root(2), "hangs")));
    let in_flight = async || {
        let metrics = Metrics::read(&place).await;
        metrics.sum("angzarr_command_in_flight", &[("domain", "tally")])
    };
    until(async || in_flight().await == 1.0).await;
    hanging.abort();
    let metrics = Metrics::read(&place).await;
    for (outcome, count) in [
        ("ok", 6.0),
        ("replayed", 1.0),
        ("refused", 1.0),
        ("contract", 1.0),
    ] {
        let labels = [("domain", "tally"), ("outcome", outcome)];
        assert_eq!(
            metrics.sum("angzarr_command_total", &labels),
            count,
            "{outcome}"
        );
        let timed = metrics.sum("angzarr_command_duration_seconds_count", &labels);
        assert_eq!(timed, count, "{outcome}");
    }
    let page = [("domain", "tally"), ("limit", "pageBytes")];
    assert_eq!(metrics.sum("angzarr_limit_near_total", &page), 1.0);
    for (name, consumer) in [
        ("angzarr_saga_duration_seconds_count", "mirror"),
        ("angzarr_projector_duration_seconds_count", "ledger"),
        ("angzarr_projector_duration_seconds_count", "journal"),
    ] {
        let labels = [
            ("domain", "tally"),
            ("consumer", consumer),
            ("outcome", "ok"),
        ];
        metrics.assert_counted(name, &labels);
    }
    let published = [("domain", "tally"), ("outcome", "ok")];
    metrics.assert_counted("angzarr_bus_publish_total", &published);
    metrics.assert_counted("angzarr_bus_publish_duration_seconds_count", &published);
    metrics.assert_counted("angzarr_consumer_ready", &[("consumer", "mirror")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_of_a_saga_are_counted() {
    let probes = Probes::start().await;
    let at = probes.port;
    let saga = "kind: saga, name: mirror, startFrom: beginning, sources: [{domain: tally}]";
    // No sidecar serves the domain that the saga sends commands to.
    let components = aggregates(at).lines().next().unwrap().to_owned()
        + &format!("\n- {{{saga}, logic: '127.0.0.1:{at}'}}\n");
    let place = Place::new(PROGRAM, &components);
    place.route(
        "{\"schemaVersion\":1,\"delivery\":{\"backoffInitial\":\"10ms\",\"backoffMax\":\"100ms\"}}",
    );
    let _process = place.start_ready().await;
    execute(place.channel(), command("Add", root(1), "one"))
        .await
        .unwrap();
    let labels = [("domain", "mirror"), ("consumer", "mirror")];
    until(async || {
        Metrics::read(&place)
            .await
            .sum("angzarr_saga_retry_total", &labels)
            > 1.0
    })
    .await;
}
