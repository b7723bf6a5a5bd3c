//! The one way into the log: batches of proposals, and the announcement of what they made durable.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Error;
use crate::batcher::{Batcher, Bounds};
use crate::fail_point;
use crate::feed::Heads;
use crate::port::log::{Load, Loaded, Log, Outcome, Proposal};
use crate::port::store;

/// How many proposals or loads go to the store at a time.
const MAX_BATCH: usize = 512;
/// The bytes of payload at which a batch of proposals is full.
const MAX_BATCH_BYTES: usize = 16 << 20;

/// The store's error, shared by all whose requests went in one batch.
type Shared<T> = Result<T, Arc<store::Error>>;

/// Hands proposals and loads to the log in batches.
#[derive(Clone)]
pub struct Appender {
    proposals: Batcher<Proposal, Shared<Outcome>>,
    loads: Batcher<Load, Shared<Loaded>>,
}

/// The tasks of an appender; they end with the last handle.
#[derive(Debug)]
pub struct Tasks {
    proposals: JoinHandle<()>,
    loads: JoinHandle<()>,
}

impl Tasks {
    /// Waits until everything handed in is done.
    ///
    /// # Errors
    /// The panic of a task.
    pub async fn join(self) -> Result<(), tokio::task::JoinError> {
        self.proposals.await?;
        self.loads.await
    }
}

impl Appender {
    /// Starts an appender over a log. After a [`store::Error::Fatal`] `fatal` is cancelled: the process must end, for what the store holds is
    /// no longer known.
    pub fn start(log: Arc<dyn Log>, heads: Heads, fatal: CancellationToken) -> (Self, Tasks) {
        let reader = Arc::clone(&log);
        let bounds = Bounds {
            requests: MAX_BATCH,
            weight: MAX_BATCH_BYTES,
            weigh: bytes,
        };
        let (proposals, proposals_task) = Batcher::start(bounds, move |batch| {
            let (log, heads, fatal) = (Arc::clone(&log), heads.clone(), fatal.clone());
            async move { append(&*log, &heads, &fatal, batch).await }
        });
        let bounds = Bounds::of_requests(MAX_BATCH);
        let (loads, loads_task) = Batcher::start(bounds, move |batch: Vec<Load>| {
            let log = Arc::clone(&reader);
            async move {
                let count = batch.len();
                spread(log.load(batch).await, count)
            }
        });
        let tasks = Tasks {
            proposals: proposals_task,
            loads: loads_task,
        };
        (Self { proposals, loads }, tasks)
    }

    /// Records a proposal.
    ///
    /// # Errors
    /// [`Error::StoreFull`] when nothing was stored, [`Error::Unknown`] when it may have been.
    pub async fn append(&self, proposal: Proposal) -> Result<Outcome, Error> {
        let outcome = self
            .proposals
            .ask(proposal)
            .await
            .map_err(|ended| Error::Unknown(ended.to_string()))?;
        outcome.map_err(|error| Error::appending(&error))
    }

    /// Reads what a command needs.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub async fn load(&self, load: Load) -> Result<Loaded, Error> {
        let loaded = self
            .loads
            .ask(load)
            .await
            .map_err(|ended| Error::StoreUnavailable(ended.to_string()))?;
        loaded.map_err(|error| Error::reading(&error))
    }
}

/// What a proposal weighs in a batch.
fn bytes(proposal: &Proposal) -> usize {
    let events = proposal.events.iter().map(|event| event.payload.size());
    let snapshot = proposal.snapshot.as_ref();
    events.sum::<usize>() + snapshot.map_or(0, |snapshot| snapshot.state.size())
}

async fn append(
    log: &dyn Log,
    heads: &Heads,
    fatal: &CancellationToken,
    batch: Vec<Proposal>,
) -> Vec<Shared<Outcome>> {
    let count = batch.len();
    fail_point::hit("before_commit");
    let outcomes = log.append(batch).await;
    fail_point::hit("after_commit");
    match &outcomes {
        Ok(outcomes) => {
            for outcome in outcomes {
                if let Outcome::Appended { append, .. } = outcome {
                    heads.announce(&append.stream.domain, append.last_position);
                }
            }
        }
        Err(error @ store::Error::Fatal(_)) => {
            tracing::error!(error = %error, "the store failed for good; the process ends");
            fatal.cancel();
        }
        Err(error) => tracing::warn!(error = %error, "a batch was not appended"),
    }
    spread(outcomes, count)
}

fn spread<T>(answers: Result<Vec<T>, store::Error>, count: usize) -> Vec<Shared<T>> {
    match answers {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(error) => {
            let error = Arc::new(error);
            (0..count).map(|_| Err(Arc::clone(&error))).collect()
        }
    }
}
