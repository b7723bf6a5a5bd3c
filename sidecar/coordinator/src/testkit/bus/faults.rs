//! What happens when the log, the connection or the source itself fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::Link;
use super::stage::{
    Stage, cursor_after, expect, next, next_append, open, propose, stream, subscribe,
};
use crate::model::{Append, Cursor, StoreIdentity};
use crate::port::bus::{Delivery, Error, From, Subscription};
use crate::port::log::{Load, Loaded, Log, PartitionPage, PartitionRead, StreamRead};
use crate::port::store;

/// How long a new subscription may take to succeed after an outage.
const BACK_WITHIN: Duration = Duration::from_secs(20);

pub(super) async fn after_an_outage_of_the_log_a_new_subscription_goes_on(stage: Stage) {
    let faulty = Arc::new(Faulty::new(stage.log()));
    let link = stage.connect_with(faulty.clone()).await;
    let mut appends = stage.ring_some().await;
    let mut subscription = open(&*link, From::Beginning, 100).await;
    let last = read_all(&mut *subscription, &appends).await;
    faulty.is_away.store(true, Ordering::SeqCst);
    appends = vec![stage.ring(1, &[1]).await, stage.ring(2, &[2, 2]).await];
    ends_for_now(&mut *subscription).await;
    let refused = link
        .bus()
        .subscribe(subscribe(From::Cursor(last), 10))
        .await;
    assert!(matches!(refused, Err(Error::Unavailable(_))));
    faulty.is_away.store(false, Ordering::SeqCst);
    let mut again = reopen(&*link, last).await;
    expect(&mut *again, &appends).await;
}

pub(super) async fn after_a_lost_connection_a_new_subscription_goes_on(stage: Stage) {
    let link = stage.connect().await;
    let mut last = open(&*link, From::Beginning, 1).await.opened();
    for _ in 0..5 {
        let mut subscription = reopen(&*link, last).await;
        let appends = stage.ring_some().await;
        last = read_all(&mut *subscription, &appends[..3]).await;
        link.cut().await;
        ends_for_now(&mut *subscription).await;
        let over = next(&mut *subscription).await;
        assert!(matches!(over, Err(Error::Unavailable(_))), "{over:?}");
        let mut again = reopen(&*link, last).await;
        last = read_all(&mut *again, &appends[3..]).await;
    }
}

pub(super) async fn a_log_with_a_hole_is_reported_and_not_skipped_over(stage: Stage) {
    let faulty = Arc::new(Faulty::new(stage.log()));
    let link = stage.connect_with(faulty.clone()).await;
    let before = stage.ring(1, &[1]).await;
    let mut subscription = open(&*link, From::Beginning, 10).await;
    assert_eq!(next_append(&mut *subscription).await, before);
    faulty.has_hole.store(true, Ordering::SeqCst);
    let batch = (1..4).map(|root| propose(stream(root), &[1])).collect();
    stage.commit(batch).await;
    let error = loop {
        match next(&mut *subscription).await {
            Ok(Delivery::CaughtUp(_)) => {}
            Ok(Delivery::Append(append)) => unreachable!("{append:?} follows a hole"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Corrupt(_)), "{error:?}");
    assert!(!error.is_retryable(), "a person must look");
}

/// Reads these appends and returns the place after them.
async fn read_all(subscription: &mut dyn Subscription, wanted: &[Append]) -> Cursor {
    let opened = subscription.opened();
    expect(subscription, wanted).await;
    wanted
        .last()
        .map_or(opened, |append| cursor_after(append, opened))
}

/// Reads until the subscription ends, which must be with an error that is worth another try.
async fn ends_for_now(subscription: &mut dyn Subscription) {
    loop {
        if let Err(error) = next(subscription).await {
            assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
            assert!(error.is_retryable());
            return;
        }
    }
}

/// Opens a subscription after a place, as often as it takes.
async fn reopen(link: &dyn Link, after: Cursor) -> Box<dyn Subscription> {
    let until = Instant::now() + BACK_WITHIN;
    loop {
        let opened = link
            .bus()
            .subscribe(subscribe(From::Cursor(after), 100))
            .await;
        match opened {
            Ok(subscription) => return subscription,
            Err(error) => {
                assert!(error.is_retryable(), "{error:?}");
                assert!(Instant::now() < until, "still away: {error:?}");
                tokio::task::yield_now().await;
            }
        }
    }
}

/// A log that can be away or lack an append.
struct Faulty {
    inner: Arc<dyn Log>,
    is_away: AtomicBool,
    has_hole: AtomicBool,
}

impl Faulty {
    fn new(inner: Arc<dyn Log>) -> Self {
        Self {
            inner,
            is_away: AtomicBool::new(false),
            has_hole: AtomicBool::new(false),
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Log for Faulty {
    async fn load(&self, load: Load) -> Result<Loaded, store::Error> {
        self.inner.load(load).await
    }

    async fn read_stream(&self, read: StreamRead) -> Result<Vec<Append>, store::Error> {
        self.inner.read_stream(read).await
    }

    async fn read_partition(&self, read: PartitionRead) -> Result<PartitionPage, store::Error> {
        if self.is_away.load(Ordering::SeqCst) {
            let cause = std::io::Error::from(std::io::ErrorKind::TimedOut);
            return Err(store::Error::Unavailable(Arc::new(cause)));
        }
        let mut page = self.inner.read_partition(read).await?;
        if self.has_hole.load(Ordering::SeqCst) && page.appends.len() > 1 {
            page.appends.remove(0);
        }
        Ok(page)
    }

    fn identity(&self) -> StoreIdentity {
        self.inner.identity()
    }
}
