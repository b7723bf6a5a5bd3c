//! How far consumers got.

use angzarr_coordinator::model::{ConsumerId, Cursor, Domain, Sequence, Status, StreamId};
use angzarr_coordinator::port::progress::{
    Outgoing, OutgoingId, Parked, RootProgress, SourceProgress, Step,
};
use angzarr_coordinator::port::store::Error;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::error::Fault;
use super::pool::{Asked, Operation, Pool};
use super::row;
use crate::stored::{Corrupt, StoredWork, column, edition_column, encode_work};

/// Stores where a consumer starts, unless it is stored, and answers what is stored.
pub(super) async fn open_source(
    pool: &Pool,
    consumer: &ConsumerId,
    domain: &Domain,
    start: Cursor,
) -> Result<SourceProgress, Error> {
    const OPEN: &str = "WITH made AS (
            INSERT INTO consumers (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id
        )
        INSERT INTO sources (consumer_id, domain, start_position, start_append_id, start_store_id, start_incarnation,
            position, append_id, store_id, incarnation)
        SELECT id, $2, $3, $4, $5, $6, $3, $4, $5, $6 FROM made ON CONFLICT DO NOTHING";
    let name = consumer.to_string();
    let opened = pool.fetch(Operation::Other, |_| {
        sqlx::query(OPEN)
            .bind(&name)
            .bind(domain.as_str())
            .bind(column(start.position.0))
            .bind(start.append_id.map(|append| append.0))
            .bind(start.identity.store_id.0)
            .bind(start.identity.incarnation.0)
    });
    opened.await?;
    let missing = || Error::Corrupt("source: it is missing after it was stored".to_owned());
    read_source(pool, consumer, domain)
        .await?
        .ok_or_else(missing)
}

/// Reads how far a consumer got in a source.
pub(super) async fn read_source(
    pool: &Pool,
    consumer: &ConsumerId,
    domain: &Domain,
) -> Result<Option<SourceProgress>, Error> {
    const SOURCE: &str = "SELECT s.start_position, s.start_append_id, s.start_store_id, s.start_incarnation,
            s.position, s.append_id, s.store_id, s.incarnation
        FROM sources s JOIN consumers c ON c.id = s.consumer_id WHERE c.name = $1 AND s.domain = $2";
    let name = consumer.to_string();
    let rows = pool.fetch(Operation::Other, |_| {
        sqlx::query(SOURCE).bind(&name).bind(domain.as_str())
    });
    let read = |found: &PgRow| {
        Ok(SourceProgress {
            start: row::read_cursor(found, 0)?,
            cursor: row::read_cursor(found, 4)?,
        })
    };
    let rows = rows.await?;
    rows.first()
        .map(read)
        .transpose()
        .map_err(Fault::into_error)
}

/// Reads how far a consumer got in streams.
pub(super) async fn read_roots(
    pool: &Pool,
    consumer: &ConsumerId,
    streams: &[StreamId],
) -> Result<Vec<RootProgress>, Error> {
    const ROOTS: &str = "SELECT r.next_sequence, r.parked_sequence, r.parked_attempts, r.parked_code, r.parked_message, r.parked_details
        FROM unnest($2::text[], $3::text[], $4::uuid[]) WITH ORDINALITY q(domain, edition, root, ordinal)
        LEFT JOIN consumers c ON c.name = $1
        LEFT JOIN roots r ON r.consumer_id = c.id AND r.domain = q.domain AND r.edition = q.edition AND r.root = q.root
        ORDER BY q.ordinal";
    let name = consumer.to_string();
    let domains: Vec<_> = streams.iter().map(|it| it.domain.as_str()).collect();
    let editions: Vec<_> = streams
        .iter()
        .map(|it| edition_column(&it.edition))
        .collect();
    let roots: Vec<_> = streams
        .iter()
        .map(|it| row::root_column(&it.root))
        .collect();
    let rows = pool.fetch(Operation::Other, |_| {
        sqlx::query(ROOTS)
            .bind(&name)
            .bind(&domains)
            .bind(&editions)
            .bind(&roots)
    });
    let rows = rows.await?;
    let progress = rows.iter().map(|found| {
        let next: Option<i64> = found.try_get(0)?;
        Ok(RootProgress {
            next_sequence: next.map(row::read_sequence).transpose()?,
            parked: read_parked(found, 1)?,
        })
    });
    progress
        .collect::<Result<_, _>>()
        .map_err(Fault::into_error)
}

/// Reads why a root is set aside from the columns sequence, attempts, code, message and details, beginning at `at`.
pub(super) fn read_parked(found: &PgRow, at: usize) -> Result<Option<Parked>, Fault> {
    let Some(sequence) = found.try_get(at)? else {
        return Ok(None);
    };
    let error = row::read_status(found, at + 2)?
        .ok_or_else(|| Corrupt::new("parked root", "its error is missing"))?;
    let attempts: i64 = found.try_get(at + 1)?;
    Ok(Some(Parked {
        sequence: row::read_sequence(sequence)?,
        attempts: u32::try_from(attempts).map_err(|e| Corrupt::new("attempts", e))?,
        error,
    }))
}

/// Records steps, if the epoch is the current one.
pub(super) async fn commit(
    pool: &Pool,
    consumer: &ConsumerId,
    epoch: u64,
    steps: &[Step],
) -> Result<(), Error> {
    let name = consumer.to_string();
    let mut arrays = Arrays::default();
    for step in steps {
        arrays.push(step);
    }
    let rows = pool.fetch(Operation::Other, |_| arrays.ask(&name, epoch));
    let rows = rows.await?;
    let is_current = rows.first().map(|found| found.try_get(0)).transpose();
    match is_current.map_err(|error| Fault::from(error).into_error())? {
        Some(true) => Ok(()),
        Some(false) | None => Err(Error::Fenced { name }),
    }
}

/// The arguments of `commit_v1`: one line for each step, and one for each piece of outgoing work.
#[derive(Default)]
struct Arrays<'a> {
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

impl<'a> Arrays<'a> {
    fn push(&mut self, step: &'a Step) {
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
        let work = work.unwrap_or(StoredWork {
            command: None,
            facts: None,
            trace_parent: None,
        });
        self.kinds.push(kind);
        self.domains.push(domain.map(Domain::as_str));
        self.editions
            .push(stream.map(|stream| edition_column(&stream.edition)));
        self.roots
            .push(stream.map(|stream| row::root_column(&stream.root)));
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

    fn ask<'q>(&'q self, name: &'q str, epoch: u64) -> Asked<'q> {
        const COMMIT: &str = "SELECT commit_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
        sqlx::query(COMMIT)
            .bind(name)
            .bind(column(epoch))
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
