//! Reads that come piece by piece: a stream, a correlation id, all roots.

use std::collections::HashMap;

use crate::model::{
    Append, CorrelationId, Domain, Event, History, Position, Root, RootHead, Sequence, StreamId,
};

use crate::budget::Share;

use super::{BOOK_BYTES, Error, Reader, Selection, Window};

/// Roots whose part of a selection is remembered.
const KNOWN_WINDOWS: usize = 1_000;
/// Roots that are listed at a time.
const ROOTS_PAGE: usize = 1_000;

/// A stream of one root in pieces of bounded size.
pub struct Pieces {
    reader: Reader,
    stream: StreamId,
    window: Option<Window>,
    from: Sequence,
    pending: Vec<Event>,
    takes_shares: bool,
    /// Of what was read and not yet handed out.
    share: Option<Share>,
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
        let pieces = Self::of_share(reader, stream, selection).await?;
        Ok(Self {
            takes_shares: true,
            ..pieces
        })
    }

    /// Begins to read what the caller has the memory for.
    pub(super) async fn of_share(
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
            takes_shares: false,
            share: None,
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
            // It is given back before more is asked for, or queries would wait for each other.
            self.share = None;
            if self.takes_shares {
                self.share = Some(self.reader.room(BOOK_BYTES).await?);
            }
            let appends = self.reader.read(&self.stream, self.from).await?;
            if let Some(share) = &mut self.share {
                share.set(appends.iter().map(Append::size).sum());
            }
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
        if let Some(share) = &mut self.share {
            share.set(self.pending.iter().map(Event::size).sum());
        }
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
        bytes += event.size();
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
    /// Of what was read and not yet handed out.
    share: Option<Share>,
}

/// What is wanted of a correlation id.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Whose partition is read.
    pub domain: Domain,
    /// Only appends with this correlation id.
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
            share: None,
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
            if let Some(share) = &mut self.share {
                share.set(share.bytes().saturating_sub(append.size()));
            }
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
        // As for a stream.
        self.share = None;
        let mut share = self.reader.room(BOOK_BYTES).await?;
        let mut appends = self
            .reader
            .catalog
            .read_correlated(domain, correlation, self.after, BOOK_BYTES)
            .await?;
        share.set(appends.iter().map(Append::size).sum());
        self.share = Some(share);
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
        if self.windows.len() >= KNOWN_WINDOWS {
            // A root whose window is needed again is looked at again.
            self.windows.clear();
        }
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
