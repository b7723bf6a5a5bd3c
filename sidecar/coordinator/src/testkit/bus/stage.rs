//! What the laws share: a log that they fill, and words to read a subscription with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Adapter, Link};
use crate::feed::{Heads, InProcess};
use crate::model::{
    Append, AppendId, CommandId, CommandKey, ConsumerId, ConsumerKind, CorrelationId, Cursor,
    Domain, Edition, NewEvent, Payload, PayloadHash, Position, Root, StreamId, Timestamp,
};
use crate::port::bus::{Delivery, Error, From, Subscribe, Subscription};
use crate::port::log::{Log, PartitionRead};
use crate::port::observer::NoObserver;
use crate::port::store::Store;
use crate::port::writer::{Entry, Outcome, Proposal};

/// How long a delivery may take before a law counts as broken.
const WITHIN: Duration = Duration::from_secs(20);
/// How long a law watches that nothing comes.
const QUIET: Duration = Duration::from_millis(400);

/// The domain whose log the laws read.
pub(super) fn till() -> Domain {
    Domain::parse("till").expect("the name is valid")
}

/// A stream of the domain.
pub(super) fn stream(root: u8) -> StreamId {
    StreamId {
        domain: till(),
        edition: Edition::Main,
        root: Root::from_bytes(&[root; 16]).expect("16 bytes"),
    }
}

/// The place after an append, in the history of a cursor.
pub(super) fn cursor_after(append: &Append, of: Cursor) -> Cursor {
    Cursor {
        position: append.last_position,
        append_id: Some(append.id),
        identity: of.identity,
    }
}

/// Proposes events of so many bytes each, at the end of a stream.
pub(super) fn propose(stream: StreamId, events: &[usize]) -> Proposal {
    static COMMANDS: AtomicU64 = AtomicU64::new(0);
    let command = format!("command-{}", COMMANDS.fetch_add(1, Ordering::Relaxed));
    let events = events.iter().map(|bytes| NewEvent {
        payload: Payload {
            type_url: "type.googleapis.com/till.v1.Rung".into(),
            value: vec![7; *bytes].into(),
        },
        created_at: Timestamp {
            seconds: 1_700_000_000,
            nanos: 42,
        },
        external: None,
    });
    Proposal {
        deadline: None,
        id: AppendId::random(),
        stream,
        expected: None,
        key: Some(CommandKey {
            id: CommandId::parse(&command).expect("the id is valid"),
            hash: PayloadHash([3; 32]),
        }),
        correlation_id: CorrelationId::parse("a-workflow").expect("the id is valid"),
        trace_parent: None,
        events: events.collect(),
        snapshot: None,
    }
}

/// A log, its announcements and a way to connect with it.
#[derive(Clone)]
pub(super) struct Stage {
    adapter: Arc<dyn Adapter>,
    store: Store,
    pub(super) heads: Heads,
}

impl Stage {
    pub(super) fn new(adapter: Arc<dyn Adapter>, store: Store) -> Self {
        Self {
            adapter,
            store,
            heads: Heads::default(),
        }
    }

    pub(super) fn log(&self) -> Arc<dyn Log> {
        Arc::clone(&self.store.log)
    }

    /// Connects with the log.
    pub(super) async fn connect(&self) -> Box<dyn Link> {
        self.connect_with(self.log()).await
    }

    /// Connects with a log that stands in front of the stage's.
    pub(super) async fn connect_with(&self, log: Arc<dyn Log>) -> Box<dyn Link> {
        let source = InProcess {
            log,
            heads: self.heads.clone(),
            observer: Arc::new(NoObserver),
        };
        self.adapter.connect(source).await
    }

    /// Records proposals and announces nothing.
    pub(super) async fn record(&self, batch: Vec<Proposal>) -> Vec<Append> {
        let entries = batch.into_iter().map(Entry::Proposal).collect();
        let outcomes = self.store.writer.write(entries).await;
        let outcomes = outcomes.expect("the store takes writes");
        let appends = outcomes.into_iter().map(|outcome| match outcome {
            Outcome::Appended { append, .. } => append,
            refused => unreachable!("the log refused a valid proposal: {refused:?}"),
        });
        appends.collect()
    }

    /// Records proposals and announces the head, as the pipeline does.
    pub(super) async fn commit(&self, batch: Vec<Proposal>) -> Vec<Append> {
        let appends = self.record(batch).await;
        for append in &appends {
            self.heads
                .announce(&append.stream.domain, append.last_position);
        }
        appends
    }

    /// Commits one append of a root, with an event for each size.
    pub(super) async fn ring(&self, root: u8, events: &[usize]) -> Append {
        let mut appends = self.commit(vec![propose(stream(root), events)]).await;
        appends.remove(0)
    }

    /// Commits appends of several roots and sizes.
    pub(super) async fn ring_some(&self) -> Vec<Append> {
        let mut appends = vec![self.ring(1, &[10, 20, 30]).await];
        appends.push(self.ring(2, &[5]).await);
        appends.push(self.ring(1, &[0]).await);
        appends.push(self.ring(3, &[300; 40]).await);
        appends.push(self.ring(2, &[1, 2]).await);
        appends
    }

    /// Where the log ends, read past the bus.
    pub(super) async fn head(&self) -> Cursor {
        let read = PartitionRead {
            domain: till(),
            after: Position::ORIGIN,
            limit: 0,
        };
        let page = self
            .store
            .log
            .read_partition(read)
            .await
            .expect("the log is read");
        Cursor {
            position: page.head,
            append_id: page.head_append,
            identity: self.store.log.identity(),
        }
    }
}

/// Asks for the domain's appends.
pub(super) fn subscribe(from: From, credit: u32) -> Subscribe {
    Subscribe {
        consumer: ConsumerId {
            namespace: "laws".into(),
            kind: ConsumerKind::Projector,
            name: "screen".into(),
        },
        domain: till(),
        from,
        credit,
    }
}

/// Opens a subscription that must open.
pub(super) async fn open(link: &dyn Link, from: From, credit: u32) -> Box<dyn Subscription> {
    let opening = tokio::time::timeout(WITHIN, link.bus().subscribe(subscribe(from, credit)));
    opening
        .await
        .expect("the subscription opens in time")
        .expect("the subscription opens")
}

/// The next delivery or failure.
pub(super) async fn next(subscription: &mut dyn Subscription) -> Result<Delivery, Error> {
    tokio::time::timeout(WITHIN, subscription.next())
        .await
        .expect("something comes in time")
}

/// The next append; that the consumer caught up is no news here.
pub(super) async fn next_append(subscription: &mut dyn Subscription) -> Append {
    loop {
        match next(subscription).await.expect("the subscription goes on") {
            Delivery::Append(append) => return append,
            Delivery::CaughtUp(_) => {}
        }
    }
}

/// Checks that exactly these appends come next.
pub(super) async fn expect(subscription: &mut dyn Subscription, wanted: &[Append]) {
    for wanted in wanted {
        assert_eq!(next_append(subscription).await, *wanted);
    }
}

/// Checks that no append comes.
pub(super) async fn expect_nothing(subscription: &mut dyn Subscription) {
    let watching = tokio::time::timeout(QUIET, next_append(subscription)).await;
    assert!(
        watching.is_err(),
        "delivered what must not be: {watching:?}"
    );
}
