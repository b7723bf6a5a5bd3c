//! The laws of the bus port: one for each promise that [`crate::port::bus::Bus`] makes.
//!
//! A law gets an [`Adapter`] and an empty log; it fills the log, reads through the adapter and panics when a promise is broken. Each law is run
//! on its own, with a log of its own.
//!
//! ```text
//! law ─▶ log + heads ─▶ Adapter::connect ─▶ Link::bus ─▶ subscriptions ─▶ law compares
//! ```

mod delivery;
mod faults;
mod flow;
mod history;
mod stage;

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;

use crate::feed::InProcess;
use crate::port::bus::Bus;
use crate::port::store::Store;
use stage::Stage;

/// Makes connections between a consumer and the owner of a log, as one kind of bus does.
#[async_trait]
pub trait Adapter: Send + Sync {
    /// Connects a bus with the log of [`domain`].
    async fn connect(&self, source: InProcess) -> Box<dyn Link>;
}

/// A bus that is connected with a log; dropping it takes the connection down.
#[async_trait]
pub trait Link: Send + Sync {
    /// The consumer's side.
    fn bus(&self) -> &dyn Bus;

    /// Breaks every connection that there is; new ones can be made at once. Not called by laws that the adapter is excepted from.
    async fn cut(&self);
}

/// One promise of the port, as a check.
#[derive(Clone, Copy)]
pub struct Law {
    /// What is true of an adapter that keeps it.
    pub name: &'static str,
    check: fn(Stage) -> Checking,
}

type Checking = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Law {
    /// Checks that an adapter keeps the law over an empty log.
    ///
    /// # Panics
    /// When the law is broken.
    pub async fn check(&self, adapter: Arc<dyn Adapter>, store: Store) {
        (self.check)(Stage::new(adapter, store)).await;
    }
}

/// The domain whose log the laws read.
pub fn domain() -> crate::model::Domain {
    stage::till()
}

macro_rules! laws {
    ($($module:ident::$name:ident),* $(,)?) => {
        &[$(Law { name: stringify!($name), check: |stage| Box::pin($module::$name(stage)) }),*]
    };
}

/// All laws.
pub const LAWS: &[Law] = laws![
    delivery::everything_comes_in_the_order_of_positions,
    delivery::what_is_committed_later_follows_on_the_same_subscription,
    delivery::catching_up_beside_a_writer_misses_and_repeats_nothing,
    delivery::appends_come_whole_and_unchanged,
    delivery::other_domains_are_not_delivered,
    delivery::an_empty_log_is_caught_up_with_at_once,
    delivery::caught_up_is_said_after_everything_that_there_was,
    delivery::a_commit_that_nobody_announced_is_delivered,
    delivery::an_announcement_without_a_commit_delivers_nothing,
    delivery::a_wait_that_is_given_up_loses_nothing,
    flow::no_more_is_under_way_than_credit_allows,
    flow::grants_add_up,
    flow::without_credit_a_subscription_opens_and_delivers_nothing,
    flow::every_subscriber_gets_everything_at_its_own_pace,
    flow::a_subscription_that_is_dropped_hinders_no_other,
    history::the_beginning_is_the_origin_of_this_history,
    history::now_begins_after_the_head,
    history::now_in_an_empty_log_begins_with_its_first_append,
    history::every_cursor_resumes_right_after_its_append,
    history::a_cursor_at_the_head_gets_only_what_is_new,
    history::a_cursor_of_another_store_is_refused,
    history::a_cursor_of_another_incarnation_is_refused,
    history::a_cursor_with_another_append_is_refused,
    history::a_cursor_beyond_the_head_is_refused,
    history::a_cursor_within_an_append_is_refused,
    faults::after_an_outage_of_the_log_a_new_subscription_goes_on,
    faults::after_a_lost_connection_a_new_subscription_goes_on,
    faults::a_log_with_a_hole_is_reported_and_not_skipped_over,
];
