//! What everything in a sidecar is built over: the open store, the way into it, and where domains are served.

use std::sync::Arc;

use angzarr_config::boot::{self, Boot};
use angzarr_config::routing::Routing;
use angzarr_coordinator::feed::{Heads, InProcess};
use angzarr_coordinator::histories::Histories;
use angzarr_coordinator::model::{Domain, SnapshotVersion, StoreId};
use angzarr_coordinator::port::clock::{Clock, SystemClock};
use angzarr_coordinator::port::logic::AggregateLogic;
use angzarr_coordinator::port::observer::Observer;
use angzarr_coordinator::port::store::Store;
use angzarr_coordinator::write_queue::WriteQueue;
use anyhow::{Context, Result};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::aggregates::{Aggregate, Aggregates, Shared};
use crate::grpc::Memory;
use crate::health::{Component, ComponentKind, Logic};
use crate::lifecycle::Lifecycle;
use crate::logic::GrpcAggregate;
use crate::open;
use crate::places::Places;
use crate::routes::Routes;
use crate::telemetry::Measures;

/// The open store and what stands directly on it.
pub(super) struct Base {
    pub(super) store: Store,
    /// The own log with its announcements.
    pub(super) source: InProcess,
    pub(super) writes: WriteQueue,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) places: Places,
    pub(super) memory: Memory,
    /// The aggregates, as their health is watched.
    pub(super) components: Vec<Component>,
    /// Cancelled when what the store holds is no longer known.
    pub(super) fatal: CancellationToken,
}

impl Base {
    /// Opens the store; returns the task that writes to it as well.
    pub(super) async fn open(
        boot: &Boot,
        routing: Routing,
        lifecycle: &Lifecycle,
    ) -> Result<(Self, JoinHandle<()>)> {
        let heads = Heads::default();
        lifecycle.note_awaited("the store is not open yet".to_owned());
        let expected = routing.store_id.map(StoreId);
        let store = open::store(&boot.storage, &heads, lifecycle, expected)
            .await
            .context("open the store")?;
        lifecycle.note_awaited("the gRPC port does not listen yet".to_owned());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let fatal = CancellationToken::new();
        let (writes, writing) =
            WriteQueue::start(Arc::clone(&store.writer), heads.clone(), fatal.clone());
        let observer: Arc<dyn Observer> = Arc::new(Measures::of_global_meter());
        let (aggregates, components) = read_aggregates(boot)?;
        let memory = Memory::new(&routing);
        let shared = Shared {
            log: Arc::clone(&store.log),
            writes: writes.clone(),
            clock: Arc::clone(&clock),
            observer: Arc::clone(&observer),
            histories: Histories::new(memory.histories.clone()),
        };
        let places = Places {
            aggregates: Arc::new(Aggregates::new(aggregates, shared, &routing.limits)),
            routes: Arc::new(Routes::new(routing)),
        };
        let source = InProcess {
            log: Arc::clone(&store.log),
            heads,
            observer,
        };
        let base = Self {
            store,
            source,
            writes,
            clock,
            places,
            memory,
            components,
            fatal,
        };
        Ok((base, writing))
    }
}

fn read_aggregates(boot: &Boot) -> Result<(Vec<Aggregate>, Vec<Component>)> {
    let mut aggregates = Vec::new();
    let mut components = Vec::new();
    for component in &boot.components {
        let boot::Component::Aggregate(aggregate) = component else {
            continue;
        };
        let logic: Arc<dyn AggregateLogic> = Arc::new(GrpcAggregate::new(aggregate.logic.clone()));
        let domain = Domain::parse(&aggregate.domain)
            .with_context(|| format!("read the domain {:?}", aggregate.domain))?;
        components.push(Component {
            kind: ComponentKind::Aggregate,
            name: domain.to_string(),
            logic: Logic::Aggregate(Arc::clone(&logic)),
        });
        aggregates.push(Aggregate {
            domain,
            snapshot_version: SnapshotVersion(aggregate.snapshot_version),
            logic,
        });
    }
    Ok((aggregates, components))
}
