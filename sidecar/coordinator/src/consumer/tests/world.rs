//! A small world around a consumer: a log, a store, a logic and targets, all in memory and all scriptable.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::{Consumer, Error, Ports, Settings, Source, Start};
use crate::feed::Heads;
use crate::model::*;
use crate::port::backlog::{Backlog, Queued, Refused};
use crate::port::bus::{self, Bus, Delivery, From, Subscribe, Subscription};
use crate::port::leases::{Grant, Leases};
use crate::port::logic::{self, ConsumerLogic, Reaction, Request};
use crate::port::observer::NoObserver;
use crate::port::peers::{Appends, Commands};
use crate::port::progress::*;
use crate::port::store;
use crate::port::writer::{ConsumerSteps, Entry, Outcome, Writer};
use crate::retry::{Jitter, Policy};
use crate::write_queue::WriteQueue;

pub(super) type Answers = VecDeque<Result<Reaction, logic::Error>>;

#[derive(Default)]
pub(super) struct State {
    pub(super) log: Vec<Append>,
    pub(super) incarnation: Uuid,
    /// Deliveries of the bus besides those of the log, in the place of the one that would come next.
    pub(super) injected: VecDeque<Append>,
    pub(super) sources: BTreeMap<Domain, SourceProgress>,
    pub(super) roots: BTreeMap<StreamId, RootProgress>,
    pub(super) outgoing: Vec<Queued>,
    pub(super) refused: Vec<Refused>,
    pub(super) place: u64,
    pub(super) epoch: u64,
    pub(super) fails_commits: bool,
    /// Scripted answers per root; without any the logic takes note.
    pub(super) answers: HashMap<Root, Answers>,
    /// Roots whose every append fails.
    pub(super) poisoned: Vec<Root>,
    /// Roots whose every call breaks.
    pub(super) breaking: Vec<Root>,
    pub(super) is_logic_away: bool,
    pub(super) is_saga: bool,
    pub(super) handled: Vec<(Root, Sequence)>,
    pub(super) sent: Vec<Command>,
    pub(super) replies: VecDeque<Result<(), Status>>,
    pub(super) has_target: bool,
}

/// The world; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct World {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

pub(super) struct Running {
    pub(super) consumer: Arc<Consumer>,
    pub(super) shutdown: CancellationToken,
    pub(super) task: JoinHandle<Result<(), Error>>,
}

impl Running {
    pub(super) async fn stop(self) -> Result<(), Error> {
        self.shutdown.cancel();
        self.task.await.unwrap()
    }
}

pub(super) fn domain() -> Domain {
    Domain::parse("order").unwrap()
}

pub(super) fn root(number: u128) -> Root {
    Root(Uuid::from_u128(number))
}

pub(super) fn stream(number: u128) -> StreamId {
    StreamId {
        domain: domain(),
        edition: Edition::Main,
        root: root(number),
    }
}

pub(super) fn refusal(code: Code) -> Status {
    Status::new(code, "no")
}

pub(super) fn command(target: u128) -> Command {
    Command {
        stream: stream(target),
        id: CommandId::parse("overwritten").unwrap(),
        correlation_id: CorrelationId::parse("overwritten").unwrap(),
        expected: Sequence::FIRST,
        merge_strategy: MergeStrategy::AggregateHandles,
        pages: vec![payload("Do")],
        origin: None,
        trace_parent: None,
    }
}

pub(super) fn payload(name: &str) -> Payload {
    Payload {
        type_url: format!("type.googleapis.com/{name}"),
        value: bytes::Bytes::from_static(b"x"),
    }
}

impl World {
    pub(super) fn new() -> Self {
        let world = Self::default();
        world.state().has_target = true;
        world
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_waiters();
    }

    /// Appends events of the given types to a root.
    pub(super) fn append_typed(&self, number: u128, types: &[&str]) -> Append {
        let mut state = self.state();
        let first_sequence = state
            .log
            .iter()
            .rev()
            .find(|append| append.stream == stream(number))
            .map_or(Sequence::FIRST, Append::next_sequence);
        let before = state
            .log
            .last()
            .map_or(Position::ORIGIN, |last| last.last_position);
        let created_at = Timestamp {
            seconds: 0,
            nanos: 0,
        };
        let events = types
            .iter()
            .enumerate()
            .map(|(place, name)| Event {
                sequence: first_sequence.plus(place),
                position: before.plus(place + 1),
                payload: payload(name),
                created_at,
                external_id: None,
            })
            .collect();
        let append = Append {
            id: AppendId(Uuid::from_u128(7_000 + u128::from(before.0))),
            stream: stream(number),
            first_sequence,
            last_position: before.plus(types.len()),
            correlation_id: CorrelationId::parse("thread").unwrap(),
            command_id: None,
            trace_parent: None,
            events,
        };
        state.log.push(append.clone());
        drop(state);
        self.changed.notify_waiters();
        append
    }

    pub(super) fn append(&self, number: u128) -> Append {
        self.append_typed(number, &["Happened"])
    }

    pub(super) fn settings(&self, start: Start) -> Settings {
        let kind = if self.state().is_saga {
            ConsumerKind::Saga
        } else {
            ConsumerKind::Projector
        };
        let id = ConsumerId {
            namespace: "shop".into(),
            kind,
            name: "web".into(),
        };
        let source = Source {
            domain: domain(),
            start,
            event_types: None,
        };
        let seconds = Duration::from_secs;
        Settings {
            id,
            sources: vec![source],
            holder: "here:9000".into(),
            lease_ttl: seconds(15),
            concurrency: 64,
            credit: 256,
            logic_budget: seconds(30),
            command_budget: seconds(30),
            max_attempts: 5,
            backoff: Policy {
                first: Duration::from_millis(100),
                longest: seconds(30),
                jitter: Jitter::Half,
            },
            grace: seconds(10),
        }
    }

    pub(super) fn run(&self, start: Start) -> Running {
        self.run_with(self.settings(start))
    }

    pub(super) fn run_with(&self, settings: Settings) -> Running {
        let shutdown = CancellationToken::new();
        let (consumer, task) = Consumer::start(settings, self.ports(), shutdown.clone());
        Running {
            consumer,
            shutdown,
            task,
        }
    }

    pub(super) fn ports(&self) -> Ports {
        Ports {
            bus: Arc::new(self.clone()),
            progress: Arc::new(self.clone()),
            writes: WriteQueue::start(
                Arc::new(self.clone()),
                Heads::default(),
                CancellationToken::new(),
            )
            .0,
            backlog: Arc::new(self.clone()),
            leases: Arc::new(self.clone()),
            logic: Arc::new(self.clone()),
            commands: Arc::new(self.clone()),
            appends: Arc::new(self.clone()),
            observer: Arc::new(NoObserver),
        }
    }

    /// Waits until a condition holds; time is paused, so an hour passes at once when nothing is left to do.
    pub(super) async fn until(&self, what: &str, holds: impl Fn(&State) -> bool) {
        let waiting = async {
            while !holds(&self.state()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(3_600), waiting).await;
        assert!(waited.is_ok(), "{what}");
    }

    /// Waits until the cursor is at the head of the log.
    pub(super) async fn until_done(&self) {
        self.until("the cursor reaches the head", |state| {
            let head = state.log.last().map(|last| last.last_position);
            state
                .sources
                .get(&domain())
                .is_some_and(|source| Some(source.cursor.position) >= head)
        })
        .await;
    }

    pub(super) fn handled(&self, number: u128) -> Vec<u32> {
        self.state()
            .handled
            .iter()
            .filter(|(handled, _)| *handled == root(number))
            .map(|(_, sequence)| sequence.0)
            .collect()
    }

    fn cursor(state: &State, position: Position) -> Cursor {
        Cursor {
            position,
            append_id: state
                .log
                .iter()
                .find(|append| append.last_position == position)
                .map(|append| append.id),
            identity: StoreIdentity {
                store_id: StoreId(Uuid::nil()),
                incarnation: Incarnation(state.incarnation),
            },
        }
    }
}

struct Reading {
    world: World,
    opened: Cursor,
    last: Position,
    credit: u32,
    has_caught_up: bool,
}

#[async_trait]
impl Bus for World {
    async fn subscribe(&self, subscribe: Subscribe) -> Result<Box<dyn Subscription>, bus::Error> {
        let state = self.state();
        let head = state
            .log
            .last()
            .map_or(Position::ORIGIN, |last| last.last_position);
        let opened = match subscribe.from {
            From::Beginning => Self::cursor(&state, Position::ORIGIN),
            From::Now => Self::cursor(&state, head),
            From::Cursor(cursor) if cursor != Self::cursor(&state, cursor.position) => {
                return Err(bus::Error::Diverged("another history".into()));
            }
            From::Cursor(cursor) => cursor,
        };
        Ok(Box::new(Reading {
            world: self.clone(),
            opened,
            last: opened.position,
            credit: subscribe.credit,
            has_caught_up: false,
        }))
    }
}

impl Reading {
    fn poll(&mut self) -> Option<Delivery> {
        let mut state = self.world.state();
        if self.credit == 0 {
            return None;
        }
        let found = state.injected.pop_front().or_else(|| {
            let after = |append: &&Append| append.position_before() >= self.last;
            state.log.iter().find(after).cloned()
        });
        let Some(append) = found else {
            let is_first = !std::mem::replace(&mut self.has_caught_up, true);
            return is_first.then_some(Delivery::CaughtUp(self.last));
        };
        self.credit -= 1;
        self.last = append.last_position;
        Some(Delivery::Append(append))
    }
}

#[async_trait]
impl Subscription for Reading {
    fn opened(&self) -> Cursor {
        self.opened
    }

    async fn next(&mut self) -> Result<Delivery, bus::Error> {
        loop {
            let changed = Arc::clone(&self.world.changed);
            let changed = changed.notified();
            if let Some(delivery) = self.poll() {
                return Ok(delivery);
            }
            changed.await;
        }
    }

    fn grant(&mut self, appends: u32) {
        self.credit += appends;
    }
}

fn away() -> store::Error {
    store::Error::Unavailable(Arc::new(std::io::Error::other("away")))
}

#[async_trait]
impl Progress for World {
    async fn open_source(
        &self,
        _: &ConsumerId,
        domain: &Domain,
        start: Cursor,
    ) -> Result<SourceProgress, store::Error> {
        let fresh = SourceProgress {
            start,
            cursor: start,
        };
        Ok(self
            .state()
            .sources
            .entry(domain.clone())
            .or_insert(fresh)
            .clone())
    }

    async fn read_source(
        &self,
        _: &ConsumerId,
        domain: &Domain,
    ) -> Result<Option<SourceProgress>, store::Error> {
        Ok(self.state().sources.get(domain).cloned())
    }

    async fn read_roots(
        &self,
        _: &ConsumerId,
        streams: Vec<StreamId>,
    ) -> Result<Vec<RootProgress>, store::Error> {
        let state = self.state();
        let read = |stream| state.roots.get(stream).cloned().unwrap_or_default();
        Ok(streams.iter().map(read).collect())
    }
}

#[async_trait]
impl Writer for World {
    async fn write(&self, batch: Vec<Entry>) -> Result<Vec<Outcome>, store::Error> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut state = self.state();
        if state.fails_commits {
            return Err(away());
        }
        let steps = batch.iter().filter_map(Entry::steps);
        Ok(steps.map(|steps| write(&mut state, steps)).collect())
    }
}

fn write(state: &mut State, steps: &ConsumerSteps) -> Outcome {
    if state.epoch != steps.epoch {
        let name = "web".into();
        return Outcome::Fenced { name };
    }
    for step in steps.steps.clone() {
        take(state, step);
    }
    Outcome::Stepped
}

fn take(state: &mut State, step: Step) {
    match step {
        Step::Advance {
            stream,
            next,
            outgoing,
        } => {
            let progress = state.roots.entry(stream).or_default();
            progress.next_sequence = progress.next_sequence.max(Some(next));
            for outgoing in outgoing {
                queue(state, outgoing);
            }
        }
        Step::MoveCursor { domain, cursor } => {
            let source = state.sources.get_mut(&domain).unwrap();
            assert!(source.cursor.position < cursor.position);
            source.cursor = cursor;
        }
        Step::Park { stream, parked } => {
            state.roots.entry(stream).or_default().parked = Some(parked);
        }
        Step::Unpark { stream } => state.roots.entry(stream).or_default().parked = None,
        Step::Settle { id, refusal } => {
            let place = state
                .outgoing
                .iter()
                .position(|queued| queued.outgoing.id == id);
            let Some(place) = place else { return };
            let Queued { place, outgoing } = state.outgoing.remove(place);
            if let Some(refusal) = refusal {
                state.refused.push(Refused {
                    place,
                    outgoing,
                    refusal,
                });
            }
        }
        Step::Resend { id } => {
            let place = state
                .refused
                .iter()
                .position(|refused| refused.outgoing.id == id);
            let refused = state.refused.remove(place.unwrap());
            queue(state, refused.outgoing);
        }
        Step::Discard { id } => state.refused.retain(|refused| refused.outgoing.id != id),
    }
}

fn queue(state: &mut State, outgoing: Outgoing) {
    if state
        .outgoing
        .iter()
        .any(|queued| queued.outgoing.id == outgoing.id)
    {
        return;
    }
    state.place += 1;
    let place = state.place;
    state.outgoing.push(Queued { place, outgoing });
}

#[async_trait]
impl Backlog for World {
    async fn list_outgoing(
        &self,
        _: &ConsumerId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Queued>, store::Error> {
        let state = self.state();
        let waiting = state.outgoing.iter().filter(|queued| queued.place > after);
        Ok(waiting.take(limit).cloned().collect())
    }

    async fn list_refused(
        &self,
        _: &ConsumerId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Refused>, store::Error> {
        let state = self.state();
        let refused = state.refused.iter().filter(|refused| refused.place > after);
        Ok(refused.take(limit).cloned().collect())
    }

    async fn list_parked(
        &self,
        _: &ConsumerId,
        after: Option<&StreamId>,
        limit: usize,
    ) -> Result<Vec<(StreamId, Parked)>, store::Error> {
        let state = self.state();
        let parked = state
            .roots
            .iter()
            .filter(|(stream, _)| Some(*stream) > after);
        let parked = parked.filter_map(|(stream, progress)| {
            progress
                .parked
                .clone()
                .map(|parked| (stream.clone(), parked))
        });
        Ok(parked.take(limit).collect())
    }

    async fn read_refused(
        &self,
        _: &ConsumerId,
        id: &OutgoingId,
    ) -> Result<Option<Refused>, store::Error> {
        let state = self.state();
        Ok(state
            .refused
            .iter()
            .find(|refused| refused.outgoing.id == *id)
            .cloned())
    }
}

#[async_trait]
impl Leases for World {
    async fn acquire(&self, _: &str, _: &str, _: Duration) -> Result<Grant, store::Error> {
        let mut state = self.state();
        state.epoch += 1;
        Ok(Grant::Granted { epoch: state.epoch })
    }

    async fn renew(&self, _: &str, epoch: u64, _: Duration) -> Result<(), store::Error> {
        if self.state().epoch == epoch {
            return Ok(());
        }
        let name = "web".into();
        Err(store::Error::Fenced { name })
    }

    async fn release(&self, _: &str, _: u64) -> Result<(), store::Error> {
        Ok(())
    }
}

#[async_trait]
impl ConsumerLogic for World {
    async fn handle(&self, append: &Append, _: Duration) -> Result<Reaction, logic::Error> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut state = self.state();
        let called = append.stream.root;
        if state.is_logic_away {
            return Err(logic::Error::Unreachable("refused".into()));
        }
        if state.poisoned.contains(&called) {
            return Err(logic::Error::Answered(refusal(Code::Internal)));
        }
        if state.breaking.contains(&called) {
            return Err(logic::Error::Broken("reset".into()));
        }
        if let Some(answer) = state.answers.get_mut(&called).and_then(VecDeque::pop_front) {
            if answer.is_ok() {
                state.handled.push((called, append.first_sequence));
            }
            return answer;
        }
        state.handled.push((called, append.first_sequence));
        if state.is_saga {
            let wishes = [100, 101].map(|target| Request::Command(command(target)));
            return Ok(Reaction::Requested(wishes.into()));
        }
        Ok(Reaction::Projected(Projection {
            stream: append.stream.clone(),
            correlation_id: None,
            projector: "web".into(),
            sequence: append.events.last().map(|event| event.sequence),
            payload: None,
        }))
    }

    async fn project(&self, stream: &StreamId, _: Duration) -> Result<Projection, logic::Error> {
        Ok(Projection {
            stream: stream.clone(),
            correlation_id: None,
            projector: "current".into(),
            sequence: None,
            payload: None,
        })
    }

    async fn probe(&self) -> Result<(), logic::Error> {
        if self.state().is_logic_away {
            return Err(logic::Error::Unreachable("refused".into()));
        }
        Ok(())
    }
}

impl World {
    fn reply(&self) -> Option<Result<(), Status>> {
        let mut state = self.state();
        if !state.has_target {
            return Some(Err(refusal(Code::Unavailable)));
        }
        state.replies.pop_front()
    }
}

#[async_trait]
impl Commands for World {
    async fn execute(&self, command: Command, _: Duration) -> Result<(), Status> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        if let Some(Err(status)) = self.reply() {
            return Err(status);
        }
        self.state().sent.push(command);
        Ok(())
    }

    async fn record(&self, _: Facts, _: Duration) -> Result<(), Status> {
        Err(refusal(Code::Unimplemented))
    }
}

#[async_trait]
impl Appends for World {
    async fn fetch(
        &self,
        stream: &StreamId,
        from: Sequence,
        after: Position,
    ) -> Result<Vec<Append>, Status> {
        let state = self.state();
        let found = state.log.iter().filter(|append| {
            append.stream == *stream
                && append.next_sequence() > from
                && append.last_position > after
        });
        // Two at a time, so that pieces are really put together.
        Ok(found.take(2).cloned().collect())
    }

    async fn head(&self, _: &Domain) -> Result<Cursor, Status> {
        Err(refusal(Code::Unimplemented))
    }
}
