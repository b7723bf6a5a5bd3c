//! Queries: what was recorded, read from the store in bounded pieces.
//!
//! [`Reader`] reads one stream, [`Pieces`] streams it, [`Correlated`] follows a correlation id, [`Roots`] lists. How a query travels, and who
//! replies for the domains of other sidecars, is the business of the edge.

mod pieces;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::budget::Share;
use crate::histories::{COPIES, Histories};
use crate::model::{
    Append, Domain, Event, History, Position, Sequence, SnapshotVersion, StreamId, Timestamp,
};
use crate::port::catalog::Catalog;
use crate::port::log::{Load, Loaded, Log, StreamRead};
use crate::port::store;

pub use pieces::{Correlated, Pieces, Roots, Wanted};

/// Bytes of one book of a stream of books, about; what a reader that does not read holds.
const BOOK_BYTES: usize = 256 << 10;

/// How long a read waits for room; longer than a store takes to reply.
const PATIENCE: Duration = Duration::from_secs(30);

/// A read that brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The book would be larger than a message may be.
    #[error("the book of {stream} is larger than {limit} bytes; use GetEvents")]
    TooLarge {
        /// Which stream was read.
        stream: StreamId,
        /// How many bytes a book may have.
        limit: usize,
    },
    /// There was no room for it, for too long.
    #[error("the queries under way hold all that limits.queryBytes allows; try again later")]
    Busy,
    /// The store did not reply.
    #[error("read the store")]
    Store(#[from] store::Error),
}

/// Which part of a stream is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All of it.
    All,
    /// From one event to another, both inclusive; without an end to the last.
    Range(Sequence, Option<Sequence>),
    /// Single events.
    Set(Arc<BTreeSet<Sequence>>),
    /// Up to an event, inclusive.
    Through(Sequence),
    /// What stands before the first event that is later than this.
    AsOf(Timestamp),
}

/// A selection with the point in time resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Window {
    from: Sequence,
    through: Option<Sequence>,
    only: Option<Arc<BTreeSet<Sequence>>>,
}

impl Window {
    fn holds(&self, sequence: Sequence) -> bool {
        sequence >= self.from
            && self.through.is_none_or(|through| sequence <= through)
            && self
                .only
                .as_ref()
                .is_none_or(|only| only.contains(&sequence))
    }

    fn is_past(&self, sequence: Sequence) -> bool {
        self.through.is_some_and(|through| sequence > through)
    }
}

/// Reads the own store.
#[derive(Clone)]
pub struct Reader {
    /// Reads streams and partitions.
    pub log: Arc<dyn Log>,
    /// What is in it.
    pub catalog: Arc<dyn Catalog>,
    /// The own domains, each with the version of its snapshots.
    pub domains: Arc<HashMap<Domain, SnapshotVersion>>,
    /// The memory that what is read may take.
    pub memory: Histories,
}

/// A whole book, and the share of memory that is to be held until it is sent.
#[derive(Debug)]
pub struct Book {
    /// What was read.
    pub history: History,
    /// What it takes.
    pub share: Share,
}

impl Reader {
    /// Reads a stream into one history; with a snapshot where the selection has no lower end. Its next sequence follows the last event that was
    /// read; where a range or set holds no event, it is that of the stream.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn book(
        &self,
        stream: &StreamId,
        selection: Selection,
        limit: usize,
    ) -> Result<Book, Error> {
        let through = match &selection {
            Selection::All => None,
            Selection::Through(through) => Some(*through),
            Selection::AsOf(time) => match self.through_time(stream, *time).await? {
                Some(through) => Some(through),
                None => {
                    let (history, share) = (History::empty(stream), self.room(0).await?);
                    return Ok(Book { history, share });
                }
            },
            Selection::Range(..) | Selection::Set(_) => {
                return self.selected(stream, selection, limit).await;
            }
        };
        let load = Load {
            stream: stream.clone(),
            key: None,
            expected: None,
            snapshot_version: self.domains.get(&stream.domain).copied(),
            through,
            limit,
        };
        let loading = self.memory.load(&*self.log, load);
        let loaded = timeout(PATIENCE, loading).await.map_err(|_| Error::Busy)?;
        let (loaded, share) = loaded?;
        match loaded {
            Loaded::History {
                snapshot,
                events,
                next_sequence,
            } => {
                let next_sequence = through.map_or(next_sequence, |through| {
                    next_sequence.min(Sequence(through.0.saturating_add(1)))
                });
                let history = History {
                    stream: stream.clone(),
                    snapshot,
                    events,
                    next_sequence,
                };
                Ok(Book { history, share })
            }
            Loaded::Known(_)
            | Loaded::KeyReused(_)
            | Loaded::Conflict { .. }
            | Loaded::TooLarge => Err(Error::TooLarge {
                stream: stream.clone(),
                limit,
            }),
        }
    }

    /// The last event before the first one that is later than `time`; absent when there is none.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn through_time(
        &self,
        stream: &StreamId,
        time: Timestamp,
    ) -> Result<Option<Sequence>, Error> {
        let mut from = Sequence::FIRST;
        let mut last = None;
        loop {
            let appends = self.read(stream, from).await?;
            for event in appends.iter().flat_map(|append| &append.events) {
                if event.created_at > time {
                    return Ok(last);
                }
                last = Some(event.sequence);
            }
            match appends.last() {
                Some(append) => from = append.next_sequence(),
                None => return Ok(last),
            }
        }
    }

    async fn selected(
        &self,
        stream: &StreamId,
        selection: Selection,
        limit: usize,
    ) -> Result<Book, Error> {
        let mut most = limit.min(BOOK_BYTES);
        loop {
            let mut share = self.room(most.saturating_mul(COPIES)).await?;
            if let Some((history, bytes)) = self.collect(stream, selection.clone(), most).await? {
                share.set(bytes * COPIES);
                return Ok(Book { history, share });
            }
            if most == limit {
                return Err(Error::TooLarge {
                    stream: stream.clone(),
                    limit,
                });
            }
            // It is read again with a share that is large enough: who holds one must not wait for more of the same.
            most = limit;
        }
    }

    /// What is selected, with its size; none if it is larger than `most`.
    async fn collect(
        &self,
        stream: &StreamId,
        selection: Selection,
        most: usize,
    ) -> Result<Option<(History, usize)>, Error> {
        let mut pieces = Pieces::of_share(self.clone(), stream.clone(), selection).await?;
        let mut history = History::empty(stream);
        let mut bytes = 0;
        while let Some(piece) = pieces.next().await? {
            bytes += piece.events.iter().map(Event::size).sum::<usize>();
            if bytes > most {
                return Ok(None);
            }
            history.events.extend(piece.events);
            history.next_sequence = piece.next_sequence;
        }
        if history.events.is_empty() {
            history.next_sequence = self.end(stream).await?;
        }
        Ok(Some((history, bytes)))
    }

    /// The sequence of the next event of a stream.
    async fn end(&self, stream: &StreamId) -> Result<Sequence, Error> {
        let load = Load {
            stream: stream.clone(),
            key: None,
            expected: None,
            snapshot_version: None,
            through: Some(Sequence::FIRST),
            limit: usize::MAX,
        };
        match self.log.load(load).await? {
            Loaded::History { next_sequence, .. } => Ok(next_sequence),
            Loaded::Known(_)
            | Loaded::KeyReused(_)
            | Loaded::Conflict { .. }
            | Loaded::TooLarge => Ok(Sequence::FIRST),
        }
    }

    /// Waits for memory to read something into.
    async fn room(&self, bytes: usize) -> Result<Share, Error> {
        let taken = timeout(PATIENCE, self.memory.room(bytes)).await;
        taken.map_err(|_| Error::Busy)
    }

    async fn read(&self, stream: &StreamId, from: Sequence) -> Result<Vec<Append>, Error> {
        let read = StreamRead {
            stream: stream.clone(),
            from,
            after: Position::ORIGIN,
            limit: BOOK_BYTES,
        };
        Ok(self.log.read_stream(read).await?)
    }

    async fn resolve(
        &self,
        stream: &StreamId,
        selection: &Selection,
    ) -> Result<Option<Window>, Error> {
        let window = |from, through, only| {
            Some(Window {
                from,
                through,
                only,
            })
        };
        Ok(match selection {
            Selection::All => window(Sequence::FIRST, None, None),
            Selection::Range(from, through) => window(*from, *through, None),
            Selection::Set(only) => match (only.first(), only.last()) {
                (Some(first), Some(last)) => window(*first, Some(*last), Some(Arc::clone(only))),
                _ => None,
            },
            Selection::Through(through) => window(Sequence::FIRST, Some(*through), None),
            Selection::AsOf(time) => {
                let through = self.through_time(stream, *time).await?;
                through.and_then(|through| window(Sequence::FIRST, Some(through), None))
            }
        })
    }
}
