mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::derive::{Derived, derive, derive_name};
use super::outgoing::{Verdict, judge};
use super::root::{Plan, plan};
use super::{Error, SourceState, Start, Until};
use crate::model::*;
use crate::port::bus;
use crate::port::logic::{self, Reaction, Request};
use crate::port::progress::{Malformed, RootProgress, SourceProgress, Step, Work};
use world::{World, command, domain, payload, refusal, root, stream};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn every_append_is_handled_once_and_in_order() {
    let world = World::new();
    for _ in 0..20 {
        for number in 1..=10 {
            world.append(number);
        }
    }
    let running = world.run(Start::Beginning);
    world.until_done().await;
    for number in 1..=10 {
        assert_eq!(world.handled(number), (0..20).collect::<Vec<_>>());
    }
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_after_the_stored_cursor() {
    let world = World::new();
    world.append(1);
    let running = world.run(Start::Beginning);
    world.until_done().await;
    running.stop().await.unwrap();
    world.append(1);
    let running = world.run(Start::Beginning);
    world.until_done().await;
    assert_eq!(world.handled(1), [0, 1]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn repeats_are_dropped() {
    let world = World::new();
    world.append(1);
    world.append(1);
    world.change(|state| {
        let progress = RootProgress {
            next_sequence: Some(Sequence(1)),
            parked: None,
        };
        state.roots.insert(stream(1), progress);
    });
    let running = world.run(Start::Beginning);
    world.until_done().await;
    assert_eq!(world.handled(1), [1]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn gaps_are_repaired_from_the_owner() {
    let world = World::new();
    for _ in 0..6 {
        world.append(1);
    }
    // The cursor says that five appends are done, the root's progress that only one is.
    world.change(|state| {
        let origin = cursor_at(state, 0);
        let cursor = cursor_at(state, 5);
        state.sources.insert(
            domain(),
            SourceProgress {
                start: origin,
                cursor,
            },
        );
        let progress = RootProgress {
            next_sequence: Some(Sequence(1)),
            parked: None,
        };
        state.roots.insert(stream(1), progress);
    });
    let running = world.run(Start::Beginning);
    world.until_done().await;
    assert_eq!(world.handled(1), [1, 2, 3, 4, 5]);
    running.stop().await.unwrap();
}

fn cursor_at(state: &world::State, position: u64) -> Cursor {
    let position = Position(position);
    let append = state
        .log
        .iter()
        .find(|append| append.last_position == position);
    Cursor {
        position,
        append_id: append.map(|append| append.id),
        identity: StoreIdentity {
            store_id: StoreId(uuid::Uuid::nil()),
            incarnation: Incarnation(uuid::Uuid::nil()),
        },
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_at_now_skips_what_was_before_also_of_roots_that_go_on() {
    let world = World::new();
    world.append(1);
    world.append(1);
    let running = world.run(Start::Now);
    world
        .until("the start is stored", |state| !state.sources.is_empty())
        .await;
    world.append(1);
    world.append(2);
    world.until_done().await;
    assert_eq!(world.handled(1), [2]);
    assert_eq!(world.handled(2), [0]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn types_that_are_not_wanted_advance_without_a_call() {
    let world = World::new();
    world.append_typed(1, &["Boring"]);
    world.append_typed(1, &["Boring", "Wanted"]);
    world.append_typed(1, &["Boring"]);
    let mut settings = world.settings(Start::Beginning);
    settings.sources[0].event_types = Some(BTreeSet::from(["Wanted".to_owned()]));
    let running = world.run_with(settings);
    world.until_done().await;
    assert_eq!(world.handled(1), [1]);
    assert_eq!(
        world.state().roots[&stream(1)].next_sequence,
        Some(Sequence(4))
    );
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_without_the_logic_park_nothing() {
    let world = World::new();
    world.change(|state| state.is_logic_away = true);
    for number in 1..=300 {
        world.append(number);
        world.append(number);
    }
    let running = world.run(Start::Beginning);
    tokio::time::sleep(Duration::from_secs(600)).await;
    let snapshot = running.consumer.snapshot();
    assert!(matches!(snapshot.sources[0].state, SourceState::Paused(_)));
    assert!(snapshot.is_ready);
    world.change(|state| state.is_logic_away = false);
    world.until_done().await;
    for number in 1..=300 {
        assert_eq!(world.handled(number), [0, 1]);
    }
    let snapshot = running.consumer.snapshot();
    assert_eq!((snapshot.parked, snapshot.sources[0].lag), (0, 0));
    assert_eq!(snapshot.sources[0].state, SourceState::Live);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_outage_stops_nothing_for_good() {
    let world = World::new();
    world.change(|state| state.fails_commits = true);
    world.append(1);
    let running = world.run(Start::Beginning);
    tokio::time::sleep(Duration::from_secs(300)).await;
    let snapshot = running.consumer.snapshot();
    assert!(matches!(snapshot.sources[0].state, SourceState::Paused(_)));
    world.change(|state| state.fails_commits = false);
    world.until_done().await;
    assert_eq!(world.handled(1), [0]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_root_is_parked_alone() {
    let world = World::new();
    world.change(|state| state.poisoned.push(root(500)));
    for number in 1..=1_000 {
        world.append(number);
    }
    world.append(500);
    let running = world.run(Start::Beginning);
    world.until_done().await;
    for number in (1..=1_000).filter(|number| *number != 500) {
        assert_eq!(world.handled(number), [0]);
    }
    let parked = running.consumer.list_parked(None, 10).await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].0, stream(500));
    assert_eq!(parked[0].1.attempts, 5);
    assert_eq!(running.consumer.snapshot().parked, 1);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_append_that_breaks_a_healthy_logic_again_and_again_is_parked() {
    let world = World::new();
    world.change(|state| state.breaking.push(root(1)));
    world.append(1);
    world.append(2);
    let running = world.run(Start::Beginning);
    world.until_done().await;
    assert_eq!(world.handled(2), [0]);
    assert!(running.consumer.show_parked(&stream(1)).await.is_ok());
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_broke_counts_nothing_while_the_logic_is_away() {
    let world = World::new();
    let broken = Err(logic::Error::Broken("reset".into()));
    world.change(|state| {
        state.answers.insert(root(1), [broken].into());
    });
    world.append(1);
    let running = world.run(Start::Beginning);
    world
        .until("the call broke", |state| state.answers[&root(1)].is_empty())
        .await;
    world.change(|state| state.is_logic_away = true);
    tokio::time::sleep(Duration::from_secs(600)).await;
    world.change(|state| state.is_logic_away = false);
    world.until_done().await;
    assert_eq!(world.handled(1), [0]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_replay_delivers_what_waited_and_takes_the_root_back_in() {
    let world = World::new();
    world.change(|state| state.poisoned.push(root(1)));
    for _ in 0..4 {
        world.append(1);
    }
    let running = world.run(Start::Beginning);
    world.until_done().await;
    let refused = running.consumer.replay(&stream(1)).await.unwrap_err();
    assert_eq!(refused.code, Code::Internal);
    let parked = running.consumer.show_parked(&stream(1)).await.unwrap();
    assert_eq!(parked.attempts, 6);

    world.change(|state| state.poisoned.clear());
    let parked = stream(1);
    let (first, second) = tokio::join!(
        running.consumer.replay(&parked),
        running.consumer.replay(&parked)
    );
    assert_eq!(first, Ok(Sequence(4)));
    assert_eq!(second.unwrap_err().code, Code::NotFound);
    world.append(1);
    world.until_done().await;
    assert_eq!(world.handled(1), [0, 1, 2, 3, 4]);
    assert_eq!(running.consumer.snapshot().parked, 0);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_skip_leaves_out_one_append() {
    let world = World::new();
    world.change(|state| state.poisoned.push(root(1)));
    world.append(1);
    world.append(1);
    let running = world.run(Start::Beginning);
    world.until_done().await;
    world.change(|state| state.poisoned.clear());
    assert_eq!(running.consumer.skip(&stream(1)).await, Ok(Sequence(2)));
    assert_eq!(world.handled(1), [1]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_synchronous_call_is_not_repeated_by_the_delivery() {
    let world = World::new();
    let running = world.run(Start::Beginning);
    world
        .until("the start is stored", |state| !state.sources.is_empty())
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.append(1);
    let append = world.append(1);
    let reached = running
        .consumer
        .handle_sync(Until::past(&append), LONG)
        .await
        .unwrap();
    assert_eq!(reached.sequence, Some(Sequence(1)));
    world.until_done().await;
    let again = running
        .consumer
        .handle_sync(Until::past(&append), LONG)
        .await
        .unwrap();
    assert_eq!(again.projector, "current");
    assert_eq!(world.handled(1), [0, 1]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_synchronous_call_says_at_once_that_a_parked_root_is_not_reached() {
    let world = World::new();
    world.change(|state| state.poisoned.push(root(1)));
    let append = world.append(1);
    let running = world.run(Start::Beginning);
    world.until_done().await;
    let began = tokio::time::Instant::now();
    let refused = running
        .consumer
        .handle_sync(Until::past(&append), LONG)
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::Unavailable);
    assert!(refused.message.starts_with("not reached"));
    assert!(began.elapsed() < Duration::from_secs(1));
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_the_owner_does_not_know_is_not_believed() {
    let world = World::new();
    let running = world.run(Start::Beginning);
    let mut invented = world.append(1);
    world.until_done().await;
    invented.first_sequence = Sequence(1);
    let refused = running
        .consumer
        .handle_sync(Until::past(&invented), LONG)
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::Unavailable);
    assert_eq!(world.handled(1), [0]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn another_history_stops_the_consumer_and_says_so() {
    let world = World::new();
    world.append(1);
    let running = world.run(Start::Beginning);
    world.until_done().await;
    running.stop().await.unwrap();
    world.change(|state| state.incarnation = uuid::Uuid::from_u128(9));
    let running = world.run(Start::Beginning);
    let ended = running.task.await.unwrap();
    let Err(Error::Source { cause, .. }) = ended else {
        panic!("{ended:?}")
    };
    assert!(matches!(cause, bus::Error::Diverged(_)));
    let snapshot = running.consumer.snapshot();
    assert!(matches!(snapshot.sources[0].state, SourceState::Stopped(_)));
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_leaves_something_out_stops_the_consumer() {
    let world = World::new();
    let mut skipping = world.append(1);
    skipping.last_position = Position(5);
    world.change(|state| state.injected.push_back(skipping));
    let running = world.run(Start::Beginning);
    let ended = running.task.await.unwrap();
    let Err(Error::Source { cause, .. }) = ended else {
        panic!("{ended:?}")
    };
    assert!(matches!(cause, bus::Error::Corrupt(_)));
    assert_eq!(world.handled(1), []);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_was_taken_over_stops() {
    let world = World::new();
    let running = world.run(Start::Beginning);
    world.append(1);
    world.until_done().await;
    world.change(|state| state.epoch += 1);
    let ended = running.task.await.unwrap();
    assert!(matches!(ended, Err(Error::Fenced { .. })));
}

fn saga() -> World {
    let world = World::new();
    world.change(|state| state.is_saga = true);
    world
}

#[tokio::test(start_paused = true)]
async fn commands_of_a_trigger_leave_in_order_and_a_refused_one_is_set_aside_alone() {
    let world = saga();
    world.change(|state| {
        state.replies = [
            Err(refusal(Code::Unavailable)),
            Err(refusal(Code::Aborted)),
            Ok(()),
            Err(refusal(Code::FailedPrecondition)),
        ]
        .into();
    });
    world.append(1);
    world.append(1);
    let running = world.run(Start::Beginning);
    world
        .until("all work is settled", |state| {
            state.sent.len() == 3 && state.outgoing.is_empty()
        })
        .await;
    let order: Vec<_> = world
        .state()
        .sent
        .iter()
        .map(|sent| {
            let origin = sent.origin.clone().unwrap();
            (origin.sequence.0, origin.index)
        })
        .collect();
    assert_eq!(order, [(0, 0), (1, 0), (1, 1)]);
    let refused = running.consumer.list_refused(0, 10).await.unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].refusal.code, Code::FailedPrecondition);

    running
        .consumer
        .resend(&refused[0].outgoing.id)
        .await
        .unwrap();
    world
        .until("the refused command went out again", |state| {
            state.sent.len() == 4 && state.outgoing.is_empty()
        })
        .await;
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_believed_only_after_the_deadline_of_an_earlier_unknown_attempt() {
    let world = saga();
    world.change(|state| {
        state.replies = [
            Err(refusal(Code::Unavailable)),
            Err(refusal(Code::FailedPrecondition)),
            Ok(()),
        ]
        .into();
    });
    world.append(1);
    let running = world.run(Start::Beginning);
    world
        .until("all work is settled", |state| {
            state.sent.len() == 2 && state.outgoing.is_empty()
        })
        .await;
    assert!(
        running
            .consumer
            .list_refused(0, 10)
            .await
            .unwrap()
            .is_empty()
    );
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn work_that_was_stored_and_not_sent_goes_out_after_a_restart_under_the_same_ids() {
    let world = saga();
    world.change(|state| state.has_target = false);
    let append = world.append(1);
    let running = world.run(Start::Beginning);
    world.until_done().await;
    // The process dies: nothing is finished, nothing is settled.
    running.task.abort();
    assert!(running.task.await.is_err());
    assert_eq!(world.state().outgoing.len(), 2);

    world.change(|state| state.has_target = true);
    let running = world.run(Start::Beginning);
    world
        .until("all work is settled", |state| state.outgoing.is_empty())
        .await;
    let id = world.settings(Start::Now).id;
    let ids: Vec<_> = world
        .state()
        .sent
        .iter()
        .map(|sent| sent.id.as_str().to_owned())
        .collect();
    assert_eq!(ids, [0, 1].map(|index| derive_name(&id, &append, index)));
    assert_eq!(world.handled(1), [0]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_executed_is_parked_with_the_reason() {
    let world = saga();
    let malformed = Request::Malformed(Malformed {
        target: "nowhere".into(),
        reason: "it has no root".into(),
    });
    let requests = vec![malformed, Request::Command(command(100))];
    world.change(|state| {
        let answer = Ok(Reaction::Requested(requests));
        state.answers.insert(root(1), [answer].into());
    });
    world.append(1);
    let running = world.run(Start::Beginning);
    world
        .until("the other command went out", |state| {
            state.sent.len() == 1 && state.outgoing.is_empty()
        })
        .await;
    let refused = running.consumer.list_refused(0, 10).await.unwrap();
    assert!(refused[0].refusal.message.contains("it has no root"));
    running
        .consumer
        .discard(&refused[0].outgoing.id)
        .await
        .unwrap();
    assert!(world.state().refused.is_empty());
    running.stop().await.unwrap();
}

#[test]
fn derived_ids_are_stable() {
    let world = saga();
    let append = world.append(1);
    let id = world.settings(Start::Now).id;
    let name = derive_name(&id, &append, 0);
    assert_eq!(
        name, "80f4ef9ae6a50838da8436359bb67141a7ed06499eb70b0bf1033445a2df650e",
        "a change of this id would double commands that are under way"
    );
}

#[test]
fn derived_work_inherits_from_its_trigger_whatever_the_logic_says() {
    let world = saga();
    let append = world.append(1);
    let id = world.settings(Start::Now).id;
    let mut other = command(100);
    other.stream.edition = Edition::Branch("other".into());
    let facts = Facts {
        stream: stream(101),
        correlation_id: CorrelationId::parse("other").unwrap(),
        events: vec![NewEvent {
            payload: payload("Fact"),
            created_at: Timestamp {
                seconds: 0,
                nanos: 0,
            },
            external: None,
        }],
        expected: None,
        trace_parent: None,
    };
    let Derived { outgoing, settled } = derive(
        &id,
        &append,
        vec![Request::Command(other), Request::Facts(facts)],
    );
    assert!(settled.is_empty());
    let Work::Command(command) = &outgoing[0].work else {
        panic!("{outgoing:?}")
    };
    assert_eq!(command.stream, stream(100));
    assert_eq!(command.correlation_id, append.correlation_id);
    assert_eq!(command.id.as_str(), outgoing[0].id.0);
    let Work::Facts(facts) = &outgoing[1].work else {
        panic!("{outgoing:?}")
    };
    assert_eq!(facts.correlation_id, append.correlation_id);
    let external = facts.events[0].external.as_ref().unwrap();
    assert_eq!(external.id.as_str(), format!("{}-0", outgoing[1].id.0));
}

#[test]
fn settled_steps_follow_the_work_that_they_settle() {
    let world = saga();
    let append = world.append(1);
    let malformed = Request::Malformed(Malformed {
        target: "x".into(),
        reason: "y".into(),
    });
    let id = world.settings(Start::Now).id;
    let Derived { outgoing, settled } = derive(&id, &append, vec![malformed]);
    let Step::Settle { id, refusal } = &settled[0] else {
        panic!("{settled:?}")
    };
    assert_eq!((id, refusal.is_some()), (&outgoing[0].id, true));
}

proptest! {
    #[test]
    fn names_of_outgoing_work_differ_with_every_part(
        id in any::<u128>(), name in "[a-z]{1,20}", namespace in "[a-z]{1,20}", index in 0u32..1_000,
    ) {
        let world = World::new();
        let mut append = world.append(1);
        append.id = AppendId(uuid::Uuid::from_u128(id));
        let consumer = ConsumerId {
            namespace: namespace.as_str().into(),
            kind: ConsumerKind::Saga,
            name: name.as_str().into(),
        };
        let derived = derive_name(&consumer, &append, index);
        prop_assert_eq!(&derived, &derive_name(&consumer, &append, index));
        prop_assert_ne!(&derived, &derive_name(&consumer, &append, index + 1));
        let longer = ConsumerId { name: format!("{name}x").into(), ..consumer.clone() };
        prop_assert_ne!(&derived, &derive_name(&longer, &append, index));
        let shifted = ConsumerId { namespace: format!("{namespace}{name}").into(), name: "".into(), ..consumer.clone() };
        prop_assert_ne!(&derived, &derive_name(&shifted, &append, index));
        let other_kind = ConsumerId { kind: ConsumerKind::ProcessManager, ..consumer.clone() };
        prop_assert_ne!(&derived, &derive_name(&other_kind, &append, index));
        append.id = AppendId(uuid::Uuid::from_u128(id.wrapping_add(1)));
        prop_assert_ne!(&derived, &derive_name(&consumer, &append, index));
    }
}

#[test]
fn plans_follow_the_next_sequence() {
    let world = World::new();
    world.append_typed(1, &["A", "B", "C"]);
    let append = world.append_typed(1, &["D", "E"]);
    let cases = [
        (None, Plan::Fetch(Sequence(0))),
        (Some(0), Plan::Fetch(Sequence(0))),
        (Some(2), Plan::Fetch(Sequence(2))),
        (Some(3), Plan::Deliver),
        (Some(4), Plan::Misaligned),
        (Some(5), Plan::Repeat),
        (Some(9), Plan::Repeat),
    ];
    for (next, expected) in cases {
        assert_eq!(plan(next.map(Sequence), &append), expected, "{next:?}");
    }
}

#[test]
fn answers_of_targets_are_judged_by_their_code() {
    let cases = [
        (Code::InvalidArgument, Verdict::Refused),
        (Code::FailedPrecondition, Verdict::Refused),
        (Code::AlreadyExists, Verdict::Refused),
        (Code::OutOfRange, Verdict::Refused),
        (Code::PermissionDenied, Verdict::Refused),
        (Code::Unimplemented, Verdict::Refused),
        (Code::ResourceExhausted, Verdict::Waits),
        (Code::Aborted, Verdict::Waits),
        (Code::NotFound, Verdict::Waits),
        (Code::Unavailable, Verdict::Unknown),
        (Code::DeadlineExceeded, Verdict::Unknown),
        (Code::Cancelled, Verdict::Unknown),
        (Code::Internal, Verdict::Counts),
        (Code::Unknown, Verdict::Counts),
        (Code::DataLoss, Verdict::Counts),
        (Code::Unauthenticated, Verdict::Counts),
    ];
    assert_eq!(judge(&Ok(())), Verdict::Done);
    for (code, expected) in cases {
        assert_eq!(judge(&Err(refusal(code))), expected, "{code:?}");
    }
}
