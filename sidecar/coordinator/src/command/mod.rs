//! The way of a command: turn of the root, load, logic, append.
//!
//! # Design
//! Nothing is locked while the logic runs: the turn only keeps commands of one root in this process from racing each other. What makes the result
//! right is the append, which expects exactly the sequence that was loaded, no matter who else writes; a lost race is run again from a fresh load.

mod broken;
mod decision;
mod dry_run;
mod error;
mod hash;
mod record;
mod report;
mod settings;
pub mod span;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;

pub use dry_run::Point;
pub use error::Error;
pub use hash::payload_hash;
pub use settings::{Limits, Settings};

use crate::budget::Share;
use crate::fail_point;
use crate::histories::Histories;
use crate::model::{
    Append, AppendId, Command, CommandKey, Domain, Executed, History, Payload, Sequence, StreamId,
};
use crate::port::clock::Clock;
use crate::port::log::{Load, Loaded, Log};
use crate::port::logic::AggregateLogic;
use crate::port::observer::{Limit, Observer};
use crate::port::writer::{Entry, Outcome, Proposal};
use crate::retry::{Bound, Jitter, Policy, Retries};
use crate::turns::{Ticket, Turn, Turns};
use crate::write_queue::WriteQueue;
use broken::BrokenCalls;
use decision::{Checked, Context};

/// How often a command is run while other writers come first.
const MAX_RACES: u32 = 32;
/// The pauses between those runs.
const RACES: Policy = Policy {
    first: Duration::from_millis(1),
    longest: Duration::from_millis(64),
    jitter: Jitter::Full,
};

/// What an executor works with.
#[derive(Clone)]
pub struct Ports {
    /// Reads histories.
    pub log: Arc<dyn Log>,
    /// Writes events.
    pub writes: WriteQueue,
    /// The user's logic.
    pub logic: Arc<dyn AggregateLogic>,
    /// The time of events.
    pub clock: Arc<dyn Clock>,
    /// Receives how commands end.
    pub observer: Arc<dyn Observer>,
    /// The memory that histories may take.
    pub histories: Histories,
}

/// Executes the commands of one domain.
pub struct Executor {
    settings: Settings,
    ports: Ports,
    turns: Turns<StreamId>,
    in_flight: Semaphore,
    broken: BrokenCalls,
}

enum Ran {
    Done(Executed),
    LostRace,
}

impl Executor {
    /// Makes an executor.
    pub fn new(settings: Settings, ports: Ports) -> Self {
        let turns = Turns::new(settings.limits.in_flight_per_root);
        let in_flight = Semaphore::new(settings.limits.in_flight);
        Self {
            settings,
            ports,
            turns,
            in_flight,
            broken: BrokenCalls::default(),
        }
    }

    /// The domain that it serves.
    pub fn domain(&self) -> &Domain {
        &self.settings.domain
    }

    /// How many commands and records are under way.
    pub fn in_flight(&self) -> usize {
        self.settings
            .limits
            .in_flight
            .saturating_sub(self.in_flight.available_permits())
    }

    /// Executes a command: afterwards its events are durable, or nothing is stored, or the outcome is unknown, as the error says.
    ///
    /// A command whose id is known gets its first result, before anything else is judged. To be called within the span
    /// [`span::handle`].
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn execute(&self, command: Command, deadline: Instant) -> Result<Executed, Error> {
        let began = Instant::now();
        let executed = self.execute_in_turn(command, deadline).await;
        self.report_end(&executed, began.elapsed());
        executed
    }

    async fn execute_in_turn(
        &self,
        command: Command,
        deadline: Instant,
    ) -> Result<Executed, Error> {
        let valid = self.validate(
            &command.stream,
            command.pages.iter().map(|page| page.size()),
        );
        if let Err(foreign @ Error::ForeignDomain(_)) = valid {
            return Err(foreign);
        }
        let key = CommandKey {
            id: command.id.clone(),
            hash: payload_hash(&command.pages),
        };
        let _in_flight = self.admit()?;
        let _turn = self.turn(&command.stream, deadline).await?;
        if let Err(refusal) = valid {
            return self.recall(&command, key, deadline, refusal).await;
        }
        let mut retries = Retries::new(RACES, Bound::Attempts(MAX_RACES));
        loop {
            match self.run(&command, &key, deadline).await? {
                Ran::Done(executed) => return Ok(executed),
                Ran::LostRace => {}
            }
            let Some(pause) = retries.next_delay() else {
                return Err(Error::Contended {
                    stream: command.stream,
                    races: MAX_RACES,
                });
            };
            sleep(pause).await;
        }
    }

    /// The first result of a command that limits would refuse now; the refusal, if it is not stored.
    async fn recall(
        &self,
        command: &Command,
        key: CommandKey,
        deadline: Instant,
        refusal: Error,
    ) -> Result<Executed, Error> {
        let load = Load {
            limit: 0,
            ..self.load_of(command, Some(key))
        };
        match self.load(load, deadline).await?.0 {
            Loaded::Known(append) => Ok(replayed(append)),
            Loaded::KeyReused(_)
            | Loaded::Conflict { .. }
            | Loaded::TooLarge
            | Loaded::History { .. } => Err(refusal),
        }
    }

    fn validate(
        &self,
        stream: &StreamId,
        sizes: impl ExactSizeIterator<Item = usize> + Clone,
    ) -> Result<(), Error> {
        let limits = &self.settings.limits;
        if stream.domain != self.settings.domain {
            return Err(Error::ForeignDomain(stream.domain.to_string()));
        }
        self.report_pages(sizes.clone());
        let pages = sizes.len();
        if pages == 0 || pages > limits.append_pages {
            return Err(Error::Invalid(format!(
                "pages must be 1 to {}, got {pages}",
                limits.append_pages
            )));
        }
        let mut bytes = 0;
        for (index, size) in sizes.enumerate() {
            if size > limits.page_bytes {
                return Err(Error::Invalid(format!(
                    "pages[{index}] has {size} bytes, at most {} are allowed",
                    limits.page_bytes
                )));
            }
            bytes += size;
        }
        if bytes > limits.append_bytes {
            return Err(Error::Invalid(format!(
                "pages hold {bytes} bytes, at most {} are allowed",
                limits.append_bytes
            )));
        }
        Ok(())
    }

    fn admit(&self) -> Result<SemaphorePermit<'_>, Error> {
        let permit = self.in_flight.try_acquire();
        self.report_use(Limit::InFlight, self.in_flight());
        permit.map_err(|_| Error::Busy("too many commands are in flight"))
    }

    async fn turn(&self, stream: &StreamId, deadline: Instant) -> Result<Turn<StreamId>, Error> {
        let taken = self.turns.take(stream.clone());
        let all = self.settings.limits.in_flight_per_root;
        self.report_use(
            Limit::InFlightPerRoot,
            taken.as_ref().map_or(all, Ticket::waiting),
        );
        let ticket = taken?;
        timeout_at(deadline, ticket.granted())
            .await
            .map_err(|_| Error::Late("while waiting for the turn of the root"))
    }

    async fn run(
        &self,
        command: &Command,
        key: &CommandKey,
        deadline: Instant,
    ) -> Result<Ran, Error> {
        let load = self.load_of(command, Some(key.clone()));
        let (stream, correlation) = (&command.stream, &command.correlation_id);
        let loading = self
            .load(load, deadline)
            .instrument(span::load_events(stream, correlation));
        let (loaded, _share) = loading.await?;
        let size = loaded.size();
        let history = match loaded {
            Loaded::Known(append) => return Ok(Ran::Done(replayed(append))),
            Loaded::KeyReused(id) => {
                return Err(Error::KeyReused {
                    key: id.to_string(),
                });
            }
            Loaded::Conflict { actual } => return Err(conflict(command, actual)),
            Loaded::TooLarge => return Err(self.too_large(&command.stream)),
            Loaded::History {
                snapshot,
                events,
                next_sequence,
            } => History {
                stream: command.stream.clone(),
                snapshot,
                events,
                next_sequence,
            },
        };
        fail_point::hit("after_load");
        self.report_use(Limit::HistoryBytes, size);
        let next_sequence = history.next_sequence;
        let checked = self.decide(history, command, deadline).await?;
        fail_point::hit("after_logic");
        if Instant::now() >= deadline {
            return Err(Error::Late("before the append"));
        }
        let proposal = propose(command, key, next_sequence, checked, deadline);
        let appending = self
            .append(proposal)
            .instrument(span::persist(stream, correlation));
        match appending.await? {
            Outcome::Appended { append, .. } => Ok(Ran::Done(Executed {
                append,
                is_replayed: false,
                known: Vec::new(),
            })),
            Outcome::Duplicate(append) => Ok(Ran::Done(replayed(append))),
            Outcome::KeyReused { key } => Err(Error::KeyReused { key }),
            Outcome::Conflict { .. } => Ok(Ran::LostRace),
            Outcome::Late => Err(Error::Late("before the append")),
            refused @ (Outcome::Unstorable { .. } | Outcome::Fenced { .. } | Outcome::Stepped) => {
                Err(Error::refused(refused))
            }
        }
    }

    async fn decide(
        &self,
        history: History,
        command: &Command,
        deadline: Instant,
    ) -> Result<Checked, Error> {
        let budget = deadline.saturating_duration_since(Instant::now());
        if budget.is_zero() {
            return Err(Error::Late("before the logic was asked"));
        }
        let next_sequence = history.next_sequence;
        let span = span::execute(&command.stream, &command.correlation_id);
        let decision = self
            .ports
            .logic
            .handle(history, command, budget)
            .instrument(span)
            .await
            .inspect_err(|error| self.broken.report(command, error))?;
        let pages = decision.pages.iter();
        self.report_pages(pages.map(|page| page.payload.as_ref().map_or(0, Payload::size)));
        let context = Context {
            command,
            next_sequence,
            snapshot_version: self.settings.snapshot_version,
            now: self.ports.clock.now(),
            limits: &self.settings.limits,
        };
        decision::check(decision, &context).map_err(Error::Contract)
    }

    /// Loads a history, and the share of memory that is to be held as long as the history is.
    async fn load(&self, load: Load, deadline: Instant) -> Result<(Loaded, Share), Error> {
        let loading = self.ports.histories.load(&*self.ports.log, load);
        let loaded = timeout_at(deadline, loading)
            .await
            .map_err(|_| Error::Late("while loading"))?;
        loaded.map_err(Error::StoreUnavailable)
    }

    /// Records a proposal; after an error of the kind [`Error::Unknown`] it may have been recorded.
    async fn append(&self, proposal: Proposal) -> Result<Outcome, Error> {
        let written = self.ports.writes.write(Entry::Proposal(proposal)).await;
        written.map_err(Error::appending)
    }

    fn load_of(&self, command: &Command, key: Option<CommandKey>) -> Load {
        Load {
            stream: command.stream.clone(),
            key,
            // A mismatch costs no history.
            expected: command.required_sequence(),
            snapshot_version: Some(self.settings.snapshot_version),
            through: None,
            limit: self.settings.limits.history_bytes,
        }
    }

    fn too_large(&self, stream: &StreamId) -> Error {
        self.report_use(Limit::HistoryBytes, self.settings.limits.history_bytes);
        Error::HistoryTooLarge {
            stream: stream.clone(),
            limit: self.settings.limits.history_bytes,
        }
    }
}

fn replayed(append: Append) -> Executed {
    Executed {
        append,
        is_replayed: true,
        known: Vec::new(),
    }
}

fn conflict(command: &Command, actual: Sequence) -> Error {
    Error::Conflict {
        stream: command.stream.clone(),
        expected: command.expected,
        actual,
    }
}

fn propose(
    command: &Command,
    key: &CommandKey,
    next: Sequence,
    checked: Checked,
    deadline: Instant,
) -> Proposal {
    Proposal {
        id: AppendId::random(),
        stream: command.stream.clone(),
        expected: Some(next),
        key: Some(key.clone()),
        correlation_id: command.correlation_id.clone(),
        trace_parent: command.trace_parent.clone(),
        deadline: Some(deadline),
        events: checked.events,
        snapshot: checked.snapshot,
    }
}
