//! The laws of the store ports: what every store promises, as checks.
//!
//! A law gets a [`Bench`] with an empty store; it panics when a promise is broken. Each law is run on its own, with a store of its own. The
//! [`Model`] is a store that keeps them all, to compare others with.

mod consumers;
mod entries;
mod leases;
mod log;
mod model;

pub use model::Model;

use std::pin::Pin;

use async_trait::async_trait;

use crate::model::{
    Append, AppendId, CommandId, CommandKey, CorrelationId, Domain, Edition, NewEvent, Payload,
    PayloadHash, Root, Sequence, StreamId, Timestamp,
};
use crate::port::store::Store;
use crate::port::writer::{Entry, Outcome, Proposal};

/// A store that can be closed and opened again.
#[async_trait]
pub trait Bench: Send + Sync {
    /// The open store.
    fn ports(&self) -> Store;

    /// Closes the store and opens it again, as a restart does. Ports handed out before are dropped by the law first.
    async fn reopen(&mut self);

    /// Who else may have it open.
    fn sharing(&self) -> Sharing;
}

/// Who may have a store open at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// One process.
    OneProcess,
    /// Every process that reaches it.
    Everyone,
}

type Checking = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One promise, as a check.
#[derive(Clone, Copy)]
pub struct Law {
    /// What is true of a store that keeps it.
    pub name: &'static str,
    check: fn(Box<dyn Bench>) -> Checking,
}

impl Law {
    /// Checks that a store keeps the law.
    ///
    /// # Panics
    /// When the law is broken.
    pub async fn check(&self, bench: Box<dyn Bench>) {
        (self.check)(bench).await;
    }
}

macro_rules! laws {
    ($($module:ident::$name:ident),* $(,)?) => {
        &[$(Law { name: stringify!($name), check: |bench| Box::pin($module::$name(bench)) }),*]
    };
}

/// All laws.
pub const LAWS: &[Law] = laws![
    log::what_was_appended_survives_a_restart_whole_and_unchanged,
    log::sequences_are_contiguous_and_positions_dense_per_domain,
    log::proposals_of_a_batch_see_those_before_them,
    log::a_refused_proposal_writes_nothing_and_hinders_no_other,
    log::nothing_is_recorded_after_its_deadline,
    log::a_known_command_is_answered_before_its_sequence_is_judged,
    log::a_command_without_events_is_known_too,
    log::a_reused_command_id_is_refused,
    log::known_facts_are_left_out_and_listed,
    log::a_reused_external_id_is_refused,
    log::a_load_brings_snapshot_and_tail,
    log::a_snapshot_of_another_version_or_after_the_point_is_not_used,
    log::a_snapshot_never_replaces_a_newer_one,
    log::a_history_over_the_limit_is_said_to_be,
    log::a_load_that_expects_another_sequence_reads_nothing,
    log::a_stream_is_read_from_the_append_that_holds_a_sequence,
    log::a_partition_is_read_in_order_with_what_stands_before,
    log::roots_are_listed_in_order_with_their_lengths,
    log::a_correlation_is_read_in_the_order_of_positions,
    consumers::a_source_is_opened_once,
    consumers::progress_survives_a_restart_and_never_moves_back,
    consumers::a_commit_under_an_old_epoch_is_refused_whole,
    consumers::outgoing_work_keeps_its_order_and_its_first_version,
    consumers::settled_work_is_gone_and_refused_work_is_set_aside,
    consumers::refused_work_can_be_resent_or_discarded,
    consumers::how_long_attempts_may_land_outlives_a_restart_and_never_gets_shorter,
    consumers::the_time_in_which_attempts_may_land_passes,
    consumers::parked_roots_are_listed_until_they_are_taken_back,
    consumers::consumers_do_not_see_each_other,
    entries::events_and_steps_of_an_entry_are_written_together,
    entries::an_entry_whose_proposal_is_refused_leaves_its_steps_unwritten,
    entries::an_entry_whose_command_is_known_writes_its_steps,
    entries::a_fenced_entry_writes_nothing_and_hinders_no_other,
    entries::steps_of_a_batch_are_written_in_the_order_of_its_entries,
    entries::an_entry_that_cannot_be_kept_hinders_no_other,
    leases::a_lease_is_held_by_one_until_it_is_released,
    leases::a_lapsed_lease_is_granted_to_another_and_its_holder_is_fenced,
    leases::after_a_restart_only_what_nobody_else_can_hold_is_granted_under_a_higher_epoch,
];

fn domain(name: &str) -> Domain {
    Domain::parse(name).expect("the name is valid")
}

fn stream(name: &str, root: u8) -> StreamId {
    StreamId {
        domain: domain(name),
        edition: Edition::Main,
        root: Root::from_bytes(&[root; 16]).expect("16 bytes"),
    }
}

fn event(value: u8) -> NewEvent {
    NewEvent {
        payload: Payload {
            type_url: "type.googleapis.com/till.v1.Rung".into(),
            value: vec![value; 3].into(),
        },
        created_at: Timestamp {
            seconds: 1_700_000_000,
            nanos: 42,
        },
        external: None,
    }
}

fn key(id: &str, hash: u8) -> CommandKey {
    CommandKey {
        id: CommandId::parse(id).expect("the id is valid"),
        hash: PayloadHash([hash; 32]),
    }
}

/// Proposes so many events of one command at the end of a stream.
fn propose(to: StreamId, id: &str, events: u8) -> Proposal {
    Proposal {
        deadline: None,
        id: AppendId::random(),
        stream: to,
        expected: None,
        key: Some(key(id, 1)),
        correlation_id: CorrelationId::parse("a-workflow").expect("the id is valid"),
        trace_parent: Some("00-trace".into()),
        events: (0..events).map(event).collect(),
        snapshot: None,
    }
}

/// Proposes like [`propose`] where the stream must have a length.
fn propose_at(to: StreamId, id: &str, events: u8, expected: u32) -> Proposal {
    Proposal {
        expected: Some(Sequence(expected)),
        ..propose(to, id, events)
    }
}

/// Appends one proposal that must be recorded.
async fn record(store: &Store, proposal: Proposal) -> Append {
    recorded(append(store, proposal).await)
}

/// Writes one proposal alone.
async fn append(store: &Store, proposal: Proposal) -> Outcome {
    write(store, vec![Entry::Proposal(proposal)])
        .await
        .remove(0)
}

/// Writes proposals in one batch.
async fn append_all(store: &Store, batch: Vec<Proposal>) -> Vec<Outcome> {
    write(store, batch.into_iter().map(Entry::Proposal).collect()).await
}

/// Writes a batch that the store must take.
async fn write(store: &Store, batch: Vec<Entry>) -> Vec<Outcome> {
    let count = batch.len();
    let outcomes = store.writer.write(batch).await;
    let outcomes = outcomes.expect("the store takes writes");
    assert_eq!(outcomes.len(), count, "each entry has an outcome");
    outcomes
}

fn recorded(outcome: Outcome) -> Append {
    match outcome {
        Outcome::Appended { append, .. } => append,
        refused => unreachable!("a valid proposal was refused: {refused:?}"),
    }
}
