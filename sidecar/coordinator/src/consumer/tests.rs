mod derived;
mod outgoing;
mod script;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::root::{Plan, plan};
use super::{Error, Holder, SourceState, Until};
use crate::model::*;
use crate::port::bus::{self, From};
use crate::port::logic;
use crate::port::progress::Step;
use script::refusal;
use world::{Running, World, domain, root, stream};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn every_append_is_handled_once_and_in_order() {
    let world = World::new();
    for _ in 0..20 {
        for number in 1..=10 {
            world.append(number);
        }
    }
    let running = world.run(From::Beginning);
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
    let running = world.run(From::Beginning);
    world.until_done().await;
    running.stop().await.unwrap();
    world.append(1);
    let running = world.run(From::Beginning);
    world.until_done().await;
    assert_eq!(world.handled(1), [0, 1]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn repeats_are_dropped() {
    let world = World::new();
    world.append(1);
    world.append(1);
    world.store_steps(vec![advance(1)]).await;
    let running = world.run(From::Beginning);
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
    world.store_start(world.cursor_at(0)).await;
    let moved = Step::MoveCursor {
        domain: domain(),
        cursor: world.cursor_at(5),
    };
    world.store_steps(vec![moved, advance(1)]).await;
    let running = world.run(From::Beginning);
    world.until_done().await;
    assert_eq!(world.handled(1), [1, 2, 3, 4, 5]);
    running.stop().await.unwrap();
}

/// The step that root 1 is handled below a sequence.
fn advance(next: u32) -> Step {
    Step::Advance {
        stream: stream(1),
        next: Sequence(next),
        outgoing: Vec::new(),
        may_land_within: Duration::ZERO,
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_at_now_skips_what_was_before_also_of_roots_that_go_on() {
    let world = World::new();
    world.append(1);
    world.append(1);
    let running = world.run(From::Now);
    world.until_started().await;
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
    let mut settings = world.settings(From::Beginning);
    settings.sources[0].event_types = Some(BTreeSet::from(["Wanted".to_owned()]));
    let running = world.run_with(settings);
    world.until_done().await;
    assert_eq!(world.handled(1), [1]);
    assert_eq!(world.next_sequence(1).await, Some(Sequence(4)));
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_without_the_logic_park_nothing() {
    let world = World::new();
    world.change(|script| script.is_logic_away = true);
    for number in 1..=300 {
        world.append(number);
        world.append(number);
    }
    let running = world.run(From::Beginning);
    tokio::time::sleep(Duration::from_secs(600)).await;
    let snapshot = running.consumer.snapshot();
    assert!(matches!(snapshot.sources[0].state, SourceState::Paused(_)));
    assert!(snapshot.is_ready);
    world.change(|script| script.is_logic_away = false);
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
    world.change(|script| script.fails_writes = true);
    world.append(1);
    let running = world.run(From::Beginning);
    tokio::time::sleep(Duration::from_secs(300)).await;
    let snapshot = running.consumer.snapshot();
    assert!(matches!(snapshot.sources[0].state, SourceState::Paused(_)));
    world.change(|script| script.fails_writes = false);
    world.until_done().await;
    assert_eq!(world.handled(1), [0]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_root_is_parked_alone() {
    let world = World::new();
    world.change(|script| script.poisoned.push(root(500)));
    for number in 1..=1_000 {
        world.append(number);
    }
    world.append(500);
    let running = world.run(From::Beginning);
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
    world.change(|script| script.breaking.push(root(1)));
    world.append(1);
    world.append(2);
    let running = world.run(From::Beginning);
    world.until_done().await;
    assert_eq!(world.handled(2), [0]);
    assert!(running.consumer.show_parked(&stream(1)).await.is_ok());
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_broke_counts_nothing_while_the_logic_is_away() {
    let world = World::new();
    let broken = Err(logic::Error::Broken("reset".into()));
    world.change(|script| {
        script.answers.insert(root(1), [broken].into());
    });
    world.append(1);
    let running = world.run(From::Beginning);
    world
        .until("the call broke", async || {
            world.script().answers[&root(1)].is_empty()
        })
        .await;
    world.change(|script| script.is_logic_away = true);
    tokio::time::sleep(Duration::from_secs(600)).await;
    world.change(|script| script.is_logic_away = false);
    world.until_done().await;
    assert_eq!(world.handled(1), [0]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn logic_that_hangs_on_every_call_parks_nothing() {
    let world = World::new();
    for number in 1..=20 {
        world.append(number);
    }
    world.change(|script| script.hangs_all = true);
    let mut settings = world.settings(From::Beginning);
    (settings.logic_budget, settings.concurrency) = (Duration::from_secs(1), 4);
    let running = world.run_with(settings);
    // Its health service replies all the time.
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(running.consumer.snapshot().parked, 0);
    world.change(|script| script.hangs_all = false);
    world.until_done().await;
    for number in 1..=20 {
        assert_eq!(world.handled(number), [0]);
    }
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn logic_that_says_it_is_unavailable_is_waited_for() {
    let world = World::new();
    let unavailable = || Err(logic::Error::Status(refusal(Code::Unavailable)));
    world.change(|script| {
        let answers = (0..50).map(|_| unavailable());
        script.answers.insert(root(1), answers.collect());
    });
    world.append(1);
    let running = world.run(From::Beginning);
    world.until_done().await;
    assert_eq!(world.handled(1), [0]);
    assert_eq!(running.consumer.snapshot().parked, 0);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn logic_without_the_rpc_that_its_resource_asks_for_is_waited_for_and_parks_nothing() {
    let world = World::new();
    let lacking = || {
        Err(logic::Error::Unimplemented {
            by: "mode: Async",
            rpc: "Projector.Handle",
            said: logic::Said(String::new()),
        })
    };
    world.append(1);
    world.change(|script| {
        let answers = (0..50).map(|_| lacking());
        script.answers.insert(root(1), answers.collect());
    });
    let running = world.run(From::Beginning);
    let reason = "mode: Async calls Projector.Handle, which the logic does not implement";
    let paused = SourceState::Paused(reason.to_owned());
    world
        .until("the pause is shown", async || {
            running.consumer.snapshot().sources[0].state == paused
        })
        .await;
    let refused = running
        .consumer
        .handle_sync(Until::head(stream(2)), LONG)
        .await;
    assert!(refused.unwrap_err().message.contains(reason));
    world.until_done().await;
    assert_eq!(world.handled(1), [0]);
    assert_eq!(running.consumer.snapshot().parked, 0);
    assert_eq!(
        running.consumer.snapshot().sources[0].state,
        SourceState::Live
    );
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn roots_that_hang_or_wait_hold_up_no_other_root_of_the_source() {
    let world = World::new();
    world.change(|script| {
        script.hanging = (1..=8).map(root).collect();
        script.poisoned = (100..600).map(root).collect();
    });
    for _ in 0..300 {
        world.append(1);
    }
    for number in (2..=8).chain(100..600) {
        world.append(number);
        world.append(number);
    }
    for number in 1_000..1_020 {
        world.append(number);
    }
    let mut settings = world.settings(From::Beginning);
    (settings.logic_budget, settings.concurrency) = (Duration::from_secs(3), 16);
    (settings.credit, settings.max_attempts) = (16, 1_000_000);
    let running = world.run_with(settings);
    let began = tokio::time::Instant::now();
    world
        .until("the others are handled", async || {
            (1_000..1_020).all(|number| world.handled(number) == [0])
        })
        .await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    world.change(|script| {
        script.hanging.clear();
        script.poisoned.clear();
    });
    world.until_done().await;
    assert_eq!(world.handled(1), (0..300).collect::<Vec<_>>());
    for number in (2..=8).chain(100..600) {
        assert_eq!(world.handled(number), [0, 1]);
    }
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_replay_delivers_what_waited_and_takes_the_root_back_in() {
    let world = World::new();
    world.change(|script| script.poisoned.push(root(1)));
    for _ in 0..4 {
        world.append(1);
    }
    let running = world.run(From::Beginning);
    world.until_done().await;
    let refused = running.consumer.replay(&stream(1)).await.unwrap_err();
    assert_eq!(refused.code, Code::Internal);
    let parked = running.consumer.show_parked(&stream(1)).await.unwrap();
    assert_eq!(parked.attempts, 6);

    world.change(|script| script.poisoned.clear());
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
    world.change(|script| script.poisoned.push(root(1)));
    world.append(1);
    world.append(1);
    let running = world.run(From::Beginning);
    world.until_done().await;
    world.change(|script| script.poisoned.clear());
    let skipped = running.consumer.skip(&stream(1), Sequence(0)).await;
    assert_eq!(skipped, Ok(Sequence(2)));
    assert_eq!(world.handled(1), [1]);
    running.stop().await.unwrap();
}

/// Parks root 1 at the first of four appends.
async fn park_first(world: &World) -> Running {
    world.change(|script| script.poisoned.push(root(1)));
    for _ in 0..4 {
        world.append(1);
    }
    let running = world.run(From::Beginning);
    world.until_done().await;
    world.change(|script| script.poisoned.clear());
    running
}

#[tokio::test(start_paused = true)]
async fn a_skip_that_is_repeated_leaves_out_the_same_append_only() {
    let world = World::new();
    let running = park_first(&world).await;
    world.change(|script| script.is_logic_away = true);
    for _ in 0..3 {
        let refused = running.consumer.skip(&stream(1), Sequence(0)).await;
        assert_eq!(refused.unwrap_err().code, Code::Unavailable);
    }
    let parked = running.consumer.show_parked(&stream(1)).await.unwrap();
    assert_eq!((parked.sequence, parked.attempts), (Sequence(1), 0));
    world.change(|script| script.is_logic_away = false);
    let skipped = running.consumer.skip(&stream(1), Sequence(0)).await;
    assert_eq!(skipped, Ok(Sequence(4)));
    let again = running.consumer.skip(&stream(1), Sequence(0)).await;
    assert_eq!(again.unwrap_err().code, Code::NotFound);
    assert_eq!(world.handled(1), [1, 2, 3]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_skip_that_a_crash_cut_in_two_can_be_repeated_or_replayed() {
    for is_skipped_again in [true, false] {
        let world = World::new();
        let running = park_first(&world).await;
        world.change(|script| script.is_logic_away = true);
        let cut = running.consumer.skip(&stream(1), Sequence(0)).await;
        assert_eq!(cut.unwrap_err().code, Code::Unavailable);
        running.task.abort();
        world.change(|script| script.is_logic_away = false);
        let running = world.run(From::Beginning);
        let consumer = &running.consumer;
        world
            .until("it acts", async || consumer.snapshot().is_ready)
            .await;
        let brought_back = match is_skipped_again {
            true => consumer.skip(&stream(1), Sequence(0)).await,
            false => consumer.replay(&stream(1)).await,
        };
        assert_eq!(brought_back, Ok(Sequence(4)));
        assert_eq!(world.handled(1), [1, 2, 3]);
        running.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_skip_of_another_append_than_the_parked_one_is_refused() {
    let world = World::new();
    let running = park_first(&world).await;
    let refused = running.consumer.skip(&stream(1), Sequence(2)).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code, Code::FailedPrecondition);
    assert!(refused.message.contains("name sequence 0"), "{refused}");
    assert_eq!(running.consumer.replay(&stream(1)).await, Ok(Sequence(4)));
    assert_eq!(world.handled(1), [0, 1, 2, 3]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_synchronous_call_is_not_repeated_by_the_delivery() {
    let world = World::new();
    let running = world.run(From::Beginning);
    world.until_started().await;
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
async fn a_synchronous_call_reaches_what_is_empty_or_older_than_the_start() {
    let world = World::new();
    let old = world.append(1);
    let running = world.run(From::Now);
    world.until_started().await;
    let until = |number, next| Until {
        stream: stream(number),
        next_sequence: Some(Sequence(next)),
        correlation_id: None,
        trace_parent: None,
    };
    // An empty result on a new root, an old one again, and an empty result on that root.
    for until in [until(2, 0), Until::past(&old), until(1, 1)] {
        let reached = running.consumer.handle_sync(until, LONG).await;
        assert_eq!(reached.unwrap().projector, "current");
    }
    let unknown = running.consumer.handle_sync(until(1, 2), LONG).await;
    assert!(unknown.unwrap_err().message.contains("does not show"));
    let new = world.append(1);
    let reached = running.consumer.handle_sync(Until::past(&new), LONG).await;
    assert!(reached.is_ok());
    world.until_done().await;
    assert_eq!(world.handled(1), [1]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_synchronous_call_gets_the_failure_that_a_delivery_met_first() {
    let world = World::new();
    world.change(|script| script.poisoned.push(root(1)));
    let append = world.append(1);
    let later = world.append(1);
    let mut settings = world.settings(From::Beginning);
    settings.backoff.first = Duration::from_secs(20);
    let running = world.run_with(settings);
    let consumer = &running.consumer;
    world.until_started().await;
    // The delivery waits after its first attempt, then the root is parked.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for is_parked in [false, true] {
        if is_parked {
            world.until_done().await;
        }
        assert_eq!(consumer.snapshot().parked, u64::from(is_parked));
        let began = tokio::time::Instant::now();
        let failed = consumer.handle_sync(Until::past(&append), LONG).await;
        assert_eq!(failed, Err(refusal(Code::Internal)));
        // The logic was not called for what comes later.
        let refused = consumer.handle_sync(Until::past(&later), LONG).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code, Code::Unavailable);
        assert!(refused.message.starts_with("not reached"));
        assert!(began.elapsed() < Duration::from_secs(1));
    }
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_projection_has_the_correlation_id_of_what_was_waited_for() {
    let world = World::new();
    let running = world.run(From::Beginning);
    world.until_started().await;
    let append = world.append(1);
    // The second is asked with a book without pages.
    for _ in 0..2 {
        let reached = running.consumer.handle_sync(Until::past(&append), LONG);
        let projection = reached.await.unwrap();
        let correlation_id = Some(append.correlation_id.clone());
        assert_eq!(projection.correlation_id, correlation_id);
        world.until_done().await;
    }
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_the_owner_does_not_know_is_not_believed() {
    let world = World::new();
    let running = world.run(From::Beginning);
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
    let running = world.run(From::Beginning);
    world.until_done().await;
    running.stop().await.unwrap();
    let other = World::new();
    other.append(1);
    let running = world.run_over(&other, From::Beginning);
    let ended = running.task.await.unwrap();
    let Err(Error::Source { cause, .. }) = ended else {
        panic!("{ended:?}")
    };
    assert!(matches!(cause, bus::Error::Diverged(_)));
    let snapshot = running.consumer.snapshot();
    let SourceState::Stopped(reason) = &snapshot.sources[0].state else {
        panic!("{snapshot:?}")
    };
    for part in ["another history", " was read, this is ", "; drain the lake"] {
        assert!(reason.contains(part), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_leaves_something_out_stops_the_consumer() {
    let world = World::new();
    let mut skipping = world.append(1);
    skipping.last_position = Position(5);
    world.change(|script| script.injected.push_back(skipping));
    let running = world.run(From::Beginning);
    let ended = running.task.await.unwrap();
    let Err(Error::Source { cause, .. }) = ended else {
        panic!("{ended:?}")
    };
    assert!(matches!(cause, bus::Error::Corrupt(_)));
    assert_eq!(world.handled(1), []);
}

#[tokio::test(start_paused = true)]
async fn a_root_whose_progress_cannot_be_read_is_parked_until_it_can() {
    let world = World::new();
    world.change(|script| script.unreadable.push(root(1)));
    let running = world.run(From::Beginning);
    for _ in 0..3 {
        world.append(1);
        world.append(2);
    }
    world.until_done().await;
    assert_eq!(world.handled(1), []);
    assert_eq!(world.handled(2), [0, 1, 2]);
    assert_eq!(running.consumer.snapshot().parked, 1);
    running.stop().await.unwrap();
    world.change(|script| script.unreadable.clear());
    let running = world.run(From::Beginning);
    world.append(1);
    world.until_done().await;
    assert_eq!(world.handled(1), [0, 1, 2, 3]);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_was_taken_over_stops() {
    let world = World::new();
    let running = world.run(From::Beginning);
    world.append(1);
    world.until_done().await;
    world.take_lease().await;
    let ended = running.task.await.unwrap();
    assert!(matches!(ended, Err(Error::Fenced { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_lost_its_lease_to_its_own_address_does_not_take_it_back() {
    let world = World::new();
    let running = world.run(From::Beginning);
    world.until_started().await;
    let (other, name) = (world.take_lease().await, world.id().to_string());
    let consumer = Arc::clone(&running.consumer);
    assert!(matches!(
        running.task.await.unwrap(),
        Err(Error::Fenced { .. })
    ));
    let (ttl, stop) = (Duration::from_secs(15), CancellationToken::new());
    let again = tokio::spawn({
        let (consumer, stop) = (Arc::clone(&consumer), stop.clone());
        async move { consumer.run(stop).await }
    });
    let leases = &world.store.leases;
    for _ in 0..20 {
        tokio::time::sleep(ttl / 5).await;
        leases.renew(&name, other, ttl).await.unwrap();
        assert!(!consumer.snapshot().is_ready);
    }
    assert_eq!(consumer.snapshot().holder, Holder::Twin);
    leases.release(&name, other).await.unwrap();
    let acts = async || {
        while !matches!(consumer.snapshot().holder, Holder::Here(epoch) if epoch > other) {
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(ttl, acts()).await.unwrap();
    stop.cancel();
    again.await.unwrap().unwrap();
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
