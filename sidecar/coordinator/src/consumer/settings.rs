//! The settings and ports of a consumer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Append, ConsumerId, Domain};
use crate::port::backlog::Backlog;
use crate::port::bus::{Bus, From};
use crate::port::leases::Leases;
use crate::port::logic::ConsumerLogic;
use crate::port::observer::Observer;
use crate::port::peers::{Appends, Commands};
use crate::port::progress::Progress;
use crate::retry::{Backoff, Policy};
use crate::write_queue::WriteQueue;

/// The longest delay where one attempt is cheap and its success ends an outage.
const OUTAGE: Duration = Duration::from_secs(2);

/// How a consumer works. The caller that makes one sets all of it; there are no defaults here.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Who it is; its progress, its lease and the ids of its commands are named after this.
    pub id: ConsumerId,
    /// What it reads.
    pub sources: Vec<Source>,
    /// The address at which other sidecars reach this one; it stands in the lease.
    pub holder: String,
    /// How long the lease outlives its last renewal.
    pub lease_ttl: Duration,
    /// How many roots are with the logic concurrently.
    pub concurrency: usize,
    /// How many appends of one source may be in memory.
    pub credit: u32,
    /// How long one call to the logic may take.
    pub logic_budget: Duration,
    /// How long one outgoing command may take, and one call to an owner.
    pub command_budget: Duration,
    /// How many errors are replied before the root, or the command, is parked.
    pub max_attempts: u32,
    /// How long to wait between attempts.
    pub backoff: Policy,
    /// How much is sent at a time, and how much may wait.
    pub outgoing: OutgoingBounds,
    /// How long running calls may go on after the shutdown began.
    pub grace: Duration,
    /// What a person does to go on when a source has another history; shown there.
    pub start_over: Arc<str>,
}

/// How much outgoing work is sent at a time, and how much may wait in the store. One piece may always be under way to each target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutgoingBounds {
    /// Commands and records of facts under way to one target.
    pub per_target: usize,
    /// Bytes under way to one target.
    pub target_bytes: usize,
    /// Bytes under way to all targets.
    pub bytes: usize,
    /// Commands and records of facts that wait before the sources bring no more.
    pub waiting: usize,
    /// Their bytes, likewise.
    pub waiting_bytes: usize,
}

impl Settings {
    pub(super) fn backoff(&self) -> Backoff {
        Backoff::new(self.backoff)
    }

    /// A backoff for reaching something outside, where waiting long only prolongs the outage.
    pub(super) fn outage_backoff(&self) -> Backoff {
        Backoff::new(Policy {
            longest: self.backoff.longest.min(OUTAGE),
            ..self.backoff
        })
    }

    pub(super) fn source(&self, domain: &Domain) -> Option<&Source> {
        self.sources.iter().find(|source| source.domain == *domain)
    }
}

/// A domain that a consumer reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Whose appends are read.
    pub domain: Domain,
    /// Where a consumer without progress begins.
    pub start: From,
    /// The full names of the event types that it wants; absent wants all.
    pub event_types: Option<BTreeSet<String>>,
}

impl Source {
    /// Whether the logic is to see an append: it is delivered whole as soon as one event is wanted.
    pub fn wants(&self, append: &Append) -> bool {
        self.event_types.as_ref().is_none_or(|wanted| {
            append
                .events
                .iter()
                .any(|event| wanted.contains(event.payload.type_name()))
        })
    }
}

/// What a consumer works with.
#[derive(Clone)]
pub struct Ports {
    /// Brings appends.
    pub bus: Arc<dyn Bus>,
    /// Tells how far the consumer got.
    pub progress: Arc<dyn Progress>,
    /// Writes how far it gets.
    pub writes: WriteQueue,
    /// Lists what waits and what is parked.
    pub backlog: Arc<dyn Backlog>,
    /// Says who may act for the consumer.
    pub leases: Arc<dyn Leases>,
    /// The user's logic.
    pub logic: Arc<dyn ConsumerLogic>,
    /// Executes what the logic asks for.
    pub commands: Arc<dyn Commands>,
    /// Reads missing appends from their owner.
    pub appends: Arc<dyn Appends>,
    /// Receives how calls to the logic end.
    pub observer: Arc<dyn Observer>,
}
