//! Writing a batch of entries by one statement.
//!
//! The function `write_v3` of the schema judges; here its arrays are filled and its answers read.
//!
//! # Design
//! A deadline travels as the time that is left and as a moment of the server's clock, whichever is earlier: a statement that was held up on its way
//! begins late, and a clock can be set back. When it was set forward, deadlines to come seem to have passed; it is then read again.

use std::sync::atomic::{AtomicBool, Ordering};

use angzarr_coordinator::port::store::Error;
use angzarr_coordinator::port::writer::{Entry, Outcome};
use sqlx::postgres::PgRow;

use super::append::{Proposals, fenced, unasked};
use super::pool::{Operation, Pool};
use super::steps::Groups;
use crate::stored::Corrupt;

/// An entry with the number of its proposal's domain, if it has a proposal.
pub(super) type Placed<'a> = (&'a Entry, Option<i32>);

/// Judges and records each entry, in order; each sees those before it. If the server cannot keep a value of the batch, its halves are written apart,
/// down to the entry that holds the value.
pub(super) async fn write(pool: &Pool, batch: &[Placed<'_>]) -> Result<Vec<Outcome>, Error> {
    let mut outcomes = Vec::with_capacity(batch.len());
    let mut parts = vec![batch];
    while let Some(part) = parts.pop() {
        match write_part(pool, part).await {
            Ok(written) => outcomes.extend(written),
            Err(Error::Unstorable(_)) if part.len() > 1 => {
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([second, first]);
            }
            Err(Error::Unstorable(reason)) => outcomes.push(Outcome::Unstorable { reason }),
            // A part before may have been written.
            Err(Error::Full(cause)) if !outcomes.is_empty() => {
                return Err(Error::Unavailable(cause));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(outcomes)
}

/// The arguments of `write_v3`, and how they belong to the entries.
#[derive(Default)]
struct Arguments<'a> {
    proposals: Proposals<'a>,
    groups: Groups<'a>,
    /// The place of each entry's group, from 1.
    group_of: Vec<Option<i32>>,
}

impl<'a> Arguments<'a> {
    fn fill(part: &[Placed<'a>]) -> Self {
        let mut arguments = Self::default();
        for (entry, partition) in part {
            let group = entry.steps().map(|steps| arguments.groups.push(steps));
            arguments.group_of.push(group);
            if let (Some(proposal), Some(partition)) = (entry.proposal(), partition) {
                arguments.proposals.push(proposal, *partition, group);
            }
        }
        arguments
    }

    fn read(
        &self,
        part: &[Placed<'_>],
        rows: &[PgRow],
        is_repeat: bool,
    ) -> Result<Vec<Outcome>, Corrupt> {
        let fenced = fenced(rows)?;
        let mut proposed = self.proposals.read(rows, is_repeat)?.into_iter();
        let mut outcomes = Vec::with_capacity(part.len());
        for ((entry, _), group) in part.iter().zip(&self.group_of) {
            let proposed = entry.proposal().and_then(|_| proposed.next());
            let lost = group.filter(|group| fenced.contains(group));
            outcomes.push(match (lost, entry.steps(), proposed) {
                (Some(_), Some(steps), _) => Outcome::Fenced {
                    name: steps.consumer.to_string(),
                },
                (_, _, Some(outcome)) => outcome.ok_or_else(unasked)?,
                (_, _, None) => Outcome::Stepped,
            });
        }
        Ok(outcomes)
    }
}

async fn write_part(pool: &Pool, part: &[Placed<'_>]) -> Result<Vec<Outcome>, Error> {
    const WRITE: &str = "SELECT * FROM write_v3($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, ARRAY(SELECT least(q.left_micros, q.until - (extract(epoch FROM statement_timestamp()) * 1000000)::bigint) FROM unnest($33::bigint[], $56::bigint[]) WITH ORDINALITY q(left_micros, until, no) ORDER BY q.no), $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51, $52, $53, $54, $55)";
    let arguments = Arguments::fill(part);
    let (sent_before, mut clock_was_read) = (AtomicBool::new(false), false);
    loop {
        let clock = pool.clock();
        let asking = pool.fetch(Operation::Write, |sent| {
            let is_repeat = sent > 0 || clock_was_read;
            sent_before.store(is_repeat, Ordering::Relaxed);
            let asked = arguments.proposals.bind(sqlx::query(WRITE), is_repeat);
            let asked = arguments.groups.bind(asked);
            asked.bind(arguments.proposals.deadlines(clock))
        });
        let rows = asking.await?;
        let outcomes = arguments.read(part, &rows, sent_before.load(Ordering::Relaxed))?;
        if clock_was_read || !is_early(part, &outcomes) {
            return Ok(outcomes);
        }
        // The server's clock was set since it was read.
        pool.read_clock().await?;
        clock_was_read = true;
    }
}

/// Whether a deadline that is still to come was judged to have passed.
fn is_early(part: &[Placed<'_>], outcomes: &[Outcome]) -> bool {
    let mut judged = part.iter().zip(outcomes);
    judged.any(|((entry, _), outcome)| {
        *outcome == Outcome::Late && entry.proposal().is_some_and(|proposal| !proposal.is_late())
    })
}
