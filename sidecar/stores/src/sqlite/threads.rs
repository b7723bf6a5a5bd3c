//! The threads of an open store: one that writes, a few that read.
//!
//! # Design
//! Writes that wait together share one transaction and so one flush. A piece of work that fails may have written something, so the transaction is
//! rolled back and each piece is run again in one of its own. Reads that wait together are parted among the readers, and each takes its part in one
//! snapshot: few wake-ups under load. Large reads have a reader of their own, so that they hold up none of the others.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use angzarr_coordinator::fail_point;
use angzarr_coordinator::port::store::{Cause, Error};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::error::{Fault, committing};

/// Pieces of work that may wait for a thread.
const QUEUE: usize = 1_024;
/// Reads that a reader takes beside the first.
const MOST_READS: usize = 63;
/// Writes that share a transaction.
const SHARED: usize = 256;

type Reading = Box<dyn FnOnce(&Connection) + Send>;

/// Where work is handed in.
pub(super) struct Threads {
    writes: mpsc::Sender<Box<dyn Write>>,
    reads: mpsc::Sender<Reading>,
    large_reads: mpsc::Sender<Reading>,
}

/// Awaits the threads; they end when the last handle on the store is gone.
pub(super) struct Running(Vec<JoinHandle<()>>);

impl Drop for Running {
    fn drop(&mut self) {
        for thread in self.0.drain(..) {
            // A panic of a thread was reported to anyone who waited for its answer.
            let _ = thread.join();
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the store is closed")]
struct Closed;

fn closed() -> Error {
    Error::Unavailable(Arc::new(Closed))
}

impl Threads {
    /// Starts the threads over their connections; the last reader is for large reads.
    pub(super) fn start(
        writer: Connection,
        mut readers: Vec<Connection>,
    ) -> std::io::Result<(Self, Running)> {
        let (writes, incoming) = mpsc::channel(QUEUE);
        let large = readers.split_off(readers.len() - 1);
        let (reads, waiting) = Reads::new(readers.len());
        let (large_reads, large_waiting) = Reads::new(large.len());
        let mut running = Running(Vec::with_capacity(readers.len() + 1));
        let writing = std::thread::Builder::new().name("store-write".to_owned());
        running
            .0
            .push(writing.spawn(move || write(&writer, incoming))?);
        let readers = readers.into_iter().map(|reader| (reader, &waiting));
        let large = large.into_iter().map(|reader| (reader, &large_waiting));
        for (reader, waiting) in readers.chain(large) {
            let waiting = Arc::clone(waiting);
            let reading = std::thread::Builder::new().name("store-read".to_owned());
            running
                .0
                .push(reading.spawn(move || read(&reader, &waiting))?);
        }
        let threads = Self {
            writes,
            reads,
            large_reads,
        };
        Ok((threads, running))
    }

    /// Runs a piece of work in a transaction; after `Ok` it is durable. It may be run twice, the first time without effect.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let piece = Piece {
            work,
            done: None,
            reply,
        };
        self.writes
            .send(Box::new(piece))
            .await
            .map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Runs a piece of work in one read snapshot.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        read_by(&self.reads, work).await
    }

    /// As [`Threads::read`], for what may take long.
    pub(super) async fn read_large<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        read_by(&self.large_reads, work).await
    }
}

async fn read_by<T: Send + 'static>(
    reads: &mpsc::Sender<Reading>,
    work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Error> {
    let (reply, answer) = oneshot::channel();
    let reading: Reading = Box::new(move |conn| {
        let read = in_snapshot(conn, work);
        // The caller may be gone.
        let _ = reply.send(read.map_err(Fault::reading));
    });
    reads.send(reading).await.map_err(|_| closed())?;
    answer.await.unwrap_or_else(|_| Err(closed()))
}

/// Runs a piece of work in the snapshot that others share with it, or else in one of its own.
fn in_snapshot<T>(
    conn: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    if !conn.is_autocommit() {
        return work(conn);
    }
    let snapshot = conn.unchecked_transaction()?;
    let read = work(conn)?;
    snapshot.finish()?;
    Ok(read)
}

/// What waits for the readers.
struct Reads {
    waiting: Mutex<mpsc::Receiver<Reading>>,
    readers: usize,
}

impl Reads {
    fn new(readers: usize) -> (mpsc::Sender<Reading>, Arc<Self>) {
        let (reads, waiting) = mpsc::channel(QUEUE);
        let waiting = Mutex::new(waiting);
        (reads, Arc::new(Self { waiting, readers }))
    }

    /// Waits for work and takes one reader's part of it; returns nothing once the store is closed.
    fn take(&self) -> Vec<Reading> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut part: Vec<_> = waiting.blocking_recv().into_iter().collect();
        for _ in 0..(waiting.len() / self.readers).min(MOST_READS) {
            part.extend(waiting.try_recv().ok());
        }
        part
    }
}

fn read(conn: &Connection, reads: &Reads) {
    loop {
        let part = reads.take();
        if part.is_empty() {
            return;
        }
        // Without a shared snapshot each piece takes one of its own and reports why that fails.
        let shared = conn.unchecked_transaction().ok();
        part.into_iter().for_each(|reading| reading(conn));
        if let Some(shared) = shared
            && let Err(error) = shared.finish()
        {
            tracing::error!(%error, "a snapshot was not given back");
        }
    }
}

/// A write that waits for its transaction.
trait Write: Send {
    /// Does the work, and keeps what it brought.
    fn run(&mut self, conn: &Connection) -> Result<(), Fault>;
    /// Answers anyone who waits.
    fn answer(self: Box<Self>, committed: Result<(), Error>);
}

struct Piece<T, F> {
    work: F,
    done: Option<T>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<T: Send, F: Fn(&Connection) -> Result<T, Fault> + Send> Write for Piece<T, F> {
    fn run(&mut self, conn: &Connection) -> Result<(), Fault> {
        self.done = Some((self.work)(conn)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), Error>) {
        let Self { done, reply, .. } = *self;
        let answer = committed.and_then(|()| done.ok_or_else(closed));
        // The caller may be gone.
        let _ = reply.send(answer);
    }
}

fn write(conn: &Connection, mut incoming: mpsc::Receiver<Box<dyn Write>>) {
    let mut failed: Option<Cause> = None;
    while let Some(first) = incoming.blocking_recv() {
        let mut group = vec![first];
        while group.len() < SHARED
            && let Ok(next) = incoming.try_recv()
        {
            group.push(next);
        }
        if let Some(cause) = &failed {
            answer(group, || Err(Error::Fatal(Arc::clone(cause))));
            continue;
        }
        failed = write_group(conn, group);
    }
}

/// Runs writes in one transaction, or else each in its own; returns why nothing may be written any more, if so.
fn write_group(conn: &Connection, mut group: Vec<Box<dyn Write>>) -> Option<Cause> {
    match transact(conn, &mut group) {
        Err(Stopped::Work(_)) if group.len() > 1 => {
            for alone in group {
                let failed = write_group(conn, vec![alone]);
                if failed.is_some() {
                    // The rest is dropped, which answers that the store is closed.
                    return failed;
                }
            }
            None
        }
        Ok(()) => {
            answer(group, || Ok(()));
            None
        }
        Err(Stopped::Work(error) | Stopped::Commit(error)) => {
            let cause = match &error {
                Error::Fatal(cause) => Some(Arc::clone(cause)),
                Error::Unavailable(_)
                | Error::Full(_)
                | Error::Fenced { .. }
                | Error::Unstorable(_)
                | Error::Corrupt(_) => None,
            };
            answer(group, || Err(error.clone()));
            cause
        }
    }
}

/// What stopped a transaction.
enum Stopped {
    /// A piece of work; nothing was written.
    Work(Error),
    /// The commit.
    Commit(Error),
}

fn transact(conn: &Connection, group: &mut [Box<dyn Write>]) -> Result<(), Stopped> {
    let begun = conn.execute_batch("BEGIN IMMEDIATE");
    begun.map_err(|error| Stopped::Commit(Fault::Driver(error).writing()))?;
    for piece in group {
        if let Err(fault) = piece.run(conn) {
            roll_back(conn);
            return Err(Stopped::Work(fault.writing()));
        }
    }
    fail_point::hit("before_flush");
    conn.execute_batch("COMMIT").map_err(|error| {
        roll_back(conn);
        Stopped::Commit(committing(error))
    })
}

fn roll_back(conn: &Connection) {
    if !conn.is_autocommit()
        && let Err(error) = conn.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "a transaction was not rolled back");
    }
}

fn answer(group: Vec<Box<dyn Write>>, outcome: impl Fn() -> Result<(), Error>) {
    for piece in group {
        piece.answer(outcome());
    }
}
