//! Stores progress: the steps of all roots in one commit, and with them the cursor of each source.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::live_status::{LiveStatus, Needed};
use super::lock;
use super::prefix::Prefix;
use super::settings::{Ports, Settings};
use crate::describe;
use crate::fail_point;
use crate::model::{AppendId, Cursor, Domain, Position, StoreIdentity};
use crate::port::progress::Step;
use crate::port::writer::{ConsumerSteps, Entry};

/// Steps that go into one commit at most.
const MAX_STEPS: usize = 1_024;

/// The consumer is ending; what was asked for may or may not have been stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended;

/// Steps that wait for their commit.
#[derive(Debug)]
struct Waiting {
    steps: Vec<Step>,
    done: Option<(Domain, Vec<Position>)>,
    stored: oneshot::Sender<()>,
}

/// The way to the committer.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    entries: mpsc::Sender<Waiting>,
    sources: Arc<Mutex<HashMap<Domain, Running>>>,
}

#[derive(Debug)]
struct Running {
    prefix: Prefix,
    identity: StoreIdentity,
}

impl Handle {
    /// Notes an append that was received from a source, in the order of positions.
    pub(super) fn begin(
        &self,
        domain: &Domain,
        identity: StoreIdentity,
        last: Position,
        id: AppendId,
    ) {
        let mut sources = lock(&self.sources);
        let running = sources.entry(domain.clone()).or_insert_with(|| Running {
            prefix: Prefix::default(),
            identity,
        });
        running.prefix.begin(last, id);
    }

    /// How many appends of a source stand between its cursor and the last one received.
    pub(super) fn under_way(&self, domain: &Domain) -> usize {
        let sources = lock(&self.sources);
        sources
            .get(domain)
            .map_or(0, |running| running.prefix.len())
    }

    /// Stores steps, and that appends that were received are done with them.
    pub(super) async fn commit(
        &self,
        steps: Vec<Step>,
        done: Option<(Domain, Vec<Position>)>,
    ) -> Result<(), Ended> {
        let (stored, is_stored) = oneshot::channel();
        let entry = Waiting {
            steps,
            done,
            stored,
        };
        self.entries.send(entry).await.map_err(|_| Ended)?;
        is_stored.await.map_err(|_| Ended)
    }
}

/// Writes what the handles bring: a commit is what queued up while the one before it ran.
pub(super) struct Committer {
    pub(super) settings: Arc<Settings>,
    pub(super) ports: Ports,
    pub(super) status: Arc<LiveStatus>,
    pub(super) epoch: u64,
    entries: mpsc::Receiver<Waiting>,
    sources: Arc<Mutex<HashMap<Domain, Running>>>,
}

impl Committer {
    pub(super) fn new(
        settings: Arc<Settings>,
        ports: Ports,
        status: Arc<LiveStatus>,
        epoch: u64,
    ) -> (Handle, Self) {
        let (sender, entries) = mpsc::channel(MAX_STEPS);
        let sources = Arc::<Mutex<HashMap<_, _>>>::default();
        let handle = Handle {
            entries: sender,
            sources: Arc::clone(&sources),
        };
        let committer = Self {
            settings,
            ports,
            status,
            epoch,
            entries,
            sources,
        };
        (handle, committer)
    }

    /// Runs until the last entry after `finish` is stored, or the store refuses for good.
    pub(super) async fn run(mut self, finish: CancellationToken) -> Result<(), Error> {
        let mut entries = Vec::new();
        loop {
            let received = tokio::select! {
                received = self.entries.recv_many(&mut entries, MAX_STEPS) => received,
                () = finish.cancelled(), if !self.entries.is_closed() => {
                    self.entries.close();
                    continue;
                }
            };
            if received == 0 {
                return Ok(());
            }
            self.store(&mut entries).await?;
        }
    }

    async fn store(&self, entries: &mut Vec<Waiting>) -> Result<(), Error> {
        let mut steps = Vec::new();
        for entry in entries.iter_mut() {
            steps.append(&mut entry.steps);
        }
        let cursors = self.move_cursors(entries);
        steps.extend(cursors.iter().map(|(domain, cursor)| Step::MoveCursor {
            domain: domain.clone(),
            cursor: *cursor,
        }));
        if !steps.is_empty() {
            self.commit(steps).await?;
        }
        for (domain, cursor) in cursors {
            self.status.moved_cursor(&domain, cursor.position);
        }
        for entry in entries.drain(..) {
            // The caller may have gone; what is stored stays.
            let _ = entry.stored.send(());
        }
        Ok(())
    }

    fn move_cursors(&self, entries: &[Waiting]) -> Vec<(Domain, Cursor)> {
        let mut sources = lock(&self.sources);
        let mut touched = BTreeSet::new();
        for (domain, lasts) in entries.iter().filter_map(|entry| entry.done.as_ref()) {
            if let Some(running) = sources.get_mut(domain) {
                lasts.iter().for_each(|last| running.prefix.finish(*last));
                touched.insert(domain);
            }
        }
        let mut moved = Vec::new();
        for domain in touched {
            let Some(running) = sources.get_mut(domain) else {
                continue;
            };
            if let Some((position, id)) = running.prefix.advance() {
                let cursor = Cursor {
                    position,
                    append_id: Some(id),
                    identity: running.identity,
                };
                moved.push((domain.clone(), cursor));
            }
        }
        moved
    }

    /// Commits, again and again while the store is away: a commit may be repeated unchanged.
    async fn commit(&self, steps: Vec<Step>) -> Result<(), Error> {
        let id = &self.settings.id;
        let mut backoff = self.settings.outage_backoff();
        fail_point::hit("before_progress");
        loop {
            let entry = Entry::Steps(ConsumerSteps {
                consumer: id.clone(),
                epoch: self.epoch,
                steps: steps.clone(),
            });
            match self.ports.writes.write(entry).await {
                Ok(outcome) if !outcome.is_refused() => break,
                Ok(outcome) => return Err(Error::refused(id, outcome)),
                Err(error) if error.is_retryable() => {
                    tracing::warn!(consumer = %id, error = describe(&error), "progress waits for the store");
                    self.status.pause(Needed::Store, describe(&error));
                    tokio::time::sleep(backoff.next_delay()).await;
                }
                Err(error) => return Err(Error::from_store(id, error)),
            }
        }
        fail_point::hit("after_progress");
        self.status.resume(Needed::Store);
        Ok(())
    }
}
