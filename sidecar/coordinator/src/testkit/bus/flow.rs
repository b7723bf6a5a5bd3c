//! How much is under way, and to whom.

use super::stage::{Stage, expect, expect_nothing, next, next_append, open};
use crate::model::Position;
use crate::port::bus::{Delivery, From};

pub(super) async fn no_more_is_under_way_than_credit_allows(stage: Stage) {
    let link = stage.connect().await;
    let appends = stage.ring_some().await;
    let mut subscription = open(&*link, From::Beginning, 2).await;
    expect(&mut *subscription, &appends[..2]).await;
    expect_nothing(&mut *subscription).await;
    subscription.grant(1);
    expect(&mut *subscription, &appends[2..3]).await;
    expect_nothing(&mut *subscription).await;
}

pub(super) async fn grants_add_up(stage: Stage) {
    let link = stage.connect().await;
    let mut appends = stage.ring_some().await;
    let mut subscription = open(&*link, From::Beginning, 1).await;
    subscription.grant(2);
    subscription.grant(1);
    expect(&mut *subscription, &appends[..4]).await;
    expect_nothing(&mut *subscription).await;
    subscription.grant(3);
    appends.push(stage.ring(6, &[1]).await);
    appends.push(stage.ring(6, &[1]).await);
    stage.ring(6, &[1]).await;
    expect(&mut *subscription, &appends[4..]).await;
    expect_nothing(&mut *subscription).await;
}

pub(super) async fn without_credit_a_subscription_opens_and_delivers_nothing(stage: Stage) {
    let link = stage.connect().await;
    let before = stage.ring(1, &[1]).await;
    let mut subscription = open(&*link, From::Beginning, 0).await;
    expect_nothing(&mut *subscription).await;
    subscription.grant(1);
    assert_eq!(next_append(&mut *subscription).await, before);
}

pub(super) async fn every_subscriber_gets_everything_at_its_own_pace(stage: Stage) {
    let link = stage.connect().await;
    let mut appends = stage.ring_some().await;
    let mut stuck = open(&*link, From::Beginning, 1).await;
    let mut quick = open(&*link, From::Beginning, 100).await;
    let mut late = open(&*link, From::Beginning, 100).await;
    expect(&mut *stuck, &appends[..1]).await;
    expect(&mut *quick, &appends).await;
    appends.push(stage.ring(7, &[1, 2, 3]).await);
    expect(&mut *quick, &appends[5..]).await;
    expect(&mut *late, &appends).await;
    stuck.grant(100);
    expect(&mut *stuck, &appends[1..]).await;
}

pub(super) async fn a_subscription_that_is_dropped_hinders_no_other(stage: Stage) {
    let link = stage.connect().await;
    let mut kept = open(&*link, From::Beginning, 100).await;
    for _ in 0..20 {
        let mut dropped = open(&*link, From::Beginning, 1).await;
        let said = next(&mut *dropped).await;
        assert_eq!(
            said.expect("the bus delivers"),
            Delivery::CaughtUp(Position::ORIGIN)
        );
    }
    let appends = stage.ring_some().await;
    expect(&mut *kept, &appends).await;
}
