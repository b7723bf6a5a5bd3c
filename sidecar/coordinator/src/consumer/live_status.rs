//! What a consumer shows of itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use crate::model::{ConsumerId, Cursor, Domain, Position};

/// The state of a consumer at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Who it is.
    pub id: ConsumerId,
    /// Who acts for it.
    pub holder: Holder,
    /// Whether it acts here, and the start of every source is stored; or another process acts for it, which this one stands by for.
    pub is_ready: bool,
    /// In the order of its settings.
    pub sources: Vec<SourceSnapshot>,
    /// How many roots are parked.
    pub parked: u64,
    /// How many commands and facts are to be sent, as far as they were read from the store.
    pub outgoing: usize,
    /// Why some of them wait, by target.
    pub outgoing_waits: Option<String>,
}

/// Who acts for a consumer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Holder {
    /// It is not known yet, or nobody.
    #[default]
    Unknown,
    /// This process, under an epoch.
    Here(u64),
    /// The process at this address.
    Elsewhere(String),
    /// Another process that has the address of this one, by a mistake in their settings.
    Twin,
}

/// The state of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSnapshot {
    /// Which source this is.
    pub domain: Domain,
    /// Where the consumer started; absent before that is stored.
    pub start: Option<Position>,
    /// Everything up to here is done, or waits behind a parked root.
    pub cursor: Option<Position>,
    /// The furthest position known of the source.
    pub head: Option<Position>,
    /// How many events lie between both.
    pub lag: u64,
    /// What it does.
    pub state: SourceState,
}

/// What a source does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SourceState {
    /// The subscription is being opened.
    #[default]
    Connecting,
    /// It reads what was there before.
    CatchingUp,
    /// It has seen the head.
    Live,
    /// It waits for something outside, with the reason.
    Paused(String),
    /// It ended with an error that a person must look at.
    Stopped(String),
}

/// What a consumer can be waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Needed {
    Logic,
    Owner,
    Store,
    /// Room for outgoing work in the store.
    Room,
}

#[derive(Debug, Default)]
struct State {
    holder: Holder,
    sources: BTreeMap<Domain, SourceStatus>,
    pauses: BTreeMap<Needed, String>,
    parked: u64,
    outgoing: usize,
    outgoing_waits: Option<String>,
}

#[derive(Debug, Default)]
struct SourceStatus {
    start: Option<Cursor>,
    cursor: Option<Position>,
    head: Option<Position>,
    state: SourceState,
}

/// Where the parts of a consumer note their state; every section is short.
#[derive(Debug, Default)]
pub(super) struct LiveStatus(Mutex<State>);

impl LiveStatus {
    fn locked(&self) -> MutexGuard<'_, State> {
        // Plain values: a panic elsewhere leaves nothing half changed.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn source(&self, domain: &Domain, change: impl FnOnce(&mut SourceStatus)) {
        change(self.locked().sources.entry(domain.clone()).or_default());
    }

    pub(super) fn set_holder(&self, holder: Holder) {
        self.locked().holder = holder;
    }

    pub(super) fn holder(&self) -> Holder {
        self.locked().holder.clone()
    }

    pub(super) fn opened(&self, domain: &Domain, start: Cursor, cursor: Position) {
        self.source(domain, |source| {
            source.start = Some(start);
            source.cursor = source.cursor.max(Some(cursor));
            source.head = source.head.max(Some(cursor));
        });
    }

    pub(super) fn start(&self, domain: &Domain) -> Option<Cursor> {
        self.locked().sources.get(domain)?.start
    }

    pub(super) fn set_state(&self, domain: &Domain, state: SourceState) {
        self.source(domain, |source| source.state = state);
    }

    pub(super) fn saw_head(&self, domain: &Domain, head: Position) {
        self.source(domain, |source| source.head = source.head.max(Some(head)));
    }

    pub(super) fn moved_cursor(&self, domain: &Domain, cursor: Position) {
        self.source(domain, |source| {
            source.cursor = source.cursor.max(Some(cursor));
        });
    }

    /// Begins a pause, or gives it another reason; returns whether that is news.
    pub(super) fn pause(&self, needed: Needed, reason: String) -> bool {
        let mut state = self.locked();
        let is_news = state.pauses.get(&needed) != Some(&reason);
        state.pauses.insert(needed, reason);
        is_news
    }

    /// Ends a pause; returns whether there was one.
    pub(super) fn resume(&self, needed: Needed) -> bool {
        self.locked().pauses.remove(&needed).is_some()
    }

    /// The consumer does not act any more; what stopped it stays visible.
    pub(super) fn ended(&self) {
        let mut state = self.locked();
        state.holder = Holder::Unknown;
        state.pauses.clear();
        for source in state.sources.values_mut() {
            if !matches!(source.state, SourceState::Stopped(_)) {
                source.state = SourceState::Connecting;
            }
        }
    }

    pub(super) fn pause_reason(&self) -> Option<String> {
        self.locked().pauses.values().next().cloned()
    }

    pub(super) fn set_parked(&self, parked: u64) {
        self.locked().parked = parked;
    }

    pub(super) fn parked_one(&self) {
        self.locked().parked += 1;
    }

    pub(super) fn unparked_one(&self) {
        let mut state = self.locked();
        state.parked = state.parked.saturating_sub(1);
    }

    /// Notes how many pieces of outgoing work there are, and why some of them wait.
    pub(super) fn set_outgoing(&self, pieces: usize, waits: Option<String>) {
        let mut state = self.locked();
        state.outgoing = pieces;
        state.outgoing_waits = waits;
    }

    /// What is shown, with the sources in the given order.
    pub(super) fn snapshot(&self, id: &ConsumerId, domains: &[Domain]) -> Snapshot {
        let state = self.locked();
        let pause = state.pauses.values().next();
        let sources: Vec<_> = domains
            .iter()
            .map(|domain| snapshot_source(domain, state.sources.get(domain), pause))
            .collect();
        let is_ready = match &state.holder {
            Holder::Unknown | Holder::Twin => false,
            Holder::Here(_) => sources.iter().all(|source| source.start.is_some()),
            Holder::Elsewhere(_) => true,
        };
        Snapshot {
            id: id.clone(),
            is_ready,
            holder: state.holder.clone(),
            sources,
            parked: state.parked,
            outgoing: state.outgoing,
            outgoing_waits: state.outgoing_waits.clone(),
        }
    }
}

fn snapshot_source(
    domain: &Domain,
    source: Option<&SourceStatus>,
    pause: Option<&String>,
) -> SourceSnapshot {
    let cursor = source.and_then(|source| source.cursor);
    let head = source.and_then(|source| source.head);
    let own = source
        .map(|source| source.state.clone())
        .unwrap_or_default();
    let state = match (own, pause) {
        (SourceState::CatchingUp | SourceState::Live, Some(reason)) => {
            SourceState::Paused(reason.clone())
        }
        (own, _) => own,
    };
    SourceSnapshot {
        domain: domain.clone(),
        start: source.and_then(|source| source.start.map(|start| start.position)),
        cursor,
        head,
        lag: head
            .zip(cursor)
            .map_or(0, |(head, cursor)| head.0.saturating_sub(cursor.0)),
        state,
    }
}
