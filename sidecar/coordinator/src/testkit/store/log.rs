//! Laws of the log and the catalogue.

use super::{
    Bench, append, append_all, domain, event, key, propose, propose_at, record, recorded, stream,
};
use crate::model::{
    Append, CorrelationId, ExternalId, ExternalKey, NewEvent, Payload, PayloadHash, Position,
    Sequence, Snapshot, SnapshotVersion, Timestamp,
};
use crate::port::log::{Load, Loaded, PartitionPage, PartitionRead, StreamRead};
use crate::port::store::Store;
use crate::port::writer::{Outcome, Proposal};

const ALL: usize = 1 << 20;

async fn whole(store: &Store, root: u8) -> Vec<Append> {
    read_from(store, root, 0, ALL).await
}

async fn read_from(store: &Store, root: u8, from: u32, limit: usize) -> Vec<Append> {
    let read = StreamRead {
        stream: stream("till", root),
        from: Sequence(from),
        after: Position::ORIGIN,
        limit,
    };
    store.log.read_stream(read).await.expect("the log is read")
}

async fn partition(store: &Store, after: u64, limit: usize) -> PartitionPage {
    let read = PartitionRead {
        domain: domain("till"),
        after: Position(after),
        limit,
    };
    store
        .log
        .read_partition(read)
        .await
        .expect("the log is read")
}

fn load_of(root: u8) -> Load {
    Load {
        stream: stream("till", root),
        key: None,
        expected: None,
        snapshot_version: None,
        through: None,
        limit: ALL,
    }
}

async fn load(store: &Store, load: Load) -> Loaded {
    store.log.load(load).await.expect("the log is read")
}

/// The history as snapshot's sequence, sequences of the events, and length.
async fn history(store: &Store, asked: Load) -> (Option<u32>, Vec<u32>, u32) {
    match load(store, asked).await {
        Loaded::History {
            snapshot,
            events,
            next_sequence,
        } => (
            snapshot.map(|snapshot| snapshot.sequence.0),
            events.iter().map(|event| event.sequence.0).collect(),
            next_sequence.0,
        ),
        other => unreachable!("a history was expected: {other:?}"),
    }
}

fn fact(id: &str, hash: u8) -> NewEvent {
    NewEvent {
        external: Some(ExternalKey {
            id: ExternalId::parse(id).expect("the id is valid"),
            hash: PayloadHash([hash; 32]),
        }),
        ..event(hash)
    }
}

fn facts(events: Vec<NewEvent>) -> Proposal {
    Proposal {
        key: None,
        events,
        ..propose(stream("till", 1), "unused", 0)
    }
}

fn with_snapshot(proposal: Proposal, sequence: u32, version: u32) -> Proposal {
    let snapshot = Snapshot {
        sequence: Sequence(sequence),
        version: SnapshotVersion(version),
        created_at: Timestamp {
            seconds: 5,
            nanos: 6,
        },
        state: Payload {
            type_url: "type.googleapis.com/till.v1.State".into(),
            value: vec![9; 4].into(),
        },
    };
    Proposal {
        snapshot: Some(snapshot),
        ..proposal
    }
}

pub(super) async fn what_was_appended_survives_a_restart_whole_and_unchanged(
    mut bench: Box<dyn Bench>,
) {
    let store = bench.ports();
    let first = record(&store, propose(stream("till", 1), "a", 3)).await;
    let second = record(&store, facts(vec![fact("x", 7)])).await;
    let identity = store.log.identity();
    drop(store);
    bench.reopen().await;
    let store = bench.ports();
    assert_eq!(whole(&store, 1).await, [first, second]);
    assert_eq!(store.log.identity(), identity);
}

pub(super) async fn sequences_are_contiguous_and_positions_dense_per_domain(bench: Box<dyn Bench>) {
    let store = bench.ports();
    let a = record(&store, propose(stream("till", 1), "a", 2)).await;
    let b = record(&store, propose(stream("till", 2), "b", 1)).await;
    let other = record(&store, propose(stream("safe", 1), "c", 1)).await;
    let c = record(&store, propose(stream("till", 1), "d", 2)).await;
    let firsts = [&a, &b, &other, &c].map(|append| append.first_sequence.0);
    assert_eq!(firsts, [0, 0, 0, 2]);
    let lasts = [&a, &b, &other, &c].map(|append| append.last_position.0);
    assert_eq!(lasts, [2, 3, 1, 5]);
}

pub(super) async fn proposals_of_a_batch_see_those_before_them(bench: Box<dyn Bench>) {
    let store = bench.ports();
    let batch = vec![
        propose_at(stream("till", 1), "a", 2, 0),
        propose_at(stream("till", 1), "b", 1, 2),
        propose_at(stream("till", 1), "a", 2, 9),
        propose_at(stream("till", 1), "c", 1, 2),
    ];
    let outcomes = append_all(&store, batch).await;
    assert!(
        matches!(&outcomes[1], Outcome::Appended { append, .. } if append.first_sequence == Sequence(2))
    );
    assert!(
        matches!(&outcomes[2], Outcome::Duplicate(append) if append.first_sequence == Sequence(0))
    );
    assert_eq!(
        outcomes[3],
        Outcome::Conflict {
            actual: Sequence(3)
        }
    );
}

pub(super) async fn a_refused_proposal_writes_nothing_and_hinders_no_other(bench: Box<dyn Bench>) {
    let store = bench.ports();
    let batch = vec![
        propose_at(stream("till", 1), "a", 1, 7),
        propose(stream("till", 2), "b", 1),
    ];
    let outcomes = append_all(&store, batch).await;
    assert_eq!(
        outcomes[0],
        Outcome::Conflict {
            actual: Sequence(0)
        }
    );
    assert!(matches!(outcomes[1], Outcome::Appended { .. }));
    assert!(whole(&store, 1).await.is_empty());
    assert_eq!(partition(&store, 0, 0).await.head, Position(1));
    // The refused command is not known.
    record(&store, propose_at(stream("till", 1), "a", 1, 0)).await;
}

pub(super) async fn nothing_is_recorded_after_its_deadline(bench: Box<dyn Bench>) {
    let store = bench.ports();
    let to = || stream("till", 1);
    let late = |proposal| Proposal {
        deadline: Some(tokio::time::Instant::now()),
        ..proposal
    };
    let in_time = Proposal {
        deadline: Some(tokio::time::Instant::now() + std::time::Duration::from_secs(600)),
        ..propose(to(), "a", 1)
    };
    let batch = [
        in_time,
        late(propose(to(), "b", 1)),
        late(facts(vec![fact("x", 1)])),
        propose(to(), "c", 1),
        late(propose(to(), "a", 1)),
    ];
    let outcomes = append_all(&store, batch.to_vec()).await;
    assert!(matches!(outcomes[0], Outcome::Appended { .. }));
    assert_eq!(outcomes[1..3], [Outcome::Late, Outcome::Late]);
    let Outcome::Appended {
        append: unlimited, ..
    } = &outcomes[3]
    else {
        unreachable!("it has no deadline: {outcomes:?}")
    };
    assert_eq!(unlimited.first_sequence, Sequence(1));
    assert!(matches!(outcomes[4], Outcome::Duplicate(_)));
    // What was late is not known, and may be recorded later.
    let again = append(&store, propose(to(), "b", 1)).await;
    assert!(matches!(again, Outcome::Appended { .. }), "{again:?}");
}

pub(super) async fn a_known_command_is_answered_before_its_sequence_is_judged(
    mut bench: Box<dyn Bench>,
) {
    let store = bench.ports();
    let first = record(&store, propose_at(stream("till", 1), "a", 2, 0)).await;
    drop(store);
    bench.reopen().await;
    let store = bench.ports();
    let again = append(&store, propose_at(stream("till", 1), "a", 2, 0)).await;
    assert_eq!(again, Outcome::Duplicate(first.clone()));
    let asked = Load {
        key: Some(key("a", 1)),
        ..load_of(1)
    };
    assert_eq!(load(&store, asked).await, Loaded::Known(first));
    assert_eq!(whole(&store, 1).await.len(), 1);
}

pub(super) async fn a_command_without_events_is_known_too(bench: Box<dyn Bench>) {
    let store = bench.ports();
    let first = record(&store, propose(stream("till", 1), "a", 0)).await;
    assert!(first.events.is_empty());
    let again = append(&store, propose(stream("till", 1), "a", 0)).await;
    assert_eq!(again, Outcome::Duplicate(first));
    assert!(
        whole(&store, 1).await.is_empty(),
        "an empty append is not in the log"
    );
    assert_eq!(partition(&store, 0, ALL).await.head, Position::ORIGIN);
}

pub(super) async fn a_reused_command_id_is_refused(bench: Box<dyn Bench>) {
    let store = bench.ports();
    record(&store, propose(stream("till", 1), "a", 1)).await;
    let mut other = propose(stream("till", 1), "a", 1);
    other.key = Some(key("a", 2));
    assert_eq!(
        append(&store, other).await,
        Outcome::KeyReused { key: "a".into() }
    );
    // The same id in another stream is another command.
    record(&store, propose(stream("till", 2), "a", 1)).await;
}

pub(super) async fn known_facts_are_left_out_and_listed(bench: Box<dyn Bench>) {
    let store = bench.ports();
    record(&store, facts(vec![fact("x", 1)])).await;
    let outcome = append(
        &store,
        facts(vec![fact("x", 1), fact("y", 2), fact("y", 2)]),
    )
    .await;
    let Outcome::Appended { append, known } = outcome else {
        unreachable!("it was refused: {outcome:?}");
    };
    assert_eq!(append.first_sequence, Sequence(1));
    assert_eq!(append.events.len(), 1);
    let known: Vec<_> = known.iter().map(ToString::to_string).collect();
    assert_eq!(known, ["x", "y"]);
}

pub(super) async fn a_reused_external_id_is_refused(bench: Box<dyn Bench>) {
    let store = bench.ports();
    record(&store, facts(vec![fact("x", 1)])).await;
    let refused = append(&store, facts(vec![fact("z", 3), fact("x", 2)])).await;
    assert_eq!(refused, Outcome::KeyReused { key: "x".into() });
    assert_eq!(whole(&store, 1).await.len(), 1);
}

pub(super) async fn a_load_brings_snapshot_and_tail(bench: Box<dyn Bench>) {
    let store = bench.ports();
    record(&store, propose(stream("till", 1), "a", 2)).await;
    record(
        &store,
        with_snapshot(propose(stream("till", 1), "b", 2), 3, 1),
    )
    .await;
    record(&store, propose(stream("till", 1), "c", 1)).await;
    assert_eq!(
        history(&store, load_of(1)).await,
        (None, vec![0, 1, 2, 3, 4], 5)
    );
    let asked = Load {
        snapshot_version: Some(SnapshotVersion(1)),
        ..load_of(1)
    };
    assert_eq!(history(&store, asked).await, (Some(3), vec![4], 5));
    assert_eq!(history(&store, load_of(2)).await, (None, vec![], 0));
}

pub(super) async fn a_snapshot_of_another_version_or_after_the_point_is_not_used(
    bench: Box<dyn Bench>,
) {
    let store = bench.ports();
    record(&store, propose(stream("till", 1), "a", 2)).await;
    record(
        &store,
        with_snapshot(propose(stream("till", 1), "b", 2), 3, 1),
    )
    .await;
    let of_version = |version, through| Load {
        snapshot_version: Some(SnapshotVersion(version)),
        through,
        ..load_of(1)
    };
    assert_eq!(
        history(&store, of_version(2, None)).await,
        (None, vec![0, 1, 2, 3], 4)
    );
    assert_eq!(
        history(&store, of_version(1, Some(Sequence(2)))).await,
        (None, vec![0, 1, 2], 4)
    );
    assert_eq!(
        history(&store, of_version(1, Some(Sequence(3)))).await,
        (Some(3), vec![], 4)
    );
}

pub(super) async fn a_snapshot_never_replaces_a_newer_one(bench: Box<dyn Bench>) {
    let store = bench.ports();
    record(
        &store,
        with_snapshot(propose(stream("till", 1), "a", 4), 3, 1),
    )
    .await;
    record(
        &store,
        with_snapshot(propose(stream("till", 1), "b", 1), 1, 1),
    )
    .await;
    let of_version = |version| Load {
        snapshot_version: Some(SnapshotVersion(version)),
        ..load_of(1)
    };
    assert_eq!(history(&store, of_version(1)).await.0, Some(3));
    record(
        &store,
        with_snapshot(propose(stream("till", 1), "c", 1), 2, 2),
    )
    .await;
    assert_eq!(history(&store, of_version(2)).await.0, Some(2));
}

pub(super) async fn a_history_over_the_limit_is_said_to_be(bench: Box<dyn Bench>) {
    let store = bench.ports();
    record(&store, propose(stream("till", 1), "a", 50)).await;
    let asked = Load {
        limit: 100,
        ..load_of(1)
    };
    assert_eq!(load(&store, asked).await, Loaded::TooLarge);
}

pub(super) async fn a_load_that_expects_another_sequence_reads_nothing(bench: Box<dyn Bench>) {
    let store = bench.ports();
    record(&store, propose(stream("till", 1), "a", 50)).await;
    let expecting = |root, sequence| Load {
        expected: Some(Sequence(sequence)),
        // Too small for the history, which is not read.
        limit: 100,
        ..load_of(root)
    };
    for (root, sequence, actual) in [(1, 49, 50), (1, 51, 50), (2, 1, 0)] {
        let actual = Sequence(actual);
        let loaded = load(&store, expecting(root, sequence)).await;
        assert_eq!(loaded, Loaded::Conflict { actual });
    }
    assert_eq!(load(&store, expecting(1, 50)).await, Loaded::TooLarge);
    let known = Load {
        key: propose(stream("till", 1), "a", 50).key,
        ..expecting(1, 7)
    };
    assert!(matches!(load(&store, known).await, Loaded::Known(_)));
    let fitting = Load {
        limit: ALL,
        ..expecting(1, 50)
    };
    assert_eq!(history(&store, fitting).await.2, 50);
}

pub(super) async fn a_stream_is_read_from_the_append_that_holds_a_sequence(bench: Box<dyn Bench>) {
    let store = bench.ports();
    let mut appends = Vec::new();
    for id in ["a", "b", "c"] {
        appends.push(record(&store, propose(stream("till", 1), id, 2)).await);
        record(&store, propose(stream("till", 2), id, 1)).await;
    }
    assert_eq!(read_from(&store, 1, 3, ALL).await, appends[1..]);
    assert_eq!(
        read_from(&store, 1, 2, 1).await,
        appends[1..2],
        "at least one append comes"
    );
    assert!(read_from(&store, 1, 6, ALL).await.is_empty());
    let read = StreamRead {
        stream: stream("till", 1),
        from: Sequence(0),
        after: appends[1].last_position,
        limit: ALL,
    };
    assert_eq!(
        store.log.read_stream(read).await.expect("the log is read"),
        appends[2..]
    );
}

pub(super) async fn a_partition_is_read_in_order_with_what_stands_before(bench: Box<dyn Bench>) {
    let store = bench.ports();
    let mut appends = Vec::new();
    for (index, id) in ["a", "b", "c"].into_iter().enumerate() {
        let root = u8::try_from(index % 2).expect("it is small");
        appends.push(record(&store, propose(stream("till", root), id, 2)).await);
        record(&store, propose(stream("safe", 1), id, 1)).await;
    }
    let page = partition(&store, 0, ALL).await;
    assert_eq!((page.previous, page.head), (None, Position(6)));
    assert_eq!(page.appends, appends);
    assert_eq!(page.head_append, Some(appends[2].id));
    let page = partition(&store, 2, 1).await;
    assert_eq!(page.previous, Some(appends[0].id));
    assert_eq!(page.appends, appends[1..2]);
    assert_eq!(
        partition(&store, 3, 0).await.previous,
        None,
        "nothing ends within an append"
    );
}

pub(super) async fn roots_are_listed_in_order_with_their_lengths(bench: Box<dyn Bench>) {
    let ports = bench.ports();
    for (root, id, events) in [(3, "a", 1), (1, "b", 2), (2, "c", 0), (3, "d", 4)] {
        append(&ports, propose(stream("till", root), id, events)).await;
    }
    let till = domain("till");
    let listed = ports
        .catalog
        .list_roots(&till, None, 10)
        .await
        .expect("the store is read");
    let heads: Vec<_> = listed
        .iter()
        .map(|head| (head.root.as_bytes()[0], head.next_sequence.0))
        .collect();
    assert_eq!(heads, [(1, 2), (3, 5)]);
    let rest = ports
        .catalog
        .list_roots(&till, Some(listed[0].root), 10)
        .await;
    assert_eq!(rest.expect("the store is read"), listed[1..]);
}

pub(super) async fn a_correlation_is_read_in_the_order_of_positions(bench: Box<dyn Bench>) {
    let ports = bench.ports();
    let other = CorrelationId::parse("another").expect("the id is valid");
    let mut appends = Vec::new();
    for (root, id) in [(1, "a"), (2, "b"), (1, "c")] {
        appends.push(record(&ports, propose(stream("till", root), id, 2)).await);
        let mut foreign = propose(stream("till", root), &format!("{id}-other"), 1);
        foreign.correlation_id = other.clone();
        recorded(append(&ports, foreign).await);
    }
    let till = domain("till");
    let correlation = appends[0].correlation_id.clone();
    let read = ports
        .catalog
        .read_correlated(&till, &correlation, Position::ORIGIN, appends[0].size())
        .await;
    assert_eq!(read.expect("the store is read"), appends[..2]);
    let rest = ports
        .catalog
        .read_correlated(&till, &correlation, appends[1].last_position, 0)
        .await;
    assert_eq!(rest.expect("the store is read"), appends[2..]);
}
