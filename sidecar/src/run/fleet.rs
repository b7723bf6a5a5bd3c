//! The consumers of this sidecar: started, configured again, stopped.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use angzarr_config::Boot;
use angzarr_config::boot::{self, Start};
use angzarr_config::routing::Routing;
use angzarr_coordinator::consumer::{Consumer, Error, OutgoingBounds, Settings, Source};
use angzarr_coordinator::describe;
use angzarr_coordinator::model::{ConsumerId, ConsumerKind, Domain};
use angzarr_coordinator::port::bus::From;
use angzarr_coordinator::port::store;
use angzarr_coordinator::retry::{Jitter, Policy};
use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long calls of a consumer that stops may go on.
const GRACE: Duration = Duration::from_secs(10);

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

    /// Whether a consumer sends commands.
    pub(super) fn has_sagas(&self) -> bool {
        let mut kinds = self.consumers.iter().map(|it| it.settings().id.kind);
        kinds.any(|kind| kind != ConsumerKind::Projector)
    }

    /// Takes over the delivery settings of a routing.
    pub(super) fn configure(&self, routing: &Routing) {
        for consumer in &self.consumers {
            let before = consumer.settings();
            let constant = Constant {
                id: before.id.clone(),
                sources: before.sources.clone(),
                holder: before.holder.clone(),
                start_over: before.start_over.clone(),
            };
            consumer.configure(settings(constant, routing));
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

/// Runs a consumer until the stop. One whose source has another history, or whose progress cannot be read, stands still, visible in the status, since a
/// person must decide; the others go on.
async fn run(consumer: Arc<Consumer>, stop: CancellationToken) -> Result<()> {
    let name = consumer.settings().id.to_string();
    loop {
        match consumer.run(stop.clone()).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_retryable() => {
                tracing::warn!(consumer = name, %error, "the consumer starts again")
            }
            Err(
                error @ (Error::Source { .. }
                | Error::Store {
                    cause: store::Error::Corrupt(_),
                    ..
                }),
            ) => {
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

/// The settings of a consumer that no routing changes.
pub(super) struct Constant {
    /// Who it is.
    pub(super) id: ConsumerId,
    /// What it reads.
    pub(super) sources: Vec<Source>,
    /// The address in its lease.
    pub(super) holder: String,
    /// What a person does to go on when a source has another history.
    pub(super) start_over: Arc<str>,
}

/// The settings of a consumer under a routing.
pub(super) fn settings(constant: Constant, routing: &Routing) -> Settings {
    let Constant {
        id,
        sources,
        holder,
        start_over,
    } = constant;
    let (delivery, outgoing) = (&routing.delivery, &routing.outgoing);
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
        outgoing: OutgoingBounds {
            per_target: outgoing.per_target,
            target_bytes: outgoing.target_bytes,
            bytes: outgoing.bytes,
            waiting: outgoing.waiting,
            waiting_bytes: outgoing.waiting_bytes,
        },
        grace: GRACE,
        start_over,
    }
}

/// What a person does to go on when a source has another history than the progress in a store.
pub(super) fn start_over(boot: &Boot) -> Arc<str> {
    let reads_only = |component: &boot::Component| match component {
        boot::Component::Aggregate(_) => false,
        boot::Component::Projector(_) | boot::Component::Saga(_) => true,
    };
    let advice = "put back the data of the source that was read, or start this consumer over";
    match &boot.storage {
        boot::Storage::File(file) if boot.components.iter().all(reads_only) => {
            let [store, log, index] = ["", "-wal", "-shm"].map(|end| {
                let path = format!("{}{end}", file.path.display());
                quote(&path)
            });
            format!(
                "{advice}, which also drops what it parked and has not sent: stop it, run `rm -f {store} {log} {index}`, and start it"
            )
        }
        boot::Storage::File(_) | boot::Storage::Server(_) => {
            format!("{advice}: give it another name")
        }
    }
    .into()
}

/// A path as a word of a shell.
fn quote(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@,".contains(&byte);
    if path.bytes().all(is_plain) {
        return path.to_owned();
    }
    format!("'{}'", path.replace('\'', "'\\''"))
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
