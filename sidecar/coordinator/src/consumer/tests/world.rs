//! A small world around a consumer: the model of a store that the laws check, and a scripted logic and target.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::{Consumer, Error, OutgoingBounds, Ports, Settings, Source};
use super::script::Script;
use crate::feed::{Heads, InProcess};
use crate::model::*;
use crate::port::backlog::WorkState;
use crate::port::bus::{self, Bus, Delivery, From, Subscribe, Subscription};
use crate::port::leases::{Grant, Leases};
use crate::port::log::{PartitionPage, PartitionRead, StreamRead};
use crate::port::observer::NoObserver;
use crate::port::peers::Appends;
use crate::port::progress::*;
use crate::port::store::{self, Store};
use crate::port::writer::{ConsumerSteps, Entry, Outcome, Proposal, Writer};
use crate::retry::{Jitter, Policy};
use crate::testkit::store::{Bench, Model};
use crate::write_queue::WriteQueue;

/// Who acts for the consumer.
const HOLDER: &str = "here:9000";

/// The world; cheap to clone.
#[derive(Clone)]
pub(super) struct World {
    script: Arc<Mutex<Script>>,
    pub(super) store: Store,
    heads: Heads,
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

pub(super) fn payload(name: &str) -> Payload {
    Payload {
        type_url: format!("type.googleapis.com/{name}"),
        value: bytes::Bytes::from_static(b"x"),
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            script: Arc::default(),
            store: Model::new().ports(),
            heads: Heads::default(),
        }
    }

    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script());
    }

    /// Appends events of the given types to a root.
    pub(super) fn append_typed(&self, number: u128, types: &[&str]) -> Append {
        let events = types.iter().map(|name| NewEvent {
            payload: payload(name),
            created_at: Timestamp {
                seconds: 0,
                nanos: 0,
            },
            external: None,
        });
        let proposal = Proposal {
            deadline: None,
            id: AppendId(Uuid::from_u128(
                7_000 + u128::from(self.partition(0).head.0),
            )),
            stream: stream(number),
            expected: None,
            key: None,
            correlation_id: CorrelationId::parse("thread").unwrap(),
            trace_parent: None,
            events: events.collect(),
            snapshot: None,
        };
        let outcome = self.write_now(Entry::Proposal(proposal));
        let Outcome::Appended { append, .. } = outcome else {
            panic!("{outcome:?}")
        };
        self.heads.announce(&domain(), append.last_position);
        append
    }

    /// Writes to the model, which never waits.
    fn write_now(&self, entry: Entry) -> Outcome {
        let written = self.store.writer.write(vec![entry]).now_or_never();
        written.unwrap().unwrap().remove(0)
    }

    fn partition(&self, after: u64) -> PartitionPage {
        let read = PartitionRead {
            domain: domain(),
            after: Position(after),
            limit: 0,
        };
        let page = self.store.log.read_partition(read).now_or_never();
        page.unwrap().unwrap()
    }

    /// The place after the append that ends at a position.
    pub(super) fn cursor_at(&self, position: u64) -> Cursor {
        Cursor {
            position: Position(position),
            append_id: self.partition(position).previous,
            identity: self.store.log.identity(),
        }
    }

    /// Stores steps as an earlier run of the consumer did.
    pub(super) async fn store_steps(&self, steps: Vec<Step>) {
        let epoch = self.take_lease().await;
        let consumer = self.id();
        let outcome = self.write_now(Entry::Steps(ConsumerSteps {
            consumer,
            epoch,
            steps,
        }));
        assert_eq!(outcome, Outcome::Stepped);
    }

    /// Stores where an earlier run began to read.
    pub(super) async fn store_start(&self, start: Cursor) {
        let progress = &self.store.progress;
        let opened = progress.open_source(&self.id(), &domain(), start).await;
        assert_eq!(opened.unwrap().cursor, start);
    }

    /// Takes the lease in a new epoch, whoever has it.
    pub(super) async fn take_lease(&self) -> u64 {
        let (name, ttl) = (self.id().to_string(), Duration::from_secs(15));
        let grant = self.store.leases.acquire(&name, HOLDER, ttl).await;
        let Ok(Grant::Granted { epoch }) = grant else {
            panic!("{grant:?}")
        };
        epoch
    }

    pub(super) fn append(&self, number: u128) -> Append {
        self.append_typed(number, &["Happened"])
    }

    pub(super) fn id(&self) -> ConsumerId {
        ConsumerId {
            namespace: "shop".into(),
            kind: if self.script().is_saga {
                ConsumerKind::Saga
            } else {
                ConsumerKind::Projector
            },
            name: "web".into(),
        }
    }

    pub(super) fn settings(&self, start: From) -> Settings {
        let source = Source {
            domain: domain(),
            start,
            event_types: None,
        };
        let seconds = Duration::from_secs;
        Settings {
            id: self.id(),
            sources: vec![source],
            holder: HOLDER.into(),
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
            outgoing: OutgoingBounds {
                per_target: 64,
                target_bytes: 4 << 20,
                bytes: 32 << 20,
                waiting: 1_000,
                waiting_bytes: 1 << 20,
            },
            grace: seconds(10),
            start_over: "drain the lake".into(),
        }
    }

    pub(super) fn run(&self, start: From) -> Running {
        self.run_with(self.settings(start))
    }

    pub(super) fn run_with(&self, settings: Settings) -> Running {
        start(settings, self.ports())
    }

    /// Runs the consumer over the log of another world.
    pub(super) fn run_over(&self, other: &Self, start_at: From) -> Running {
        let bus = Arc::new(other.clone());
        let ports = Ports {
            bus,
            ..self.ports()
        };
        start(self.settings(start_at), ports)
    }

    fn ports(&self) -> Ports {
        let writer = Arc::new(self.clone());
        let (writes, _) = WriteQueue::start(writer, Heads::default(), CancellationToken::new());
        Ports {
            bus: Arc::new(self.clone()),
            progress: Arc::new(self.clone()),
            writes,
            backlog: Arc::clone(&self.store.backlog),
            leases: Arc::new(self.clone()),
            logic: Arc::new(self.clone()),
            commands: Arc::new(self.clone()),
            appends: Arc::new(self.clone()),
            observer: Arc::new(NoObserver),
        }
    }

    /// Waits until a condition holds; time is paused, so an hour passes at once when nothing is left to do.
    pub(super) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let waiting = async {
            while !holds().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(3_600), waiting).await;
        assert!(waited.is_ok(), "{what}");
    }

    async fn source(&self) -> Option<SourceProgress> {
        let id = self.id();
        let read = self.store.progress.read_source(&id, &domain()).await;
        read.unwrap()
    }

    /// Waits until the start of the source is stored.
    pub(super) async fn until_started(&self) {
        let is_started = async || self.source().await.is_some();
        self.until("the start is stored", is_started).await;
    }

    /// Waits until the cursor is at the head of the log.
    pub(super) async fn until_done(&self) {
        self.until("the cursor reaches the head", async || {
            let head = self.partition(0).head;
            let source = self.source().await;
            source.is_some_and(|source| source.cursor.position >= head)
        })
        .await;
    }

    /// Waits until so many commands were sent in all, and no more are waiting.
    pub(super) async fn until_settled(&self, sent: usize) {
        self.until("all work is settled", async || {
            self.script().sent.len() == sent && self.waiting().await == 0
        })
        .await;
    }

    /// How much outgoing work has no final answer.
    pub(super) async fn waiting(&self) -> usize {
        let id = self.id();
        let backlog = &self.store.backlog;
        let waiting = backlog.list_work(&id, WorkState::Waiting, 0, usize::MAX);
        waiting.await.unwrap().len()
    }

    /// How long attempts to send work may take effect, as far as that is stored.
    pub(super) async fn landing(&self, id: &str) -> Duration {
        let (consumer, backlog) = (self.id(), &self.store.backlog);
        let waiting = backlog.list_work(&consumer, WorkState::Waiting, 0, usize::MAX);
        let waiting = waiting.await.unwrap();
        let head = waiting.into_iter().find(|head| head.id.0 == id);
        head.unwrap().may_land_for.unwrap()
    }

    pub(super) async fn next_sequence(&self, number: u128) -> Option<Sequence> {
        let streams = vec![stream(number)];
        let read = self.store.progress.read_roots(&self.id(), streams).await;
        read.unwrap().remove(0).next_sequence
    }

    pub(super) fn handled(&self, number: u128) -> Vec<u32> {
        self.script()
            .handled
            .iter()
            .filter(|(handled, _)| *handled == root(number))
            .map(|(_, sequence)| sequence.0)
            .collect()
    }
}

fn start(settings: Settings, ports: Ports) -> Running {
    let shutdown = CancellationToken::new();
    let (consumer, task) = Consumer::start(settings, ports, shutdown.clone());
    Running {
        consumer,
        shutdown,
        task,
    }
}

struct Reading {
    world: World,
    inner: Box<dyn Subscription>,
}

#[async_trait]
impl Bus for World {
    async fn subscribe(&self, subscribe: Subscribe) -> Result<Box<dyn Subscription>, bus::Error> {
        let source = InProcess {
            log: Arc::clone(&self.store.log),
            heads: self.heads.clone(),
            observer: Arc::new(NoObserver),
        };
        Ok(Box::new(Reading {
            world: self.clone(),
            inner: source.subscribe(subscribe).await?,
        }))
    }
}

#[async_trait]
impl Subscription for Reading {
    fn opened(&self) -> Cursor {
        self.inner.opened()
    }

    async fn next(&mut self) -> Result<Delivery, bus::Error> {
        let injected = self.world.script().injected.pop_front();
        match injected {
            Some(append) => Ok(Delivery::Append(append)),
            None => self.inner.next().await,
        }
    }

    fn grant(&mut self, appends: u32) {
        self.inner.grant(appends);
    }
}

#[async_trait]
impl Progress for World {
    async fn open_source(
        &self,
        consumer: &ConsumerId,
        domain: &Domain,
        start: Cursor,
    ) -> Result<SourceProgress, store::Error> {
        let progress = &self.store.progress;
        progress.open_source(consumer, domain, start).await
    }

    async fn read_source(
        &self,
        consumer: &ConsumerId,
        domain: &Domain,
    ) -> Result<Option<SourceProgress>, store::Error> {
        self.store.progress.read_source(consumer, domain).await
    }

    async fn read_roots(
        &self,
        consumer: &ConsumerId,
        streams: Vec<StreamId>,
    ) -> Result<Vec<RootProgress>, store::Error> {
        let is_unreadable = |stream: &StreamId| self.script().unreadable.contains(&stream.root);
        if streams.iter().any(is_unreadable) {
            return Err(store::Error::Corrupt("column 1: no number".to_owned()));
        }
        self.store.progress.read_roots(consumer, streams).await
    }
}

#[async_trait]
impl Writer for World {
    async fn write(&self, batch: Vec<Entry>) -> Result<Vec<Outcome>, store::Error> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        if self.script().fails_writes {
            let cause = std::io::Error::other("away");
            return Err(store::Error::Unavailable(Arc::new(cause)));
        }
        let steps = batch.iter().filter_map(Entry::steps);
        let steps = steps.flat_map(|steps| &steps.steps);
        let attempts = steps.filter(|step| matches!(step, Step::Attempt { .. }));
        self.script().attempts_stored += attempts.count();
        self.store.writer.write(batch).await
    }
}

#[async_trait]
impl Leases for World {
    async fn acquire(
        &self,
        name: &str,
        holder: &str,
        ttl: Duration,
    ) -> Result<Grant, store::Error> {
        self.store.leases.acquire(name, holder, ttl).await
    }

    async fn renew(&self, name: &str, epoch: u64, ttl: Duration) -> Result<(), store::Error> {
        if self.script().fails_leases {
            let cause = std::io::Error::other("away");
            return Err(store::Error::Unavailable(Arc::new(cause)));
        }
        self.store.leases.renew(name, epoch, ttl).await
    }

    async fn release(&self, name: &str, epoch: u64) -> Result<(), store::Error> {
        self.store.leases.release(name, epoch).await
    }
}

#[async_trait]
impl Appends for World {
    async fn fetch(
        &self,
        history: StoreIdentity,
        stream: &StreamId,
        from: Sequence,
        after: Position,
    ) -> Result<Vec<Append>, Status> {
        assert_eq!(history, self.store.log.identity());
        let read = StreamRead {
            stream: stream.clone(),
            from,
            after,
            limit: usize::MAX,
        };
        let mut found = self.store.log.read_stream(read).await.unwrap();
        // Two at a time, so that pieces are really put together.
        found.truncate(2);
        Ok(found)
    }
}
