//! Laws of progress and backlog.

use std::time::Duration;

use super::{Bench, domain, stream, write};
use crate::model::{
    AppendId, Code, Command, CommandId, ConsumerId, ConsumerKind, CorrelationId, Cursor,
    Incarnation, MergeStrategy, Payload, Position, Sequence, Status, StoreId, StoreIdentity,
};
use crate::port::backlog::{KeptWork, WorkState};
use crate::port::leases::Grant;
use crate::port::progress::{Outgoing, OutgoingId, Parked, Step, Work};
use crate::port::store::Store;
use crate::port::writer::{ConsumerSteps, Entry, Outcome};

pub(super) const TTL: Duration = Duration::from_secs(60);

pub(super) fn consumer(name: &str) -> ConsumerId {
    ConsumerId {
        namespace: "laws".into(),
        kind: ConsumerKind::Saga,
        name: name.into(),
    }
}

fn cursor(position: u64) -> Cursor {
    Cursor {
        position: Position(position),
        append_id: (position > 0).then(AppendId::random),
        identity: StoreIdentity {
            store_id: StoreId::random(),
            incarnation: Incarnation::random(),
        },
    }
}

/// Takes the lease of a consumer and returns its epoch.
pub(super) async fn lease(ports: &Store, of: &ConsumerId) -> u64 {
    let granted = ports.leases.acquire(&of.to_string(), "here", TTL).await;
    match granted.expect("the store answers") {
        Grant::Granted { epoch } => epoch,
        Grant::Held { holder } => unreachable!("{holder} holds the lease"),
    }
}

pub(super) fn advance(root: u8, next: u32) -> Step {
    Step::Advance {
        stream: stream("till", root),
        next: Sequence(next),
        outgoing: Vec::new(),
        may_land_within: Duration::ZERO,
    }
}

pub(super) fn outgoing(id: &str, payload: u8) -> Outgoing {
    let command = Command {
        stream: stream("safe", 2),
        id: CommandId::parse(id).expect("the id is valid"),
        correlation_id: CorrelationId::parse("a-workflow").expect("the id is valid"),
        expected: Sequence(0),
        merge_strategy: MergeStrategy::AggregateHandles,
        pages: vec![Payload {
            type_url: "type.googleapis.com/safe.v1.Put".into(),
            value: vec![payload].into(),
        }],
        origin: None,
        trace_parent: Some("00-trace".into()),
    };
    Outgoing {
        id: OutgoingId(id.into()),
        trigger: stream("till", 1),
        work: Work::Command(command),
    }
}

pub(super) fn send(works: Vec<Outgoing>) -> Step {
    Step::Advance {
        stream: stream("till", 1),
        next: Sequence(1),
        outgoing: works,
        may_land_within: Duration::ZERO,
    }
}

fn refusal() -> Status {
    Status {
        code: Code::FailedPrecondition,
        message: "the safe is full".into(),
        details: vec![1, 2].into(),
        is_of_logic: false,
    }
}

pub(super) async fn commit(ports: &Store, of: &ConsumerId, epoch: u64, steps: Vec<Step>) {
    assert_eq!(step(ports, of, epoch, steps).await, Outcome::Stepped);
}

/// Writes steps alone and returns what became of them.
pub(super) async fn step(ports: &Store, of: &ConsumerId, epoch: u64, steps: Vec<Step>) -> Outcome {
    let steps = steps_of(of, epoch, steps);
    write(ports, vec![Entry::Steps(steps)]).await.remove(0)
}

pub(super) fn steps_of(of: &ConsumerId, epoch: u64, steps: Vec<Step>) -> ConsumerSteps {
    ConsumerSteps {
        consumer: of.clone(),
        epoch,
        steps,
    }
}

pub(super) async fn next_of(ports: &Store, of: &ConsumerId, root: u8) -> Option<u32> {
    let read = ports
        .progress
        .read_roots(of, vec![stream("till", root)])
        .await;
    read.expect("the store is read")[0]
        .next_sequence
        .map(|next| next.0)
}

pub(super) async fn waiting(ports: &Store, of: &ConsumerId) -> Vec<Outgoing> {
    let works = list_work(ports, of, WorkState::Waiting).await;
    works.into_iter().map(|kept| kept.outgoing).collect()
}

/// All work in a state, each with the head that its content must have.
async fn list_work(ports: &Store, of: &ConsumerId, state: WorkState) -> Vec<KeptWork> {
    let backlog = &ports.backlog;
    let heads = backlog.list_work(of, state, 0, 100).await;
    let heads = heads.expect("the store is read");
    assert!(
        heads.is_sorted_by(|a, b| a.place < b.place),
        "places ascend"
    );
    let works = read_work(
        ports,
        of,
        heads.iter().map(|head| head.id.clone()).collect(),
    )
    .await;
    let works: Vec<_> = works
        .into_iter()
        .map(|work| work.expect("it is listed"))
        .collect();
    for (head, KeptWork { outgoing, refusal }) in heads.iter().zip(&works) {
        let target = outgoing.work.target().map(|(stream, _)| &stream.domain);
        assert_eq!(
            (&head.trigger, head.target.as_ref()),
            (&outgoing.trigger, target)
        );
        assert!(head.bytes >= payload_bytes(&outgoing.work));
        assert_eq!(refusal.is_some(), state == WorkState::Refused);
    }
    works
}

async fn read_work(ports: &Store, of: &ConsumerId, ids: Vec<OutgoingId>) -> Vec<Option<KeptWork>> {
    let read = ports.backlog.read_work(of, ids).await;
    read.expect("the store is read")
}

pub(super) async fn a_source_is_opened_once(mut bench: Box<dyn Bench>) {
    let (saga, till) = (consumer("a"), domain("till"));
    let ports = bench.ports();
    assert_eq!(
        ports
            .progress
            .read_source(&saga, &till)
            .await
            .expect("the store is read"),
        None
    );
    let start = cursor(7);
    let opened = ports
        .progress
        .open_source(&saga, &till, start)
        .await
        .expect("it opens");
    assert_eq!((opened.start, opened.cursor), (start, start));
    drop(ports);
    bench.reopen().await;
    let again = bench
        .ports()
        .progress
        .open_source(&saga, &till, cursor(9))
        .await;
    assert_eq!(again.expect("it opens").start, start);
}

pub(super) async fn progress_survives_a_restart_and_never_moves_back(mut bench: Box<dyn Bench>) {
    let (saga, till) = (consumer("a"), domain("till"));
    let ports = bench.ports();
    ports
        .progress
        .open_source(&saga, &till, cursor(0))
        .await
        .expect("it opens");
    let epoch = lease(&ports, &saga).await;
    let far = cursor(5);
    let to = |cursor| Step::MoveCursor {
        domain: till.clone(),
        cursor,
    };
    commit(&ports, &saga, epoch, vec![advance(1, 4), to(far)]).await;
    commit(&ports, &saga, epoch, vec![advance(1, 2), to(cursor(3))]).await;
    drop(ports);
    bench.reopen().await;
    let ports = bench.ports();
    assert_eq!(next_of(&ports, &saga, 1).await, Some(4));
    let source = ports
        .progress
        .read_source(&saga, &till)
        .await
        .expect("the store is read");
    assert_eq!(source.map(|source| source.cursor), Some(far));
}

pub(super) async fn a_commit_under_an_old_epoch_is_refused_whole(bench: Box<dyn Bench>) {
    let (ports, saga) = (bench.ports(), consumer("a"));
    let epoch = lease(&ports, &saga).await;
    for wrong in [epoch + 1, epoch.wrapping_sub(1)] {
        let steps = vec![advance(1, 3), send(vec![outgoing("one", 1)])];
        let refused = step(&ports, &saga, wrong, steps).await;
        let name = saga.to_string();
        assert_eq!(refused, Outcome::Fenced { name });
    }
    assert_eq!(next_of(&ports, &saga, 1).await, None);
    assert!(waiting(&ports, &saga).await.is_empty());
}

pub(super) async fn outgoing_work_keeps_its_order_and_its_first_version(mut bench: Box<dyn Bench>) {
    let (ports, saga) = (bench.ports(), consumer("a"));
    let epoch = lease(&ports, &saga).await;
    commit(
        &ports,
        &saga,
        epoch,
        vec![send(vec![outgoing("two", 1), outgoing("one", 2)])],
    )
    .await;
    commit(
        &ports,
        &saga,
        epoch,
        vec![send(vec![outgoing("two", 9), outgoing("three", 3)])],
    )
    .await;
    drop(ports);
    bench.reopen().await;
    let expected = [outgoing("two", 1), outgoing("one", 2), outgoing("three", 3)];
    assert_eq!(waiting(&bench.ports(), &saga).await, expected);
}

pub(super) async fn settled_work_is_gone_and_refused_work_is_set_aside(bench: Box<dyn Bench>) {
    let (ports, saga) = (bench.ports(), consumer("a"));
    let epoch = lease(&ports, &saga).await;
    commit(
        &ports,
        &saga,
        epoch,
        vec![send(vec![outgoing("one", 1), outgoing("two", 2)])],
    )
    .await;
    let settle = |id: &str, refusal| Step::Settle {
        id: OutgoingId(id.into()),
        refusal,
    };
    commit(
        &ports,
        &saga,
        epoch,
        vec![settle("one", None), settle("two", Some(refusal()))],
    )
    .await;
    assert!(waiting(&ports, &saga).await.is_empty());
    let two = KeptWork {
        outgoing: outgoing("two", 2),
        refusal: Some(refusal()),
    };
    assert_eq!(
        list_work(&ports, &saga, WorkState::Refused).await,
        std::slice::from_ref(&two)
    );
    let ids = ["two", "one", "two"].map(|id| OutgoingId(id.into()));
    assert_eq!(
        read_work(&ports, &saga, ids.to_vec()).await,
        [Some(two.clone()), None, Some(two)]
    );
}

pub(super) async fn refused_work_can_be_resent_or_discarded(bench: Box<dyn Bench>) {
    let (ports, saga) = (bench.ports(), consumer("a"));
    let epoch = lease(&ports, &saga).await;
    let works = ["one", "two", "three"].map(|id| outgoing(id, 1));
    commit(&ports, &saga, epoch, vec![send(works.to_vec())]).await;
    let ids = ["one", "two"].map(|id| OutgoingId(id.into()));
    let settled = ids.clone().map(|id| Step::Settle {
        id,
        refusal: Some(refusal()),
    });
    commit(&ports, &saga, epoch, settled.to_vec()).await;
    let [one, two] = ids;
    commit(
        &ports,
        &saga,
        epoch,
        vec![Step::Resend { id: one }, Step::Discard { id: two }],
    )
    .await;
    assert_eq!(
        waiting(&ports, &saga).await,
        [outgoing("three", 1), outgoing("one", 1)]
    );
    assert_eq!(list_work(&ports, &saga, WorkState::Refused).await, []);
}

pub(super) async fn how_long_attempts_may_land_outlives_a_restart_and_never_gets_shorter(
    mut bench: Box<dyn Bench>,
) {
    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3_600);
    let (mut ports, saga) = (bench.ports(), consumer("a"));
    let mut epoch = lease(&ports, &saga).await;
    let first = Step::Advance {
        stream: stream("till", 1),
        next: Sequence(1),
        outgoing: vec![outgoing("one", 1)],
        may_land_within: HOUR,
    };
    commit(&ports, &saga, epoch, vec![first]).await;
    let attempt = |id: &str, may_land_within| Step::Attempt {
        id: OutgoingId(id.into()),
        may_land_within,
    };
    let other = send(vec![outgoing("two", 2)]);
    let steps = vec![
        other,
        attempt("one", MINUTE),
        attempt("nobody's", HOUR),
        attempt("two", 3 * HOUR),
    ];
    commit(&ports, &saga, epoch, steps).await;
    for is_reopened in [false, true] {
        if is_reopened {
            drop(ports);
            bench.reopen().await;
            ports = bench.ports();
            epoch = lease(&ports, &saga).await;
        }
        for (id, within) in [("one", HOUR), ("two", 3 * HOUR)] {
            let left = landing(&ports, &saga, id).await;
            assert!(left <= within && left > within - MINUTE, "{id}: {left:?}");
        }
    }
    let one = || OutgoingId("one".into());
    let refused = Step::Settle {
        id: one(),
        refusal: Some(refusal()),
    };
    commit(
        &ports,
        &saga,
        epoch,
        vec![refused, Step::Resend { id: one() }],
    )
    .await;
    assert!(landing(&ports, &saga, "one").await > HOUR - MINUTE);
    let fenced = step(&ports, &saga, epoch + 1, vec![attempt("one", 9 * HOUR)]).await;
    assert!(matches!(fenced, Outcome::Fenced { .. }), "{fenced:?}");
    assert!(landing(&ports, &saga, "one").await <= HOUR);
}

pub(super) async fn the_time_in_which_attempts_may_land_passes(bench: Box<dyn Bench>) {
    let (ports, saga) = (bench.ports(), consumer("a"));
    let epoch = lease(&ports, &saga).await;
    let steps = vec![
        send(vec![outgoing("one", 1), outgoing("two", 1)]),
        Step::Attempt {
            id: OutgoingId("one".into()),
            may_land_within: Duration::from_millis(20),
        },
    ];
    commit(&ports, &saga, epoch, steps).await;
    assert_eq!(landing(&ports, &saga, "two").await, Duration::ZERO);
    let deadline = tokio::time::Instant::now() + TTL;
    while landing(&ports, &saga, "one").await > Duration::ZERO {
        assert!(tokio::time::Instant::now() < deadline, "it passes");
    }
}

/// How long attempts to send waiting work may still take effect.
async fn landing(ports: &Store, of: &ConsumerId, id: &str) -> Duration {
    let heads = ports.backlog.list_work(of, WorkState::Waiting, 0, 100);
    let heads = heads.await.expect("the store is read");
    let head = heads.into_iter().find(|head| head.id.0 == id);
    let left = head.expect("it waits").may_land_for;
    left.expect("the store keeps account of attempts")
}

pub(super) async fn parked_roots_are_listed_until_they_are_taken_back(bench: Box<dyn Bench>) {
    let (ports, saga) = (bench.ports(), consumer("a"));
    let epoch = lease(&ports, &saga).await;
    let parked = Parked {
        sequence: Sequence(2),
        attempts: 5,
        error: refusal(),
    };
    let park = |root| Step::Park {
        stream: stream("till", root),
        parked: parked.clone(),
    };
    commit(&ports, &saga, epoch, vec![advance(2, 2), park(2), park(1)]).await;
    let listed = ports
        .backlog
        .list_parked(&saga, None, 10)
        .await
        .expect("the store is read");
    let expected = [1, 2].map(|root| (stream("till", root), parked.clone()));
    assert_eq!(listed, expected);
    let rest = ports
        .backlog
        .list_parked(&saga, Some(&stream("till", 1)), 10)
        .await;
    assert_eq!(rest.expect("the store is read"), expected[1..]);
    commit(
        &ports,
        &saga,
        epoch,
        vec![Step::Unpark {
            stream: stream("till", 1),
        }],
    )
    .await;
    let listed = ports
        .backlog
        .list_parked(&saga, None, 10)
        .await
        .expect("the store is read");
    assert_eq!(listed, expected[1..]);
    assert_eq!(next_of(&ports, &saga, 2).await, Some(2));
}

pub(super) async fn consumers_do_not_see_each_other(bench: Box<dyn Bench>) {
    let (ports, one, other) = (bench.ports(), consumer("a"), consumer("b"));
    let epoch = lease(&ports, &one).await;
    commit(
        &ports,
        &one,
        epoch,
        vec![advance(1, 4), send(vec![outgoing("one", 1)])],
    )
    .await;
    assert_eq!(next_of(&ports, &other, 1).await, None);
    assert!(waiting(&ports, &other).await.is_empty());
    let foreign = step(&ports, &other, epoch, vec![advance(1, 1)]).await;
    let name = other.to_string();
    assert_eq!(foreign, Outcome::Fenced { name });
}

fn payload_bytes(work: &Work) -> usize {
    match work {
        Work::Command(command) => command.pages.iter().map(|page| page.value.len()).sum(),
        Work::Facts(facts) => {
            let payloads = facts.events.iter().map(|event| &event.payload);
            payloads.map(|payload| payload.value.len()).sum()
        }
        Work::Malformed(malformed) => malformed.reason.len(),
    }
}
