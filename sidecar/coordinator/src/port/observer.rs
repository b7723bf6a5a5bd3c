//! What the pipeline reports while it works, for anyone who measures it.

use std::time::Duration;

use super::logic;
use crate::model::{ConsumerId, Domain};

/// Receives what happens in the pipeline. It is called on the path of every command and append, so it must neither block nor allocate.
pub trait Observer: Send + Sync {
    /// A command, or a record of facts, has ended; `took` counts from its arrival.
    fn command_ended(&self, domain: &Domain, end: CommandEnd, took: Duration);

    /// A command used four fifths of a limit or more.
    fn limit_neared(&self, domain: &Domain, limit: Limit);

    /// A subscriber took an append that the feed had read `waited` before.
    fn append_taken(&self, domain: &Domain, waited: Duration);

    /// A call to the logic of a consumer has ended.
    fn logic_called(&self, call: &LogicCall<'_>);

    /// A consumer sends a command or facts to a domain again.
    fn outgoing_repeated(&self, consumer: &ConsumerId, domain: &Domain);
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandEnd {
    /// Its events are durable.
    Executed,
    /// It was executed before; its first result was returned.
    Replayed,
    /// The caller must change it.
    Invalid,
    /// Other writers came first.
    Conflict,
    /// The logic rejected it.
    Refused,
    /// The logic broke its contract.
    Contract,
    /// The logic or the store could not be reached.
    Unavailable,
    /// Too many commands are in flight.
    Busy,
    /// The store has no room left.
    StoreFull,
    /// The history of its root is longer than allowed.
    HistoryTooLarge,
    /// Its deadline passed before anything was stored.
    Late,
    /// It may have been stored or not.
    Unknown,
}

/// A limit of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Bytes of one page.
    PageBytes,
    /// Bytes of all pages of an append.
    AppendBytes,
    /// Pages of an append.
    AppendPages,
    /// Bytes of the history that the logic receives.
    HistoryBytes,
    /// Commands that wait for one root.
    InFlightPerRoot,
    /// Commands in flight in the domain.
    InFlight,
}

/// One call to the logic of a consumer.
#[derive(Debug)]
pub struct LogicCall<'a> {
    /// Whose logic was called.
    pub consumer: &'a ConsumerId,
    /// The domain of the root that the call was about.
    pub domain: &'a Domain,
    /// Why it failed; `None` after a success.
    pub error: Option<&'a logic::Error>,
    /// How long the call lasted.
    pub took: Duration,
}

/// Ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn command_ended(&self, _: &Domain, _: CommandEnd, _: Duration) {}
    fn limit_neared(&self, _: &Domain, _: Limit) {}
    fn append_taken(&self, _: &Domain, _: Duration) {}
    fn logic_called(&self, _: &LogicCall<'_>) {}
    fn outgoing_repeated(&self, _: &ConsumerId, _: &Domain) {}
}
