//! Where a subscription begins, and which histories it refuses to go on with.

use super::stage::{Stage, cursor_after, expect, next, next_append, open, subscribe};
use crate::model::{AppendId, Cursor, Incarnation, Position, StoreId, StoreIdentity};
use crate::port::bus::{Delivery, Error, From};

pub(super) async fn the_beginning_is_the_origin_of_this_history(stage: Stage) {
    let link = stage.connect().await;
    stage.ring_some().await;
    let opened = open(&*link, From::Beginning, 1).await.opened();
    let origin = Cursor {
        position: Position::ORIGIN,
        append_id: None,
        identity: stage.log().identity(),
    };
    assert_eq!(opened, origin);
}

pub(super) async fn now_begins_after_the_head(stage: Stage) {
    let link = stage.connect().await;
    stage.ring_some().await;
    let mut subscription = open(&*link, From::Now, 10).await;
    let head = stage.head().await;
    assert_eq!(subscription.opened(), head);
    let said = next(&mut *subscription).await;
    assert_eq!(
        said.expect("the bus delivers"),
        Delivery::CaughtUp(head.position)
    );
    let first = stage.ring(1, &[1]).await;
    assert_eq!(next_append(&mut *subscription).await, first);
    let resumed = open(&*link, From::Cursor(head), 10).await;
    assert_eq!(resumed.opened(), head);
}

pub(super) async fn now_in_an_empty_log_begins_with_its_first_append(stage: Stage) {
    let link = stage.connect().await;
    let mut subscription = open(&*link, From::Now, 10).await;
    let opened = subscription.opened();
    assert_eq!(
        (opened.position, opened.append_id),
        (Position::ORIGIN, None)
    );
    let appends = stage.ring_some().await;
    expect(&mut *subscription, &appends).await;
    let mut resumed = open(&*link, From::Cursor(opened), 10).await;
    expect(&mut *resumed, &appends).await;
}

pub(super) async fn every_cursor_resumes_right_after_its_append(stage: Stage) {
    let link = stage.connect().await;
    let appends = stage.ring_some().await;
    let head = stage.head().await;
    for (index, append) in appends.iter().enumerate() {
        let cursor = cursor_after(append, head);
        let mut resumed = open(&*link, From::Cursor(cursor), 10).await;
        assert_eq!(resumed.opened(), cursor);
        expect(&mut *resumed, &appends[index + 1..]).await;
        let said = next(&mut *resumed).await;
        assert_eq!(
            said.expect("the bus delivers"),
            Delivery::CaughtUp(head.position)
        );
    }
}

pub(super) async fn a_cursor_at_the_head_gets_only_what_is_new(stage: Stage) {
    let link = stage.connect().await;
    stage.ring_some().await;
    let mut resumed = open(&*link, From::Cursor(stage.head().await), 10).await;
    let new = stage.ring(9, &[4, 4]).await;
    assert_eq!(next_append(&mut *resumed).await, new);
}

pub(super) async fn a_cursor_of_another_store_is_refused(stage: Stage) {
    stage.ring_some().await;
    let head = stage.head().await;
    let store_id = StoreId::random();
    let identity = StoreIdentity {
        store_id,
        ..head.identity
    };
    refuses(&stage, Cursor { identity, ..head }).await;
}

pub(super) async fn a_cursor_of_another_incarnation_is_refused(stage: Stage) {
    stage.ring_some().await;
    let head = stage.head().await;
    let incarnation = Incarnation::random();
    let identity = StoreIdentity {
        incarnation,
        ..head.identity
    };
    refuses(&stage, Cursor { identity, ..head }).await;
    let at_origin = Cursor {
        position: Position::ORIGIN,
        append_id: None,
        identity,
    };
    refuses(&stage, at_origin).await;
}

pub(super) async fn a_cursor_with_another_append_is_refused(stage: Stage) {
    let appends = stage.ring_some().await;
    let head = stage.head().await;
    let other = AppendId::random();
    for append_id in [Some(other), Some(appends[0].id), None] {
        refuses(&stage, Cursor { append_id, ..head }).await;
    }
    let at_origin = Cursor {
        position: Position::ORIGIN,
        ..head
    };
    refuses(&stage, at_origin).await;
}

pub(super) async fn a_cursor_beyond_the_head_is_refused(stage: Stage) {
    let head = stage.head().await;
    let append_id = Some(AppendId::random());
    let beyond_nothing = Cursor {
        position: Position(1),
        append_id,
        ..head
    };
    refuses(&stage, beyond_nothing).await;
    stage.ring_some().await;
    let head = stage.head().await;
    for append_id in [head.append_id, append_id, None] {
        let position = head.position.plus(1);
        let beyond = Cursor {
            position,
            append_id,
            ..head
        };
        refuses(&stage, beyond).await;
    }
}

pub(super) async fn a_cursor_within_an_append_is_refused(stage: Stage) {
    let append = stage.ring(1, &[1, 1, 1]).await;
    let head = stage.head().await;
    for append_id in [Some(append.id), None] {
        let within = Cursor {
            position: Position(2),
            append_id,
            ..head
        };
        refuses(&stage, within).await;
    }
}

async fn refuses(stage: &Stage, cursor: Cursor) {
    let link = stage.connect().await;
    let refused = link
        .bus()
        .subscribe(subscribe(From::Cursor(cursor), 10))
        .await;
    let Err(error) = refused else {
        unreachable!("{cursor:?} was taken")
    };
    assert!(
        matches!(error, Error::Diverged(_)),
        "{cursor:?} was refused by {error:?}"
    );
    assert!(!error.is_retryable(), "a person must decide");
}
