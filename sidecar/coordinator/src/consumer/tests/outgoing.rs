//! Commands and facts on their way to their targets.

use std::time::Duration;

use super::super::derive::derive_name;
use super::super::outgoing::{Verdict, judge};
use super::super::{OutgoingBounds, Settings, Settlement, SourceState};
use super::LONG;
use super::script::{command, refusal};
use super::world::{Running, World, payload, root, stream};
use crate::model::*;
use crate::port::bus::From;
use crate::port::logic::{Reaction, Request};
use crate::port::progress::Malformed;

pub(super) fn saga() -> World {
    let world = World::new();
    world.change(|script| script.is_saga = true);
    world
}

#[tokio::test(start_paused = true)]
async fn commands_of_a_trigger_leave_in_order_and_a_refused_one_is_set_aside_alone() {
    let world = saga();
    world.change(|script| {
        script.replies = [
            Err(refusal(Code::Unavailable)),
            Err(refusal(Code::Aborted)),
            Ok(()),
            Err(refusal(Code::FailedPrecondition)),
        ]
        .into();
    });
    world.append(1);
    world.append(1);
    let running = world.run(From::Beginning);
    world.until_settled(3).await;
    let order: Vec<_> = world
        .script()
        .sent
        .iter()
        .map(|sent| {
            let origin = sent.origin.clone().unwrap();
            (origin.sequence.0, origin.index)
        })
        .collect();
    assert_eq!(order, [(0, 0), (1, 0), (1, 1)]);
    let (refused, _) = running.consumer.list_refused(0, 10).await.unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].refusal.code, Code::FailedPrecondition);

    world.change(|script| script.replies = [Err(refusal(Code::PermissionDenied))].into());
    let id = &refused[0].outgoing.id;
    let resent = running.consumer.resend(id, LONG).await;
    let Ok(Settlement::Refused(again)) = resent else {
        panic!("{resent:?}")
    };
    assert_eq!(again.code, Code::PermissionDenied);
    world.change(|script| script.is_target_away = true);
    let resent = running.consumer.resend(id, LONG).await;
    assert_eq!(resent, Ok(Settlement::Waiting));
    world.change(|script| script.is_target_away = false);
    let settled = running.consumer.settlement(id, LONG).await;
    assert_eq!(settled, Ok(Settlement::Done));
    world.until_settled(4).await;
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_believed_only_after_the_deadline_of_an_earlier_unknown_attempt() {
    let world = saga();
    world.change(|script| {
        script.replies = [
            Err(refusal(Code::Unavailable)),
            Err(refusal(Code::FailedPrecondition)),
            Ok(()),
        ]
        .into();
    });
    world.append(1);
    let running = world.run(From::Beginning);
    world.until_settled(2).await;
    assert!(is_nothing_refused(&running).await);
    running.stop().await.unwrap();
}

async fn is_nothing_refused(running: &Running) -> bool {
    let listed = running.consumer.list_refused(0, 10).await;
    listed.unwrap().0.is_empty()
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_believed_while_an_attempt_of_a_former_process_may_take_effect() {
    let world = saga();
    world.change(|script| script.is_target_away = true);
    world.append(1);
    let running = world.run(From::Beginning);
    world.until_done().await;
    running.task.abort();
    world.change(|script| {
        script.is_target_away = false;
        script.replies = [Err(refusal(Code::FailedPrecondition)), Ok(())].into();
    });
    let running = world.run(From::Beginning);
    world.until_settled(2).await;
    assert!(is_nothing_refused(&running).await);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final_only_after_the_time_that_a_former_process_gave_its_attempts() {
    for (before, after) in [(60, 1), (1, 60)] {
        let world = saga();
        let settings = |budget| Settings {
            command_budget: Duration::from_secs(budget),
            ..world.settings(From::Beginning)
        };
        world.change(|script| script.hung = vec!["order".to_owned()]);
        world.append(1);
        let running = world.run_with(settings(before));
        world.until_done().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let sent = tokio::time::Instant::now();
        running.task.abort();

        world.change(|script| {
            script.hung.clear();
            script.always = Some(refusal(Code::FailedPrecondition));
        });
        let running = world.run_with(settings(after));
        let is_refused = async || world.waiting().await == 0;
        world.until("the refusals are final", is_refused).await;
        assert!(sent.elapsed() > Duration::from_secs(before), "{before}");
        assert!(!is_nothing_refused(&running).await);
        running.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final_only_after_the_longest_time_when_settings_change_while_it_runs() {
    let world = saga();
    let settings = |budget| Settings {
        command_budget: Duration::from_secs(budget),
        ..world.settings(From::Beginning)
    };
    world.change(|script| script.hung = vec!["order".to_owned()]);
    world.append(1);
    let running = world.run_with(settings(60));
    world.until_done().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let sent = tokio::time::Instant::now();
    running.consumer.configure(settings(1));
    // The attempts with the short time break as well, which must not replace the long one.
    tokio::time::sleep(Duration::from_secs(20)).await;
    world.change(|script| {
        script.hung.clear();
        script.always = Some(refusal(Code::FailedPrecondition));
    });
    let is_refused = async || world.waiting().await == 0;
    world.until("the refusals are final", is_refused).await;
    assert!(sent.elapsed() > Duration::from_secs(60));
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_time_of_an_attempt_is_stored_with_the_work_and_apart_only_when_it_waited_long() {
    let world = saga();
    for number in 0..50 {
        world.append(number);
    }
    let running = world.run(From::Beginning);
    world.until_settled(100).await;
    assert_eq!(world.script().attempts_stored, 0);
    world.change(|script| script.is_target_away = true);
    world.append(50);
    tokio::time::sleep(Duration::from_secs(120)).await;
    let attempts = world.script().attempts_stored;
    // The first command of the trigger is repeated every two seconds.
    assert!((2..=5).contains(&attempts), "{attempts} were stored");
    world.change(|script| script.is_target_away = false);
    world.until_settled(102).await;
    running.stop().await.unwrap();
}

/// Makes root `number` cause commands of some bytes for a domain.
fn request(world: &World, number: u128, target: &str, commands: usize, bytes: usize) {
    let one = Command {
        stream: StreamId {
            domain: Domain::parse(target).unwrap(),
            ..stream(number)
        },
        pages: vec![Payload {
            value: vec![0; bytes].into(),
            ..payload("Do")
        }],
        ..command(number)
    };
    let requests = vec![Request::Command(one); commands];
    let reaction = Ok(Reaction::Requested(requests));
    world.change(|script| {
        script.answers.insert(root(number), [reaction].into());
    });
    world.append(number);
}

/// How many commands a domain got.
fn sent_to(world: &World, target: &str) -> usize {
    let script = world.script();
    let sent = script.sent.iter();
    sent.filter(|sent| sent.stream.domain.as_str() == target)
        .count()
}

#[tokio::test(start_paused = true)]
async fn targets_that_are_away_or_hang_hold_up_nobody_else_over_restarts_too() {
    let world = saga();
    world.change(|script| {
        script.unrouted = vec!["nowhere".to_owned()];
        script.hung = vec!["asleep".to_owned()];
    });
    for number in 0..800 {
        request(&world, number, "nowhere", 1, 10);
    }
    for number in 800..900 {
        request(&world, number, "asleep", 1, 10);
    }
    let mut healthy = 0;
    for restart in 0..3 {
        let running = world.run(From::Beginning);
        for number in 0..20 {
            request(&world, 1_000 + restart * 20 + number, "awake", 2, 10);
        }
        healthy += 40;
        let began = tokio::time::Instant::now();
        world
            .until("the healthy target is served", async || {
                sent_to(&world, "awake") == healthy
            })
            .await;
        assert!(began.elapsed() < Duration::from_secs(5));
        let waits = running.consumer.snapshot().outgoing_waits.unwrap();
        assert!(waits.contains("nowhere"), "{waits}");
        world.until_done().await;
        running.stop().await.unwrap();
    }
    world.change(|script| {
        script.unrouted.clear();
        script.hung.clear();
    });
    let running = world.run(From::Beginning);
    world.until_settled(healthy + 900).await;
    assert_eq!(running.consumer.snapshot().outgoing_waits, None);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_bounded_in_bytes() {
    let world = saga();
    let mut settings = world.settings(From::Beginning);
    settings.outgoing.waiting_bytes = usize::MAX;
    for number in 0..60 {
        let target = ["one", "two", "three"][number as usize % 3];
        request(&world, number, target, 1, 1 << 20);
    }
    request(&world, 60, "one", 1, 5 << 20);
    let running = world.run_with(settings);
    world.until_settled(61).await;
    let most = world.script().most_bytes_under_way;
    assert!(most <= 13 << 20, "{most} bytes of three targets");
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_window_of_a_target_and_that_of_all_follow_the_settings_while_it_runs() {
    let world = saga();
    world.change(|script| script.is_target_away = true);
    for number in 0..60 {
        let target = ["one", "two", "three"][number as usize % 3];
        request(&world, number, target, 1, 10_000);
    }
    let running = world.run(From::Beginning);
    world.until_done().await;
    // All begin at once when the settings change; after that, they are repeated at different times.
    let most = async |bounds: OutgoingBounds| {
        let settings = world.settings(From::Beginning);
        world.change(|script| script.most_bytes_under_way = 0);
        running.consumer.configure(Settings {
            outgoing: bounds,
            ..settings
        });
        tokio::time::sleep(Duration::from_secs(10)).await;
        world.script().most_bytes_under_way / 10_000
    };
    let wide = world.settings(From::Beginning).outgoing;
    let per_target = 4;
    assert_eq!(most(OutgoingBounds { per_target, ..wide }).await, 12);
    let target_bytes = 21_000;
    let narrow = OutgoingBounds {
        target_bytes,
        ..wide
    };
    assert_eq!(most(narrow).await, 6);
    let bytes = 1;
    assert_eq!(most(OutgoingBounds { bytes, ..wide }).await, 3);
    assert!(most(wide).await > 30);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_source_waits_while_too_much_is_to_be_sent() {
    let world = saga();
    world.change(|script| script.unrouted = vec!["nowhere".to_owned()]);
    let mut settings = world.settings(From::Beginning);
    (settings.outgoing.waiting, settings.credit) = (10, 4);
    for number in 0..100 {
        request(&world, number, "nowhere", 1, 10);
    }
    let running = world.run_with(settings);
    tokio::time::sleep(Duration::from_secs(100)).await;
    let stored = world.waiting().await;
    assert!((10..20).contains(&stored), "{stored} are stored");
    let source = &running.consumer.snapshot().sources[0];
    let SourceState::Paused(reason) = &source.state else {
        panic!("{source:?}")
    };
    assert!(reason.contains("are to be sent: nowhere"), "{reason}");
    world.change(|script| script.unrouted.clear());
    world.until_settled(100).await;
    world.until_done().await;
    assert_eq!(
        running.consumer.snapshot().sources[0].state,
        SourceState::Live
    );
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_the_logic_of_a_target_refuses_is_final_after_attempts_whatever_its_code() {
    for code in [Code::NotFound, Code::ResourceExhausted, Code::Aborted] {
        let world = saga();
        let of_logic = Status {
            is_of_logic: true,
            ..refusal(code)
        };
        world.change(|script| script.replies = vec![Err(of_logic); 5].into());
        world.append(1);
        let running = world.run(From::Beginning);
        world.until_settled(1).await;
        let (refused, _) = running.consumer.list_refused(0, 10).await.unwrap();
        assert_eq!(refused[0].refusal.code, code);
        running.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_once_another_may_hold_the_lease() {
    let world = saga();
    let running = world.run(From::Beginning);
    world.until_started().await;
    world.change(|script| script.fails_leases = true);
    tokio::time::sleep(Duration::from_secs(20)).await;
    world.append(1);
    world.until_done().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.script().sent.len(), 0);
    assert_eq!(world.waiting().await, 2);
    let waits = running.consumer.snapshot().outgoing_waits.unwrap();
    assert!(waits.contains("the lease was not renewed"), "{waits}");
    world.change(|script| script.fails_leases = false);
    world.until_settled(2).await;
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn work_that_was_stored_and_not_sent_goes_out_after_a_restart_under_the_same_ids() {
    let world = saga();
    world.change(|script| script.is_target_away = true);
    let append = world.append(1);
    let running = world.run(From::Beginning);
    world.until_done().await;
    // The process dies: nothing is finished, nothing is settled.
    running.task.abort();
    assert!(running.task.await.is_err());
    assert_eq!(world.waiting().await, 2);

    world.change(|script| script.is_target_away = false);
    let running = world.run(From::Beginning);
    world.until_settled(2).await;
    let id = world.id();
    let ids: Vec<_> = world
        .script()
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
    world.change(|script| {
        let answer = Ok(Reaction::Requested(requests));
        script.answers.insert(root(1), [answer].into());
    });
    world.append(1);
    let running = world.run(From::Beginning);
    world.until_settled(1).await;
    let (refused, _) = running.consumer.list_refused(0, 10).await.unwrap();
    assert!(refused[0].refusal.message.contains("it has no root"));
    running
        .consumer
        .discard(&refused[0].outgoing.id)
        .await
        .unwrap();
    assert!(is_nothing_refused(&running).await);
    running.stop().await.unwrap();
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
