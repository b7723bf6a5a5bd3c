//! Laws of entries: events and the steps of consumers, written together.

use super::consumers::{
    advance, consumer, lease, next_of, outgoing, send, step, steps_of, waiting,
};
use super::{Bench, append, key, propose, propose_at, record, stream, write};
use crate::model::{AppendId, Position, Sequence};
use crate::port::log::StreamRead;
use crate::port::store::Store;
use crate::port::writer::{Entry, Outcome, Proposal};

/// How many appends a root has.
async fn appends_of(store: &Store, root: u8) -> usize {
    let read = StreamRead {
        stream: stream("till", root),
        from: Sequence::FIRST,
        after: Position::ORIGIN,
        limit: 1 << 20,
    };
    let appends = store.log.read_stream(read).await;
    appends.expect("the log is read").len()
}

fn is_appended(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Appended { .. })
}

pub(super) async fn events_and_steps_of_an_entry_are_written_together(mut bench: Box<dyn Bench>) {
    let (store, saga) = (bench.ports(), consumer("a"));
    let epoch = lease(&store, &saga).await;
    let steps = vec![advance(1, 3), send(vec![outgoing("one", 1)])];
    let both = Entry::Both(
        propose(stream("till", 7), "a", 2),
        steps_of(&saga, epoch, steps),
    );
    let outcomes = write(&store, vec![both]).await;
    assert!(is_appended(&outcomes[0]), "{outcomes:?}");
    drop(store);
    bench.reopen().await;
    let store = bench.ports();
    assert_eq!(appends_of(&store, 7).await, 1);
    assert_eq!(next_of(&store, &saga, 1).await, Some(3));
    assert_eq!(waiting(&store, &saga).await, [outgoing("one", 1)]);
}

pub(super) async fn an_entry_whose_proposal_is_refused_leaves_its_steps_unwritten(
    bench: Box<dyn Bench>,
) {
    let (store, saga) = (bench.ports(), consumer("a"));
    let epoch = lease(&store, &saga).await;
    record(&store, propose(stream("till", 7), "a", 1)).await;
    let reused = Proposal {
        key: Some(key("a", 2)),
        ..propose(stream("till", 7), "a", 1)
    };
    for refused in [propose_at(stream("till", 7), "b", 1, 5), reused] {
        let steps = steps_of(&saga, epoch, vec![advance(1, 3)]);
        let outcomes = write(&store, vec![Entry::Both(refused, steps)]).await;
        assert!(outcomes[0].is_refused(), "{outcomes:?}");
    }
    assert_eq!(next_of(&store, &saga, 1).await, None);
    assert_eq!(appends_of(&store, 7).await, 1);
}

pub(super) async fn an_entry_whose_command_is_known_writes_its_steps(bench: Box<dyn Bench>) {
    let (store, saga) = (bench.ports(), consumer("a"));
    let epoch = lease(&store, &saga).await;
    let first = record(&store, propose(stream("till", 7), "a", 1)).await;
    let again = Proposal {
        id: AppendId::random(),
        ..propose_at(stream("till", 7), "a", 1, 9)
    };
    let both = Entry::Both(again, steps_of(&saga, epoch, vec![advance(1, 3)]));
    assert_eq!(write(&store, vec![both]).await, [Outcome::Duplicate(first)]);
    assert_eq!(next_of(&store, &saga, 1).await, Some(3));
}

pub(super) async fn a_fenced_entry_writes_nothing_and_hinders_no_other(bench: Box<dyn Bench>) {
    let (store, old, current) = (bench.ports(), consumer("a"), consumer("b"));
    let (lost, epoch) = (lease(&store, &old).await + 1, lease(&store, &current).await);
    let fenced = |steps| steps_of(&old, lost, steps);
    let batch = vec![
        Entry::Proposal(propose(stream("till", 1), "a", 1)),
        Entry::Both(
            propose(stream("till", 2), "b", 1),
            fenced(vec![advance(1, 1)]),
        ),
        Entry::Steps(fenced(vec![advance(2, 1)])),
        Entry::Steps(steps_of(&current, epoch, vec![advance(3, 4)])),
        Entry::Both(
            propose_at(stream("till", 1), "c", 1, 1),
            steps_of(&current, epoch, vec![advance(4, 5)]),
        ),
        Entry::Proposal(propose_at(stream("till", 2), "d", 1, 0)),
    ];
    let outcomes = write(&store, batch).await;
    let name = old.to_string();
    assert_eq!(outcomes[1], Outcome::Fenced { name: name.clone() });
    assert_eq!(outcomes[2], Outcome::Fenced { name });
    assert_eq!(outcomes[3], Outcome::Stepped);
    for at in [0, 4, 5] {
        assert!(is_appended(&outcomes[at]), "{at}: {outcomes:?}");
    }
    assert_eq!(next_of(&store, &old, 1).await, None);
    assert_eq!(next_of(&store, &old, 2).await, None);
    assert_eq!(next_of(&store, &current, 3).await, Some(4));
    assert_eq!(next_of(&store, &current, 4).await, Some(5));
    assert_eq!(
        (appends_of(&store, 1).await, appends_of(&store, 2).await),
        (2, 1)
    );
}

pub(super) async fn steps_of_a_batch_are_written_in_the_order_of_its_entries(
    bench: Box<dyn Bench>,
) {
    let (store, one, other) = (bench.ports(), consumer("a"), consumer("b"));
    let (of_one, of_other) = (lease(&store, &one).await, lease(&store, &other).await);
    let entry =
        |of, epoch, id: &str| Entry::Steps(steps_of(of, epoch, vec![send(vec![outgoing(id, 1)])]));
    let batch = vec![
        entry(&one, of_one, "z"),
        entry(&other, of_other, "y"),
        Entry::Proposal(propose(stream("till", 1), "a", 1)),
        entry(&one, of_one, "x"),
    ];
    write(&store, batch).await;
    let expected = [outgoing("z", 1), outgoing("x", 1)];
    assert_eq!(waiting(&store, &one).await, expected);
    assert_eq!(waiting(&store, &other).await, [outgoing("y", 1)]);
}

pub(super) async fn an_entry_that_cannot_be_kept_hinders_no_other(bench: Box<dyn Bench>) {
    let (store, saga) = (bench.ports(), consumer("a"));
    let epoch = lease(&store, &saga).await;
    let mut odd = propose(stream("till", 1), "a", 1);
    odd.trace_parent = Some("a\0b".into());
    let batch = vec![
        Entry::Proposal(propose(stream("till", 1), "b", 1)),
        Entry::Proposal(odd.clone()),
        Entry::Proposal(propose(stream("till", 1), "c", 1)),
        Entry::Steps(steps_of(&saga, epoch, vec![advance(1, 1)])),
    ];
    let outcomes = write(&store, batch).await;
    assert!(is_appended(&outcomes[0]), "{outcomes:?}");
    assert!(is_appended(&outcomes[2]), "{outcomes:?}");
    assert_eq!(outcomes[3], Outcome::Stepped);
    let kept = match &outcomes[1] {
        Outcome::Appended { append, .. } => {
            assert_eq!(append.trace_parent, odd.trace_parent);
            3
        }
        other => {
            assert!(matches!(other, Outcome::Unstorable { .. }), "{other:?}");
            2
        }
    };
    assert_eq!(appends_of(&store, 1).await, kept);
    assert_eq!(append(&store, odd).await.is_refused(), kept == 2);
    assert_eq!(
        step(&store, &saga, epoch, vec![advance(1, 2)]).await,
        Outcome::Stepped
    );
}
