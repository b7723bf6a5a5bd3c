//! The consumers of this sidecar: started, configured again, stopped.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use angzarr_config::boot::{self, Start};
use angzarr_config::routing::Routing;
use angzarr_coordinator::consumer::{Consumer, Error, OutgoingBound, Settings, Source};
use angzarr_coordinator::describe;
use angzarr_coordinator::model::{ConsumerId, Domain};
use angzarr_coordinator::port::bus::From;
use angzarr_coordinator::retry::{Jitter, Policy};
use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long calls of a consumer that stops may go on.
const GRACE: Duration = Duration::from_secs(10);

/// How much outgoing work of one consumer may wait: what is known of it takes about 4 MB of memory, and the rest stays in the store.
const OUTGOING: OutgoingBound = OutgoingBound {
    pieces: 10_000,
    bytes: 256 << 20,
};

/// All consumers.
#[derive(Clone, Default)]
pub(super) struct Fleet {
    consumers: Vec<Arc<Consumer>>,
}

impl Fleet {
    pub(super) fn add(&mut self, consumer: Arc<Consumer>) {
        self.consumers.push(consumer);
    }

    pub(super) fn list(&self) -> Vec<Arc<Consumer>> {
        self.consumers.clone()
    }

    /// Takes over the delivery settings of a routing.
    pub(super) fn configure(&self, routing: &Routing) {
        for consumer in &self.consumers {
            let before = consumer.settings();
            let (id, sources) = (before.id.clone(), before.sources.clone());
            consumer.configure(settings(id, sources, before.holder.clone(), routing));
        }
    }

    /// Starts all consumers.
    pub(super) fn start(&self) -> Running {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for consumer in &self.consumers {
            let (consumer, stop) = (Arc::clone(consumer), stop.clone());
            tasks.spawn(run(consumer, stop));
        }
        Running { stop, tasks }
    }
}

/// Runs a consumer until the stop. One whose source has another history stands still, visible in the status, since a person must decide; the
/// others go on.
async fn run(consumer: Arc<Consumer>, stop: CancellationToken) -> Result<()> {
    let name = consumer.settings().id.to_string();
    loop {
        match consumer.run(stop.clone()).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_retryable() => {
                tracing::warn!(consumer = name, %error, "the consumer starts again")
            }
            Err(error @ Error::Source { .. }) => {
                let error = describe(&error);
                tracing::error!(consumer = name, error, "the consumer stands still");
                stop.cancelled().await;
                return Ok(());
            }
            Err(error) => return Err(error).with_context(|| format!("run {name}")),
        }
    }
}

/// Consumers under way.
pub(super) struct Running {
    stop: CancellationToken,
    tasks: JoinSet<Result<()>>,
}

impl Running {
    /// Waits until a consumer fails; for ever, when none does.
    pub(super) async fn failed(&mut self) -> anyhow::Error {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended.map_err(anyhow::Error::from).flatten() {
                return error;
            }
        }
        std::future::pending().await
    }

    /// Stops all consumers; what runs is finished and stored.
    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended.map_err(anyhow::Error::from).flatten() {
                tracing::error!(%error, "a consumer ended badly");
            }
        }
    }
}

/// The settings of a consumer under a routing.
pub(super) fn settings(
    id: ConsumerId,
    sources: Vec<Source>,
    holder: String,
    routing: &Routing,
) -> Settings {
    let delivery = &routing.delivery;
    Settings {
        id,
        sources,
        holder,
        lease_ttl: routing.timeouts.lease,
        concurrency: delivery.concurrency,
        credit: delivery.credit,
        logic_budget: routing.timeouts.logic,
        command_budget: routing.timeouts.command,
        max_attempts: delivery.max_attempts,
        backoff: Policy {
            first: delivery.backoff_initial,
            longest: delivery.backoff_max,
            jitter: Jitter::Half,
        },
        outgoing: OUTGOING,
        grace: GRACE,
    }
}

/// Reads the sources of a component.
pub(super) fn read_sources(sources: &[boot::Source], start: Start) -> Result<Vec<Source>> {
    let read = sources.iter().map(|source| {
        let wanted: BTreeSet<_> = source.event_types.iter().cloned().collect();
        Ok(Source {
            domain: Domain::parse(&source.domain)
                .with_context(|| format!("read the source {:?}", source.domain))?,
            start: match start {
                Start::Beginning => From::Beginning,
                Start::Now => From::Now,
            },
            event_types: (!wanted.is_empty()).then_some(wanted),
        })
    });
    read.collect()
}
