//! The steps of a batch as arguments of `write_v2`: one line for each step, and one for each piece of outgoing work.

use std::collections::HashMap;

use angzarr_coordinator::model::{ConsumerId, Cursor, Domain, Sequence, Status, StreamId};
use angzarr_coordinator::port::progress::{Outgoing, OutgoingId, Step};
use angzarr_coordinator::port::writer::ConsumerSteps;
use uuid::Uuid;

use super::append::place;
use super::pool::Asked;
use crate::stored::{StoredWork, column, edition_column, encode_work};

/// Groups of steps, and all their lines side by side. Numbers of places count from 1.
#[derive(Default)]
pub(super) struct Groups<'a> {
    names: Vec<String>,
    epochs: Vec<i64>,
    consumers: Vec<i32>,
    first_of: HashMap<&'a ConsumerId, i32>,
    group_of: Vec<i32>,
    kinds: Vec<i16>,
    domains: Vec<Option<&'a str>>,
    editions: Vec<Option<&'a str>>,
    roots: Vec<Option<Uuid>>,
    sequences: Vec<Option<i64>>,
    attempts: Vec<Option<i64>>,
    codes: Vec<Option<i32>>,
    messages: Vec<Option<&'a str>>,
    details: Vec<Option<&'a [u8]>>,
    positions: Vec<Option<i64>>,
    append_ids: Vec<Option<Uuid>>,
    store_ids: Vec<Option<Uuid>>,
    incarnations: Vec<Option<Uuid>>,
    outgoing_ids: Vec<Option<&'a str>>,
    commands: Vec<Option<Vec<u8>>>,
    facts: Vec<Option<Vec<u8>>>,
    trace_parents: Vec<Option<String>>,
}

/// One line of the arrays.
#[derive(Default)]
struct Line<'a> {
    stream: Option<&'a StreamId>,
    domain: Option<&'a Domain>,
    sequence: Option<Sequence>,
    attempts: Option<u32>,
    status: Option<&'a Status>,
    cursor: Option<&'a Cursor>,
    id: Option<&'a OutgoingId>,
    work: Option<StoredWork>,
}

impl<'a> Groups<'a> {
    /// Adds the steps of an entry and returns the place of their group.
    pub(super) fn push(&mut self, steps: &'a ConsumerSteps) -> i32 {
        let own = place(&self.names);
        let first = *self.first_of.entry(&steps.consumer).or_insert(own);
        self.consumers.push(first);
        self.names.push(steps.consumer.to_string());
        self.epochs.push(column(steps.epoch));
        steps.steps.iter().for_each(|step| self.push_step(step));
        own
    }

    fn push_step(&mut self, step: &'a Step) {
        let of_stream = |stream| Line {
            stream: Some(stream),
            ..Line::default()
        };
        let of_work = |id| Line {
            id: Some(id),
            ..Line::default()
        };
        match step {
            Step::Advance {
                stream,
                next,
                outgoing,
            } => {
                let line = of_stream(stream);
                self.line(
                    1,
                    Line {
                        sequence: Some(*next),
                        ..line
                    },
                );
                outgoing.iter().for_each(|outgoing| self.queue(outgoing));
            }
            Step::MoveCursor { domain, cursor } => self.line(
                3,
                Line {
                    domain: Some(domain),
                    cursor: Some(cursor),
                    ..Line::default()
                },
            ),
            Step::Park { stream, parked } => self.line(
                4,
                Line {
                    sequence: Some(parked.sequence),
                    attempts: Some(parked.attempts),
                    status: Some(&parked.error),
                    ..of_stream(stream)
                },
            ),
            Step::Unpark { stream } => self.line(5, of_stream(stream)),
            Step::Settle { id, refusal: None } => self.line(6, of_work(id)),
            Step::Settle {
                id,
                refusal: Some(status),
            } => self.line(
                7,
                Line {
                    status: Some(status),
                    ..of_work(id)
                },
            ),
            Step::Resend { id } => self.line(8, of_work(id)),
            Step::Discard { id } => self.line(9, of_work(id)),
        }
    }

    fn queue(&mut self, outgoing: &'a Outgoing) {
        self.line(
            2,
            Line {
                stream: Some(&outgoing.trigger),
                id: Some(&outgoing.id),
                work: Some(encode_work(&outgoing.work)),
                ..Line::default()
            },
        );
    }

    fn line(&mut self, kind: i16, line: Line<'a>) {
        let Line {
            stream,
            domain,
            sequence,
            attempts,
            status,
            cursor,
            id,
            work,
        } = line;
        let domain = domain.or(stream.map(|stream| &stream.domain));
        let identity = cursor.map(|cursor| cursor.identity);
        let work = work.unwrap_or_default();
        self.group_of.push(place(&self.names) - 1);
        self.kinds.push(kind);
        self.domains.push(domain.map(Domain::as_str));
        self.editions
            .push(stream.map(|stream| edition_column(&stream.edition)));
        self.roots.push(stream.map(|stream| stream.root.0));
        self.sequences
            .push(sequence.map(|sequence| i64::from(sequence.0)));
        self.attempts.push(attempts.map(i64::from));
        self.codes.push(status.map(|status| status.code as i32));
        self.messages
            .push(status.map(|status| status.message.as_str()));
        self.details.push(status.map(|status| &status.details[..]));
        self.positions
            .push(cursor.map(|cursor| column(cursor.position.0)));
        self.append_ids
            .push(cursor.and_then(|cursor| cursor.append_id).map(|id| id.0));
        self.store_ids
            .push(identity.map(|identity| identity.store_id.0));
        self.incarnations
            .push(identity.map(|identity| identity.incarnation.0));
        self.outgoing_ids.push(id.map(|id| id.0.as_str()));
        self.commands.push(work.command);
        self.facts.push(work.facts);
        self.trace_parents.push(work.trace_parent);
    }

    /// Binds the arrays, which come last in the arguments.
    pub(super) fn bind<'q>(&'q self, asked: Asked<'q>) -> Asked<'q> {
        asked
            .bind(&self.names)
            .bind(&self.epochs)
            .bind(&self.consumers)
            .bind(&self.group_of)
            .bind(&self.kinds)
            .bind(&self.domains)
            .bind(&self.editions)
            .bind(&self.roots)
            .bind(&self.sequences)
            .bind(&self.attempts)
            .bind(&self.codes)
            .bind(&self.messages)
            .bind(&self.details)
            .bind(&self.positions)
            .bind(&self.append_ids)
            .bind(&self.store_ids)
            .bind(&self.incarnations)
            .bind(&self.outgoing_ids)
            .bind(&self.commands)
            .bind(&self.facts)
            .bind(&self.trace_parents)
    }
}
