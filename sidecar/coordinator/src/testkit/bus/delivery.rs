//! What is delivered, and in which order.

use super::stage::{Stage, expect, expect_nothing, next, next_append, open, propose, stream, till};
use crate::model::{
    Append, Domain, Edition, ExternalId, ExternalKey, PayloadHash, Position, StreamId,
};
use crate::port::bus::{Delivery, From};

pub(super) async fn everything_comes_in_the_order_of_positions(stage: Stage) {
    let link = stage.connect().await;
    let mut appends = stage.ring_some().await;
    let branch = StreamId {
        edition: Edition::parse(Some("what-if")).expect("the name is valid"),
        ..stream(1)
    };
    appends.extend(stage.commit(vec![propose(branch, &[8])]).await);
    let mut subscription = open(&*link, From::Beginning, 1_000).await;
    expect(&mut *subscription, &appends).await;
    check_order(&appends);
}

pub(super) async fn what_is_committed_later_follows_on_the_same_subscription(stage: Stage) {
    let link = stage.connect().await;
    let before = stage.ring_some().await;
    let mut subscription = open(&*link, From::Beginning, 1_000).await;
    expect(&mut *subscription, &before).await;
    for root in 0..20 {
        let append = stage.ring(root, &[1, 1]).await;
        assert_eq!(next_append(&mut *subscription).await, append);
    }
    let batch = (0..50).map(|root| propose(stream(root), &[9])).collect();
    let batch = stage.commit(batch).await;
    expect(&mut *subscription, &batch).await;
}

pub(super) async fn catching_up_beside_a_writer_misses_and_repeats_nothing(stage: Stage) {
    const BATCHES: usize = 150;
    let link = stage.connect().await;
    let mut written = stage.ring_some().await;
    let writer = tokio::spawn({
        let stage = stage.clone();
        async move {
            let mut written = Vec::new();
            for batch in 0..BATCHES {
                let sizes = vec![batch * 7 % 400; 1 + batch % 5];
                let proposals = (0..1 + batch % 4).map(|root| propose(stream(root as u8), &sizes));
                written.extend(stage.commit(proposals.collect()).await);
                tokio::task::yield_now().await;
            }
            written
        }
    });
    let mut subscription = open(&*link, From::Beginning, 8).await;
    let mut read = Vec::new();
    while !writer.is_finished() {
        read.push(next_append(&mut *subscription).await);
        subscription.grant(1);
    }
    written.extend(writer.await.expect("the writer ends"));
    while read.len() < written.len() {
        read.push(next_append(&mut *subscription).await);
        subscription.grant(1);
    }
    check_order(&read);
    assert_eq!(read, written);
}

pub(super) async fn appends_come_whole_and_unchanged(stage: Stage) {
    let link = stage.connect().await;
    let mut traced = propose(stream(1), &[3]);
    traced.trace_parent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    let mut facts = propose(stream(1), &[4, 5]);
    facts.key = None;
    for (index, event) in facts.events.iter_mut().enumerate() {
        event.external = Some(ExternalKey {
            id: ExternalId::parse(&format!("payment-{index}")).expect("the id is valid"),
            hash: PayloadHash([9; 32]),
        });
    }
    let longest = propose(stream(2), &[10; 1_000]);
    let largest = propose(stream(3), &[1 << 20; 6]);
    let appends = stage.commit(vec![traced, facts, longest, largest]).await;
    let mut subscription = open(&*link, From::Beginning, 10).await;
    expect(&mut *subscription, &appends).await;
}

pub(super) async fn other_domains_are_not_delivered(stage: Stage) {
    let link = stage.connect().await;
    let elsewhere = StreamId {
        domain: Domain::parse("elsewhere").expect("the name is valid"),
        ..stream(1)
    };
    let mut own = vec![stage.ring(1, &[1]).await];
    stage.commit(vec![propose(elsewhere.clone(), &[1])]).await;
    own.push(stage.ring(1, &[2]).await);
    let mut subscription = open(&*link, From::Beginning, 10).await;
    expect(&mut *subscription, &own).await;
    stage.commit(vec![propose(elsewhere, &[1])]).await;
    let last = stage.ring(2, &[3]).await;
    assert_eq!(next_append(&mut *subscription).await, last);
}

pub(super) async fn an_empty_log_is_caught_up_with_at_once(stage: Stage) {
    let link = stage.connect().await;
    let mut subscription = open(&*link, From::Beginning, 1).await;
    let said = next(&mut *subscription).await;
    assert_eq!(
        said.expect("the bus delivers"),
        Delivery::CaughtUp(Position::ORIGIN)
    );
}

pub(super) async fn caught_up_is_said_after_everything_that_there_was(stage: Stage) {
    let link = stage.connect().await;
    let appends = stage.ring_some().await;
    let mut subscription = open(&*link, From::Beginning, 100).await;
    for append in appends {
        let delivered = next(&mut *subscription).await;
        assert_eq!(
            delivered.expect("the bus delivers"),
            Delivery::Append(append)
        );
    }
    let head = stage.head().await.position;
    let said = next(&mut *subscription).await;
    assert_eq!(said.expect("the bus delivers"), Delivery::CaughtUp(head));
}

pub(super) async fn a_commit_that_nobody_announced_is_delivered(stage: Stage) {
    let link = stage.connect().await;
    let mut subscription = open(&*link, From::Beginning, 10).await;
    let said = next(&mut *subscription).await;
    assert_eq!(
        said.expect("the bus delivers"),
        Delivery::CaughtUp(Position::ORIGIN)
    );
    let silent = stage.record(vec![propose(stream(1), &[1])]).await;
    expect(&mut *subscription, &silent).await;
}

pub(super) async fn an_announcement_without_a_commit_delivers_nothing(stage: Stage) {
    let link = stage.connect().await;
    let before = stage.ring(1, &[1]).await;
    let mut subscription = open(&*link, From::Beginning, 10).await;
    assert_eq!(next_append(&mut *subscription).await, before);
    stage.heads.announce(&till(), Position(100));
    expect_nothing(&mut *subscription).await;
    let after = stage.ring(1, &[1]).await;
    assert_eq!(next_append(&mut *subscription).await, after);
}

pub(super) async fn a_wait_that_is_given_up_loses_nothing(stage: Stage) {
    let link = stage.connect().await;
    let mut written = stage.ring_some().await;
    let mut subscription = open(&*link, From::Beginning, 1_000).await;
    let mut read = Vec::new();
    for round in 0..200_u32 {
        if round % 10 == 0 {
            written.push(stage.ring(4, &[1, 1]).await);
        }
        for _ in 0..3 {
            // One poll, and the wait is dropped.
            if let std::task::Poll::Ready(delivered) = futures::poll!(subscription.next()) {
                read.push(delivered.expect("the subscription goes on"));
            }
            tokio::task::yield_now().await;
        }
    }
    let mut read: Vec<Append> = read.into_iter().filter_map(append_of).collect();
    while read.len() < written.len() {
        read.push(next_append(&mut *subscription).await);
    }
    assert_eq!(read, written);
    expect_nothing(&mut *subscription).await;
}

fn append_of(delivery: Delivery) -> Option<Append> {
    match delivery {
        Delivery::Append(append) => Some(append),
        Delivery::CaughtUp(_) => None,
    }
}

fn check_order(appends: &[Append]) {
    let mut last = Position::ORIGIN;
    for append in appends {
        assert_eq!(append.position_before(), last, "positions are dense");
        last = append.last_position;
    }
}
