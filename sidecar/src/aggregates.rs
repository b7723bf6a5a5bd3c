//! The aggregates of this sidecar.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use angzarr_config::routing;
use angzarr_coordinator::command::{Executor, Limits, Ports, Settings};
use angzarr_coordinator::histories::Histories;
use angzarr_coordinator::model::{Domain, SnapshotVersion};
use angzarr_coordinator::port::clock::Clock;
use angzarr_coordinator::port::log::Log;
use angzarr_coordinator::port::logic::AggregateLogic;
use angzarr_coordinator::port::observer::Observer;
use angzarr_coordinator::write_queue::WriteQueue;

/// An aggregate as it is configured for the life of the process.
pub struct Aggregate {
    /// The domain that it belongs to.
    pub domain: Domain,
    /// The version of its snapshots.
    pub snapshot_version: SnapshotVersion,
    /// Its logic.
    pub logic: Arc<dyn AggregateLogic>,
}

/// What all executors work with.
pub struct Shared {
    /// Reads histories.
    pub log: Arc<dyn Log>,
    /// Writes events.
    pub writes: WriteQueue,
    /// The time of events.
    pub clock: Arc<dyn Clock>,
    /// Receives how commands end.
    pub observer: Arc<dyn Observer>,
    /// The memory that histories may take.
    pub histories: Histories,
}

/// The executors of all aggregates, rebuilt when the limits change.
///
/// # Design
/// Commands under way end in the executor that they began in. For that moment a root may have two turns; the sequence check of the store keeps it
/// right, so limits need no lock on the way of every command.
pub struct Aggregates {
    aggregates: Vec<Aggregate>,
    shared: Shared,
    executors: RwLock<Executors>,
}

struct Executors {
    limits: routing::Limits,
    by_domain: HashMap<Domain, Arc<Executor>>,
}

impl Aggregates {
    /// Makes the executors.
    pub fn new(aggregates: Vec<Aggregate>, shared: Shared, limits: &routing::Limits) -> Self {
        let by_domain = build(&aggregates, &shared, limits);
        let executors = RwLock::new(Executors {
            limits: limits.clone(),
            by_domain,
        });
        Self {
            aggregates,
            shared,
            executors,
        }
    }

    /// The executor of a domain, if it is served here.
    pub fn executor(&self, domain: &Domain) -> Option<Arc<Executor>> {
        self.executors
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .by_domain
            .get(domain)
            .cloned()
    }

    /// The aggregates.
    pub fn list(&self) -> &[Aggregate] {
        &self.aggregates
    }

    /// The domains served here.
    pub fn domains(&self) -> Vec<Domain> {
        self.aggregates
            .iter()
            .map(|aggregate| aggregate.domain.clone())
            .collect()
    }

    /// Takes over other limits.
    pub fn configure(&self, limits: &routing::Limits) {
        let mut executors = self
            .executors
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if executors.limits != *limits {
            let by_domain = build(&self.aggregates, &self.shared, limits);
            *executors = Executors {
                limits: limits.clone(),
                by_domain,
            };
        }
    }
}

fn build(
    aggregates: &[Aggregate],
    shared: &Shared,
    limits: &routing::Limits,
) -> HashMap<Domain, Arc<Executor>> {
    let executors = aggregates.iter().map(|aggregate| {
        let settings = Settings {
            domain: aggregate.domain.clone(),
            snapshot_version: aggregate.snapshot_version,
            limits: decode_limits(limits),
        };
        let ports = Ports {
            log: Arc::clone(&shared.log),
            writes: shared.writes.clone(),
            logic: Arc::clone(&aggregate.logic),
            clock: Arc::clone(&shared.clock),
            observer: Arc::clone(&shared.observer),
            histories: shared.histories.clone(),
        };
        let executor = Executor::new(settings, ports);
        (aggregate.domain.clone(), Arc::new(executor))
    });
    executors.collect()
}

/// The limits of a domain, as a routing says them.
pub fn decode_limits(limits: &routing::Limits) -> Limits {
    Limits {
        page_bytes: limits.page_bytes,
        append_bytes: limits.append_bytes,
        append_pages: limits.append_pages,
        history_bytes: limits.history_bytes,
        in_flight_per_root: limits.in_flight_per_root,
        in_flight: limits.in_flight,
    }
}
