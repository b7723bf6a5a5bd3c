//! The steps of a batch as arguments of `write_v3`: one line for each step, and one for each piece of outgoing work.

use std::collections::HashMap;
use std::time::Duration;

use angzarr_coordinator::model::{ConsumerId, Cursor, Domain, Sequence, Status, StreamId};
use angzarr_coordinator::port::progress::{OutgoingId, Step};
use angzarr_coordinator::port::writer::ConsumerSteps;

use super::append::count;
use super::pool::{Asked, each};
use crate::stored::{StoredWork, column, edition_column, encode_work};

/// Groups of steps, and the lines of all. Numbers of places count from 1.
#[derive(Default)]
pub(super) struct Groups<'a> {
    names: Vec<String>,
    epochs: Vec<i64>,
    consumers: Vec<i32>,
    first_of: HashMap<&'a ConsumerId, i32>,
    lines: Vec<Line<'a>>,
}

#[derive(Default)]
struct Line<'a> {
    group: i32,
    kind: i16,
    stream: Option<&'a StreamId>,
    domain: Option<&'a Domain>,
    sequence: Option<Sequence>,
    attempts: Option<u32>,
    status: Option<&'a Status>,
    cursor: Option<&'a Cursor>,
    id: Option<&'a OutgoingId>,
    may_land_within: Option<Duration>,
    work: StoredWork,
}

impl<'a> Groups<'a> {
    /// Adds the steps of an entry and returns the place of their group.
    pub(super) fn push(&mut self, steps: &'a ConsumerSteps) -> i32 {
        let own = count(&self.names) + 1;
        let first = *self.first_of.entry(&steps.consumer).or_insert(own);
        self.consumers.push(first);
        self.names.push(steps.consumer.to_string());
        self.epochs.push(column(steps.epoch));
        for step in &steps.steps {
            self.push_step(own, step);
        }
        own
    }

    fn push_step(&mut self, group: i32, step: &'a Step) {
        let line = |kind| Line {
            group,
            kind,
            ..Line::default()
        };
        let of_stream = |kind, stream: &'a StreamId| Line {
            stream: Some(stream),
            domain: Some(&stream.domain),
            ..line(kind)
        };
        let of_work = |kind, id| Line {
            id: Some(id),
            ..line(kind)
        };
        self.lines.push(match step {
            Step::Advance { stream, next, .. } => Line {
                sequence: Some(*next),
                ..of_stream(1, stream)
            },
            Step::MoveCursor { domain, cursor } => Line {
                domain: Some(domain),
                cursor: Some(cursor),
                ..line(3)
            },
            Step::Park { stream, parked } => Line {
                sequence: Some(parked.sequence),
                attempts: Some(parked.attempts),
                status: Some(&parked.error),
                ..of_stream(4, stream)
            },
            Step::Unpark { stream } => of_stream(5, stream),
            Step::Attempt {
                id,
                may_land_within,
            } => Line {
                may_land_within: Some(*may_land_within),
                ..of_work(10, id)
            },
            Step::Settle { id, refusal } => Line {
                status: refusal.as_ref(),
                ..of_work(if refusal.is_none() { 6 } else { 7 }, id)
            },
            Step::Resend { id } => of_work(8, id),
            Step::Discard { id } => of_work(9, id),
        });
        if let Step::Advance {
            outgoing,
            may_land_within,
            ..
        } = step
        {
            self.lines.extend(outgoing.iter().map(|outgoing| Line {
                id: Some(&outgoing.id),
                may_land_within: Some(*may_land_within),
                work: encode_work(&outgoing.work),
                ..of_stream(2, &outgoing.trigger)
            }));
        }
    }

    /// Binds the arrays, which come last in the arguments.
    pub(super) fn bind<'q>(&'q self, asked: Asked<'q>) -> Asked<'q> {
        let lines = &self.lines;
        asked
            .bind(&self.names)
            .bind(&self.epochs)
            .bind(&self.consumers)
            .bind(each(lines, |line| line.group))
            .bind(each(lines, |line| line.kind))
            .bind(each(lines, |line| Some(line.domain?.as_str())))
            .bind(each(lines, |it| Some(edition_column(&it.stream?.edition))))
            .bind(each(lines, |line| Some(line.stream?.root.0)))
            .bind(each(lines, |line| Some(i64::from(line.sequence?.0))))
            .bind(each(lines, |line| line.attempts.map(i64::from)))
            .bind(each(lines, |line| Some(line.status?.code as i32)))
            .bind(each(lines, |line| Some(line.status?.message.as_str())))
            .bind(each(lines, |line| Some(&line.status?.details[..])))
            .bind(each(lines, |line| Some(column(line.cursor?.position.0))))
            .bind(each(lines, |line| Some(line.cursor?.append_id?.0)))
            .bind(each(lines, |it| Some(it.cursor?.identity.store_id.0)))
            .bind(each(lines, |it| Some(it.cursor?.identity.incarnation.0)))
            .bind(each(lines, |line| Some(line.id?.0.as_str())))
            .bind(each(lines, |line| line.work.command.as_deref()))
            .bind(each(lines, |line| line.work.facts.as_deref()))
            .bind(each(lines, |line| line.work.trace_parent.as_deref()))
            .bind(each(lines, |it| {
                Some(column(it.may_land_within?.as_micros()))
            }))
    }
}
