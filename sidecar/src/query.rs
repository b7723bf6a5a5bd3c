//! Reading what was recorded, out of the own store.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use angzarr_coordinator::model::{
    Append, CorrelationId, Domain, Event, History, Position, Root, RootHead, Sequence,
    SnapshotVersion, StreamId, Timestamp,
};
use angzarr_coordinator::port::catalog::Catalog;
use angzarr_coordinator::port::log::{Load, Loaded, Log, StreamRead};
use angzarr_coordinator::port::store;

/// Payload bytes of one book of a stream of books, about; clients take 4 MiB if they are not told otherwise.
const BOOK_BYTES: usize = 1 << 20;
/// Appends of a correlation id that are read at a time.
const CORRELATED_PAGE: usize = 64;
/// Roots that are listed at a time.
const ROOTS_PAGE: usize = 1_000;

/// A read that brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The book would be larger than a message may be.
    #[error("the book of {stream} is larger than {limit} bytes; use GetEvents")]
    TooLarge {
        /// The stream.
        stream: StreamId,
        /// The limit.
        limit: usize,
    },
    /// The store did not answer.
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
    Set(BTreeSet<Sequence>),
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
    only: Option<BTreeSet<Sequence>>,
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
    /// The log.
    pub log: Arc<dyn Log>,
    /// What is in it.
    pub catalog: Arc<dyn Catalog>,
    /// The own domains, each with the version of its snapshots.
    pub domains: Arc<HashMap<Domain, SnapshotVersion>>,
}

impl Reader {
    /// Reads a stream into one history; with a snapshot where the selection has no lower end.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn book(
        &self,
        stream: &StreamId,
        selection: Selection,
        limit: usize,
    ) -> Result<History, Error> {
        let through = match &selection {
            Selection::All => None,
            Selection::Through(through) => Some(*through),
            Selection::AsOf(time) => match self.through_time(stream, *time).await? {
                Some(through) => Some(through),
                None => return Ok(empty(stream)),
            },
            Selection::Range(..) | Selection::Set(_) => {
                return self.selected(stream, selection, limit).await;
            }
        };
        let load = Load {
            stream: stream.clone(),
            key: None,
            snapshot_version: self.domains.get(&stream.domain).copied(),
            through,
            limit,
        };
        match self.log.load(vec![load]).await?.pop() {
            Some(Loaded::History {
                snapshot,
                events,
                next_sequence,
            }) => {
                let next_sequence =
                    through.map_or(next_sequence, |through| next_sequence.min(through.plus(1)));
                Ok(History {
                    stream: stream.clone(),
                    snapshot,
                    events,
                    next_sequence,
                })
            }
            Some(Loaded::Known(_) | Loaded::KeyReused(_) | Loaded::TooLarge) | None => {
                Err(Error::TooLarge {
                    stream: stream.clone(),
                    limit,
                })
            }
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
    ) -> Result<History, Error> {
        let mut pieces = Pieces::open(self.clone(), stream.clone(), selection).await?;
        let mut history = empty(stream);
        let mut size = 0;
        while let Some(piece) = pieces.next().await? {
            size += piece
                .events
                .iter()
                .map(|event| event.payload.size())
                .sum::<usize>();
            if size > limit {
                return Err(Error::TooLarge {
                    stream: stream.clone(),
                    limit,
                });
            }
            history.events.extend(piece.events);
            history.next_sequence = piece.next_sequence;
        }
        Ok(history)
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
                (Some(first), Some(last)) => window(*first, Some(*last), Some(only.clone())),
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

fn empty(stream: &StreamId) -> History {
    History {
        stream: stream.clone(),
        snapshot: None,
        events: Vec::new(),
        next_sequence: Sequence::FIRST,
    }
}

/// A stream of one root in pieces of bounded size.
pub struct Pieces {
    reader: Reader,
    stream: StreamId,
    window: Option<Window>,
    from: Sequence,
    pending: Vec<Event>,
}

impl Pieces {
    /// Begins to read.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn open(
        reader: Reader,
        stream: StreamId,
        selection: Selection,
    ) -> Result<Self, Error> {
        let window = reader.resolve(&stream, &selection).await?;
        let from = window
            .as_ref()
            .map_or(Sequence::FIRST, |window| window.from);
        Ok(Self {
            reader,
            stream,
            window,
            from,
            pending: Vec::new(),
        })
    }

    /// Reads the next piece; none is the end.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn next(&mut self) -> Result<Option<History>, Error> {
        while self.pending.is_empty() {
            let Some(window) = self
                .window
                .as_ref()
                .filter(|window| !window.is_past(self.from))
            else {
                return Ok(None);
            };
            let appends = self.reader.read(&self.stream, self.from).await?;
            let Some(last) = appends.last() else {
                return Ok(None);
            };
            self.from = last.next_sequence();
            let events = appends.into_iter().flat_map(|append| append.events);
            self.pending = events
                .filter(|event| window.holds(event.sequence))
                .collect();
        }
        let rest = self.pending.split_off(fitting(&self.pending));
        let events = std::mem::replace(&mut self.pending, rest);
        let next_sequence = events
            .last()
            .map_or(self.from, |event| event.sequence.plus(1));
        Ok(Some(History {
            stream: self.stream.clone(),
            snapshot: None,
            events,
            next_sequence,
        }))
    }
}

/// How many of the events fit into one book; at least one.
fn fitting(events: &[Event]) -> usize {
    let mut bytes = 0;
    let fits = |event: &&Event| {
        bytes += event.payload.size();
        bytes <= BOOK_BYTES
    };
    events
        .iter()
        .take_while(fits)
        .count()
        .max(1)
        .min(events.len())
}

/// The appends of one correlation id in one domain.
pub struct Correlated {
    reader: Reader,
    wanted: Wanted,
    windows: HashMap<StreamId, Option<Window>>,
    after: Position,
    pending: Vec<Append>,
}

/// What is wanted of a correlation id.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The domain.
    pub domain: Domain,
    /// The correlation id.
    pub correlation: CorrelationId,
    /// Only this root.
    pub root: Option<Root>,
    /// Which part of each stream.
    pub selection: Selection,
}

impl Correlated {
    /// Begins to read.
    pub fn open(reader: Reader, wanted: Wanted) -> Self {
        Self {
            reader,
            wanted,
            windows: HashMap::new(),
            after: Position::ORIGIN,
            pending: Vec::new(),
        }
    }

    /// Reads the next append, as far as it is wanted; none is the end.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn next(&mut self) -> Result<Option<Append>, Error> {
        loop {
            let Some(mut append) = self.pending.pop() else {
                if !self.read().await? {
                    return Ok(None);
                }
                continue;
            };
            if self
                .wanted
                .root
                .is_some_and(|root| root != append.stream.root)
            {
                continue;
            }
            let window = self.window(&append.stream).await?;
            append.events.retain(|event| {
                window
                    .as_ref()
                    .is_some_and(|window| window.holds(event.sequence))
            });
            if !append.events.is_empty() {
                return Ok(Some(append));
            }
        }
    }

    async fn read(&mut self) -> Result<bool, Error> {
        let Wanted {
            domain,
            correlation,
            ..
        } = &self.wanted;
        let mut appends = self
            .reader
            .catalog
            .read_correlated(domain, correlation, self.after, CORRELATED_PAGE)
            .await?;
        let Some(last) = appends.last() else {
            return Ok(false);
        };
        self.after = last.last_position;
        appends.reverse();
        self.pending = appends;
        Ok(true)
    }

    async fn window(&mut self, stream: &StreamId) -> Result<Option<Window>, Error> {
        if let Some(window) = self.windows.get(stream) {
            return Ok(window.clone());
        }
        let window = self.reader.resolve(stream, &self.wanted.selection).await?;
        self.windows.insert(stream.clone(), window.clone());
        Ok(window)
    }
}

/// All roots of the own domains.
pub struct Roots {
    reader: Reader,
    domains: Vec<Domain>,
    after: Option<Root>,
    pending: Vec<RootHead>,
}

impl Roots {
    /// Begins to list.
    pub fn open(reader: Reader) -> Self {
        let domains = reader.domains.keys().cloned().collect();
        Self {
            reader,
            domains,
            after: None,
            pending: Vec::new(),
        }
    }

    /// The next root with its domain; none is the end.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn next(&mut self) -> Result<Option<(Domain, RootHead)>, Error> {
        loop {
            let Some(domain) = self.domains.last() else {
                return Ok(None);
            };
            if let Some(head) = self.pending.pop() {
                return Ok(Some((domain.clone(), head)));
            }
            let mut heads = self
                .reader
                .catalog
                .list_roots(domain, self.after, ROOTS_PAGE)
                .await?;
            match heads.last() {
                Some(last) => self.after = Some(last.root),
                None => {
                    self.domains.pop();
                    self.after = None;
                }
            }
            heads.reverse();
            self.pending = heads;
        }
    }
}
