//! Writing a batch of entries within a transaction.

use angzarr_coordinator::port::writer::{ConsumerSteps, Entry, Outcome};
use rusqlite::Connection;

use super::append::{Partitions, append};
use super::error::Fault;
use super::progress;
use super::statement::find;
use crate::stored::{column, read_value};

/// Judges and records each entry, in order; each sees those before it. What is refused is noticed before anything of its entry is written.
pub(super) fn write(conn: &Connection, batch: &[Entry]) -> Result<Vec<Outcome>, Fault> {
    let mut partitions = Partitions::default();
    let mut outcomes = Vec::with_capacity(batch.len());
    for entry in batch {
        outcomes.push(write_one(conn, &mut partitions, entry)?);
    }
    Ok(outcomes)
}

fn write_one(
    conn: &Connection,
    partitions: &mut Partitions,
    entry: &Entry,
) -> Result<Outcome, Fault> {
    if let Some(steps) = entry.steps()
        && !is_current(conn, steps)?
    {
        let name = steps.consumer.to_string();
        return Ok(Outcome::Fenced { name });
    }
    let outcome = match entry.proposal() {
        Some(proposal) => append(conn, partitions, proposal)?,
        None => Outcome::Stepped,
    };
    if let Some(steps) = entry.steps().filter(|_| !outcome.is_refused()) {
        progress::step(conn, &steps.consumer, &steps.steps)?;
    }
    Ok(outcome)
}

fn is_current(conn: &Connection, steps: &ConsumerSteps) -> Result<bool, Fault> {
    const EPOCH: &str = "SELECT epoch FROM leases WHERE name = ?";
    let current: Option<i64> = find(conn, EPOCH, [steps.consumer.to_string()], read_value)?;
    Ok(current == Some(column(steps.epoch)))
}
