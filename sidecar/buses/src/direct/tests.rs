//! The bus over real connections, with a log in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use angzarr_coordinator::feed::{Heads, InProcess};
use angzarr_coordinator::model::{
    AppendId, CommandId, ConsumerId, ConsumerKind, CorrelationId, Cursor, Edition, Event,
    Incarnation, Payload, Root, StoreId, Timestamp,
};
use angzarr_coordinator::port::bus::{Delivery, From};
use angzarr_coordinator::port::log::{Load, Loaded, Log, PartitionPage, PartitionRead};
use angzarr_coordinator::port::observer::NoObserver;
use angzarr_coordinator::port::store;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint, Server};

use super::*;

const WITHIN: Duration = Duration::from_secs(10);

/// A log that is filled by the test.
struct MemoryLog {
    identity: Mutex<StoreIdentity>,
    appends: Mutex<Vec<Append>>,
}

impl MemoryLog {
    fn new() -> Self {
        let identity = StoreIdentity {
            store_id: StoreId::random(),
            incarnation: Incarnation::random(),
        };
        Self {
            identity: Mutex::new(identity),
            appends: Mutex::default(),
        }
    }

    fn commit(&self, root: u8, payloads: &[usize]) {
        let mut appends = self.appends.lock().unwrap();
        let stream = stream(root);
        let first = appends
            .iter()
            .rev()
            .find(|append| append.stream == stream)
            .map_or(Sequence::FIRST, Append::next_sequence);
        let before = appends
            .last()
            .map_or(Position::ORIGIN, |append| append.last_position);
        let events = payloads.iter().enumerate().map(|(index, bytes)| Event {
            sequence: first.plus(index),
            position: before.plus(index + 1),
            payload: Payload {
                type_url: "t/till.Rung".into(),
                value: vec![7; *bytes].into(),
            },
            created_at: Timestamp {
                seconds: 1,
                nanos: 2,
            },
            external_id: None,
        });
        appends.push(Append {
            id: AppendId::random(),
            stream,
            first_sequence: first,
            last_position: before.plus(payloads.len()),
            correlation_id: CorrelationId::parse("w").unwrap(),
            command_id: Some(CommandId::parse("c").unwrap()),
            trace_parent: None,
            events: events.collect(),
        });
    }

    fn all(&self) -> Vec<Append> {
        self.appends.lock().unwrap().clone()
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn load(&self, _: Load) -> Result<Loaded, store::Error> {
        Err(store::Error::Corrupt("the test loads nothing".into()))
    }

    async fn read_stream(&self, read: StreamRead) -> Result<Vec<Append>, store::Error> {
        let mut left = read.limit;
        let mut piece = Vec::new();
        for append in self.all() {
            let is_wanted = append.stream == read.stream
                && append.next_sequence() > read.from
                && append.last_position > read.after;
            if is_wanted && left > 0 {
                left = left.saturating_sub(append.size());
                piece.push(append);
            }
        }
        Ok(piece)
    }

    async fn read_partition(&self, read: PartitionRead) -> Result<PartitionPage, store::Error> {
        let appends = self.all();
        let last = appends.last();
        Ok(PartitionPage {
            previous: appends
                .iter()
                .find(|append| append.last_position == read.after)
                .map(|append| append.id),
            head: last.map_or(Position::ORIGIN, |append| append.last_position),
            head_append: last.map(|append| append.id),
            appends: appends
                .into_iter()
                .filter(|append| append.last_position > read.after && read.limit > 0)
                .collect(),
        })
    }

    fn identity(&self) -> StoreIdentity {
        *self.identity.lock().unwrap()
    }
}

struct Table(HashMap<Domain, Owner>);

impl Owners for Table {
    fn owner(&self, domain: &Domain) -> Option<Owner> {
        self.0.get(domain).cloned()
    }
}

fn till() -> Domain {
    Domain::parse("till").unwrap()
}

fn stream(root: u8) -> StreamId {
    StreamId {
        domain: till(),
        edition: Edition::Main,
        root: Root::from_bytes(&[root; 16]).unwrap(),
    }
}

fn subscribe(from: From, credit: u32) -> Subscribe {
    Subscribe {
        consumer: ConsumerId {
            namespace: "shop".into(),
            kind: ConsumerKind::Projector,
            name: "screen".into(),
        },
        domain: till(),
        from,
        credit,
    }
}

/// An owner with its server, and buses that reach it in both ways.
struct Bench {
    log: Arc<MemoryLog>,
    heads: Heads,
    closing: CancellationToken,
    near: DirectBus,
    far: DirectBus,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Bench {
    async fn start() -> Self {
        let log = Arc::new(MemoryLog::new());
        let heads = Heads::default();
        let source = InProcess {
            log: log.clone(),
            heads: heads.clone(),
            observer: Arc::new(NoObserver),
        };
        let closing = CancellationToken::new();
        let service = server::DeliveryService::new([till()], source.clone(), closing.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            Server::builder()
                .add_service(service.into_server())
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        let channel: Channel = Endpoint::from_shared(format!("http://{at}"))
            .unwrap()
            .connect_lazy();
        Self {
            log,
            heads,
            closing,
            near: bus(Owner::Here(source)),
            far: bus(there(channel)),
            server,
        }
    }

    fn commit(&self, root: u8, payloads: &[usize]) {
        self.log.commit(root, payloads);
        let head = self.log.all().last().unwrap().last_position;
        self.heads.announce(&till(), head);
    }
}

fn there(channel: Channel) -> Owner {
    Owner::There {
        channel,
        moved: CancellationToken::new(),
    }
}

fn bus(owner: Owner) -> DirectBus {
    let other = Domain::parse("elsewhere").unwrap();
    let table = HashMap::from([(till(), owner.clone()), (other, owner)]);
    DirectBus::new(Arc::new(Table(table)), WITHIN)
}

async fn next(subscription: &mut Box<dyn Subscription>) -> Result<Delivery, Error> {
    tokio::time::timeout(WITHIN, subscription.next())
        .await
        .expect("a delivery comes")
}

/// Where the log ends, as a subscription from now says it.
async fn head(bus: &DirectBus) -> Cursor {
    let opened = bus.subscribe(subscribe(From::Now, 1)).await.unwrap();
    opened.opened()
}

async fn fetch(bus: &DirectBus, domain: Domain) -> Result<Vec<Append>, Status> {
    let stream = StreamId {
        domain,
        edition: Edition::Main,
        root: Root::from_bytes(&[1; 16]).unwrap(),
    };
    let history = StoreIdentity {
        store_id: StoreId::random(),
        incarnation: Incarnation::random(),
    };
    bus.fetch(history, &stream, Sequence::FIRST, Position::ORIGIN)
        .await
}

#[tokio::test]
async fn what_was_missed_and_what_is_new_come_in_one_stream() {
    let bench = Bench::start().await;
    bench.commit(1, &[3, 3]);
    bench.commit(2, &[3]);
    for bus in [&bench.near, &bench.far] {
        let mut subscription = bus
            .subscribe(subscribe(From::Beginning, 100))
            .await
            .unwrap();
        assert_eq!(subscription.opened().position, Position::ORIGIN);
        for append in bench.log.all() {
            let delivered = next(&mut subscription).await;
            assert_eq!(delivered.unwrap(), Delivery::Append(append));
        }
        let head = bench.log.all().last().unwrap().last_position;
        assert_eq!(
            next(&mut subscription).await.unwrap(),
            Delivery::CaughtUp(head)
        );
        bench.commit(1, &[1]);
        let newest = bench.log.all().pop().unwrap();
        assert_eq!(
            next(&mut subscription).await.unwrap(),
            Delivery::Append(newest)
        );
    }
}

#[tokio::test]
async fn no_more_is_sent_than_credit_allows() {
    let bench = Bench::start().await;
    for root in 0..3 {
        bench.commit(root, &[1]);
    }
    let mut subscription = bench
        .far
        .subscribe(subscribe(From::Beginning, 1))
        .await
        .unwrap();
    let all = bench.log.all();
    assert_eq!(
        next(&mut subscription).await.unwrap(),
        Delivery::Append(all[0].clone())
    );
    let early = tokio::time::timeout(Duration::from_millis(100), subscription.next()).await;
    assert!(early.is_err(), "delivered without credit: {early:?}");
    subscription.grant(1);
    subscription.grant(1);
    for append in &all[1..] {
        assert_eq!(
            next(&mut subscription).await.unwrap(),
            Delivery::Append(append.clone())
        );
    }
}

#[tokio::test]
async fn a_consumer_goes_on_where_it_was() {
    let bench = Bench::start().await;
    bench.commit(1, &[1]);
    let head = head(&bench.far).await;
    assert_eq!(head, self::head(&bench.near).await);
    bench.commit(2, &[1]);
    let newest = bench.log.all().pop().unwrap();
    let mut resumed = bench
        .far
        .subscribe(subscribe(From::Cursor(head), 9))
        .await
        .unwrap();
    assert_eq!(resumed.opened(), head);
    assert_eq!(next(&mut resumed).await.unwrap(), Delivery::Append(newest));

    let now = bench.far.subscribe(subscribe(From::Now, 9)).await.unwrap();
    assert_eq!(now.opened(), self::head(&bench.near).await);
}

#[tokio::test]
async fn another_history_is_refused_and_not_skipped() {
    let bench = Bench::start().await;
    bench.commit(1, &[1]);
    let head = head(&bench.far).await;
    let foreign = [
        Cursor {
            position: Position(7),
            ..head
        },
        Cursor {
            append_id: Some(AppendId::random()),
            ..head
        },
        Cursor {
            identity: StoreIdentity {
                store_id: StoreId::random(),
                ..head.identity
            },
            ..head
        },
        Cursor {
            identity: StoreIdentity {
                incarnation: Incarnation::random(),
                ..head.identity
            },
            ..head
        },
    ];
    for cursor in foreign {
        for bus in [&bench.near, &bench.far] {
            let refused = bus.subscribe(subscribe(From::Cursor(cursor), 1)).await;
            assert!(matches!(refused, Err(Error::Diverged(_))), "{cursor:?}");
        }
    }
}

#[tokio::test]
async fn a_gap_is_fetched_piece_by_piece_until_an_empty_one() {
    let bench = Bench::start().await;
    for _ in 0..5 {
        bench.commit(1, &[PIECE_BYTES / 2, 1]);
        bench.commit(2, &[1]);
    }
    let wanted: Vec<_> = bench
        .log
        .all()
        .into_iter()
        .filter(|append| append.stream == stream(1))
        .collect();
    for bus in [&bench.near, &bench.far] {
        let history = head(bus).await.identity;
        let (mut fetched, mut pieces, mut from) = (Vec::new(), 0, Sequence(1));
        loop {
            let piece = bus
                .fetch(history, &stream(1), from, Position::ORIGIN)
                .await
                .unwrap();
            let Some(last) = piece.last() else { break };
            from = last.next_sequence();
            fetched.extend(piece);
            pieces += 1;
        }
        assert_eq!(fetched, wanted);
        assert!(pieces > 1);
        let after = wanted[3].last_position;
        let late = bus
            .fetch(history, &stream(1), Sequence::FIRST, after)
            .await
            .unwrap();
        assert_eq!(late, wanted[4..]);
        let restored = StoreIdentity {
            incarnation: Incarnation::random(),
            ..history
        };
        let refused = bus
            .fetch(restored, &stream(1), Sequence::FIRST, after)
            .await;
        assert_eq!(refused.unwrap_err().code, Code::FailedPrecondition);
    }
}

#[tokio::test]
async fn large_appends_pass() {
    let bench = Bench::start().await;
    bench.commit(1, &[17 << 20]);
    let mut subscription = bench
        .far
        .subscribe(subscribe(From::Beginning, 1))
        .await
        .unwrap();
    let append = bench.log.all().pop().unwrap();
    assert_eq!(
        next(&mut subscription).await.unwrap(),
        Delivery::Append(append)
    );
}

#[tokio::test]
async fn a_domain_that_the_owner_does_not_store_is_not_reached() {
    let bench = Bench::start().await;
    let mut elsewhere = subscribe(From::Beginning, 1);
    elsewhere.domain = Domain::parse("elsewhere").unwrap();
    let refused = bench.far.subscribe(elsewhere.clone()).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))));
    let refused = fetch(&bench.far, elsewhere.domain.clone()).await;
    assert_eq!(refused.unwrap_err().code, Code::NotFound);
    elsewhere.domain = Domain::parse("nowhere").unwrap();
    assert!(matches!(
        bench.far.subscribe(elsewhere.clone()).await,
        Err(Error::Unavailable(_))
    ));
    let refused = fetch(&bench.far, elsewhere.domain.clone()).await;
    assert_eq!(refused.unwrap_err().code, Code::NotFound);
}

#[tokio::test]
async fn an_owner_that_shuts_down_ends_its_subscriptions() {
    let bench = Bench::start().await;
    let mut subscription = bench
        .far
        .subscribe(subscribe(From::Beginning, 1))
        .await
        .unwrap();
    let caught_up = next(&mut subscription).await;
    assert_eq!(caught_up.unwrap(), Delivery::CaughtUp(Position::ORIGIN));
    bench.closing.cancel();
    for _ in 0..2 {
        let ended = next(&mut subscription).await;
        assert!(matches!(ended, Err(Error::Unavailable(_))), "{ended:?}");
    }
}

#[tokio::test]
async fn an_absent_owner_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    drop(listener);
    let channel = Endpoint::from_shared(format!("http://{at}"))
        .unwrap()
        .connect_lazy();
    let bus = bus(there(channel));
    let refused = bus.subscribe(subscribe(From::Beginning, 1)).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))));
    let refused = fetch(&bus, till()).await;
    assert_eq!(refused.unwrap_err().code, Code::Unavailable);
}

#[tokio::test]
async fn a_silent_owner_is_unavailable_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let channel = Endpoint::from_shared(format!("http://{at}"))
        .unwrap()
        .connect_lazy();
    let table = HashMap::from([(till(), there(channel))]);
    let bus = DirectBus::new(Arc::new(Table(table)), Duration::from_millis(50));
    let refused = bus.subscribe(subscribe(From::Beginning, 1)).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))));
    let refused = fetch(&bus, till()).await;
    assert_eq!(refused.unwrap_err().code, Code::Unavailable);
}

#[tokio::test]
async fn a_subscription_ends_when_its_owner_is_elsewhere() {
    let bench = Bench::start().await;
    let moved = CancellationToken::new();
    let Some(Owner::There { channel, .. }) = bench.far.owners.owner(&till()) else {
        panic!("the far bus reaches its owner over a connection");
    };
    let bus = bus(Owner::There {
        channel,
        moved: moved.clone(),
    });
    let mut subscription = bus.subscribe(subscribe(From::Now, 1)).await.unwrap();
    let caught_up = next(&mut subscription).await;
    assert_eq!(caught_up.unwrap(), Delivery::CaughtUp(Position::ORIGIN));
    moved.cancel();
    let ended = next(&mut subscription).await;
    assert!(matches!(ended, Err(Error::Unavailable(_))), "{ended:?}");
}
