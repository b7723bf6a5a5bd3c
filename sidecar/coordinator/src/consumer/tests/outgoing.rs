//! Commands and facts on their way to their targets.

use super::super::Start;
use super::super::derive::derive_name;
use super::super::outgoing::{Verdict, judge};
use super::script::{command, refusal};
use super::world::{World, root};
use crate::model::*;
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
    let running = world.run(Start::Beginning);
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
    let refused = running.consumer.list_refused(0, 10).await.unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].refusal.code, Code::FailedPrecondition);

    running
        .consumer
        .resend(&refused[0].outgoing.id)
        .await
        .unwrap();
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
    let running = world.run(Start::Beginning);
    world.until_settled(2).await;
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
    world.change(|script| script.is_target_away = true);
    let append = world.append(1);
    let running = world.run(Start::Beginning);
    world.until_done().await;
    // The process dies: nothing is finished, nothing is settled.
    running.task.abort();
    assert!(running.task.await.is_err());
    assert_eq!(world.waiting().await, 2);

    world.change(|script| script.is_target_away = false);
    let running = world.run(Start::Beginning);
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
    let running = world.run(Start::Beginning);
    world.until_settled(1).await;
    let refused = running.consumer.list_refused(0, 10).await.unwrap();
    assert!(refused[0].refusal.message.contains("it has no root"));
    running
        .consumer
        .discard(&refused[0].outgoing.id)
        .await
        .unwrap();
    let refused = running.consumer.list_refused(0, 10).await.unwrap();
    assert!(refused.is_empty());
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
