//! The one way into the store: entries of commands and consumers share batches and so flushes; what they made durable is announced.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::batcher::{Batcher, Bounds, Ended};
use crate::fail_point;
use crate::feed::Heads;
use crate::port::store;
use crate::port::writer::{Entry, Outcome, Writer};

/// How much goes to the store at a time: entries, and the bytes of payload at which a batch is full.
const BOUNDS: Bounds<Entry> = Bounds {
    requests: 512,
    weight: 16 << 20,
    weigh: Entry::size,
};

/// Hands entries to the store in batches.
#[derive(Clone)]
pub struct WriteQueue {
    entries: Batcher<Entry, Result<Outcome, store::Error>>,
}

impl WriteQueue {
    /// Starts a queue before a store; its task ends with the last handle. After a [`store::Error::Fatal`] `fatal` is cancelled: the process must
    /// end, for what the store holds is no longer known.
    pub fn start(
        writer: Arc<dyn Writer>,
        heads: Heads,
        fatal: CancellationToken,
    ) -> (Self, JoinHandle<()>) {
        let (entries, task) = Batcher::start(BOUNDS, move |batch| {
            let (writer, heads, fatal) = (Arc::clone(&writer), heads.clone(), fatal.clone());
            async move { write(&*writer, &heads, &fatal, batch).await }
        });
        (Self { entries }, task)
    }

    /// Writes an entry together with what waits beside it.
    ///
    /// # Errors
    /// That of [`Writer::write`], shared by all whose entries went in one batch; [`store::Error::Fatal`] when the queue is gone.
    pub async fn write(&self, entry: Entry) -> Result<Outcome, store::Error> {
        let written = self.entries.ask(entry).await;
        written.unwrap_or_else(|ended @ Ended| Err(store::Error::Fatal(Arc::new(ended))))
    }
}

async fn write(
    writer: &dyn Writer,
    heads: &Heads,
    fatal: &CancellationToken,
    batch: Vec<Entry>,
) -> Vec<Result<Outcome, store::Error>> {
    let count = batch.len();
    let has_proposals = batch.iter().any(|entry| entry.proposal().is_some());
    // Steps have fail points of their own.
    if has_proposals {
        fail_point::hit("before_commit");
    }
    let written = writer.write(batch).await;
    if has_proposals {
        fail_point::hit("after_commit");
    }
    match written {
        Ok(outcomes) => {
            for outcome in &outcomes {
                if let Outcome::Appended { append, .. } = outcome {
                    heads.announce(&append.stream.domain, append.last_position);
                }
            }
            outcomes.into_iter().map(Ok).collect()
        }
        Err(error) => {
            report(&error, fatal);
            vec![Err(error); count]
        }
    }
}

fn report(error: &store::Error, fatal: &CancellationToken) {
    if matches!(error, store::Error::Fatal(_)) {
        tracing::error!(%error, "the store failed for good; the process ends");
        fatal.cancel();
    } else {
        tracing::warn!(%error, "a batch was not written");
    }
}
