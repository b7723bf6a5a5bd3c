//! Reading the log, each function by one statement, which is one read snapshot.

use angzarr_coordinator::model::{
    Append, AppendId, CorrelationId, Domain, Position, Root, RootHead, Sequence, Snapshot,
    SnapshotVersion, StreamId, Timestamp,
};
use angzarr_coordinator::model::{CommandId, Payload};
use angzarr_coordinator::port::catalog::CORRELATED_APPENDS;
use angzarr_coordinator::port::log::{Load, Loaded, PartitionPage, PartitionRead, StreamRead};
use angzarr_coordinator::port::store::Error;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::error::Fault;
use super::pool::{Operation, Pool};
use super::row::{self, append_columns};
use crate::stored::{Corrupt, column, edition_column, row_limit, unsigned};

/// The columns before those of an append in what a load answers.
const BEFORE_APPEND: usize = 8;

/// Reads what commands need, each with the number of its domain, if it has one. A failure of the server is that of all.
pub(super) async fn load(
    pool: &Pool,
    batch: Vec<(Load, Option<i32>)>,
) -> Vec<Result<Loaded, Error>> {
    let (batch, partitions): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    match load_all(pool, &batch, &partitions).await {
        Ok(loaded) => loaded,
        Err(error) => batch.iter().map(|_| Err(error.clone())).collect(),
    }
}

async fn load_all(
    pool: &Pool,
    batch: &[Load],
    partitions: &[Option<i32>],
) -> Result<Vec<Result<Loaded, Error>>, Error> {
    let text = |of: fn(&Load) -> Option<&str>| batch.iter().map(of).collect::<Vec<_>>();
    let number = |of: fn(&Load) -> Option<i64>| batch.iter().map(of).collect::<Vec<_>>();
    let editions = text(|load| Some(edition_column(&load.stream.edition)));
    let commands = text(|load| load.key.as_ref().map(|key| key.id.as_str()));
    let roots: Vec<_> = batch
        .iter()
        .map(|load| row::root_column(&load.stream.root))
        .collect();
    let hashes: Vec<_> = batch
        .iter()
        .map(|load| load.key.as_ref().map(|key| &key.hash.0[..]))
        .collect();
    let versions = number(|load| load.snapshot_version.map(|version| i64::from(version.0)));
    let throughs = number(|load| load.through.map(|through| i64::from(through.0)));
    let limits = number(|load| Some(row_limit(load.limit)));
    let expected = number(|load| load.expected.map(|expected| i64::from(expected.0)));
    let rows = pool.fetch(Operation::Load, |_| {
        sqlx::query(include_str!("load.sql"))
            .bind(partitions)
            .bind(&editions)
            .bind(&roots)
            .bind(&commands)
            .bind(&hashes)
            .bind(&versions)
            .bind(&throughs)
            .bind(&limits)
            .bind(&expected)
    });
    collect(batch, &rows.await?).map_err(Fault::into_error)
}

/// What was read for one command so far.
struct Reading<'a> {
    asked: &'a Load,
    answer: Option<Loaded>,
    fault: Option<Fault>,
    size: usize,
}

/// Puts the rows of each load together; one that cannot be read fails its own load only.
fn collect(batch: &[Load], rows: &[PgRow]) -> Result<Vec<Result<Loaded, Error>>, Fault> {
    let mut readings: Vec<_> = batch
        .iter()
        .map(|asked| Reading {
            asked,
            answer: None,
            fault: None,
            size: 0,
        })
        .collect();
    for found in rows {
        let ordinal: i32 = found.try_get(0)?;
        let reading = usize::try_from(ordinal - 1)
            .ok()
            .and_then(|at| readings.get_mut(at))
            .ok_or_else(|| Corrupt::new("load", "an answer that was not asked for"))?;
        let read = match found.try_get(2)? {
            Some(next) => reading.begin(found, next),
            None => reading.extend(found),
        };
        reading.fault = reading.fault.take().or(read.err());
    }
    let loaded = readings.into_iter().map(|reading| {
        let missing = || Fault::from(Corrupt::new("load", "an answer is missing"));
        let loaded = reading
            .fault
            .map_or_else(|| reading.answer.ok_or_else(missing), Err);
        loaded.map_err(Fault::into_error)
    });
    Ok(loaded.collect())
}

impl Reading<'_> {
    /// Reads the row of the command; it comes before those of the history.
    fn begin(&mut self, found: &PgRow, next: i64) -> Result<(), Fault> {
        let outcome: Option<i16> = found.try_get(1)?;
        let command = |found: &PgRow| -> Result<CommandId, Fault> {
            let text: &str = found.try_get(BEFORE_APPEND + 4)?;
            Ok(CommandId::parse(text).map_err(|e| Corrupt::new("command id", e))?)
        };
        let answer = match outcome {
            Some(KNOWN) => {
                Loaded::Known(row::read_append(&self.asked.stream, found, BEFORE_APPEND)?)
            }
            Some(_) => Loaded::KeyReused(command(found)?),
            None if self
                .asked
                .expected
                .is_some_and(|it| i64::from(it.0) != next) =>
            {
                let actual = row::read_sequence(next)?;
                Loaded::Conflict { actual }
            }
            None => {
                let snapshot = read_snapshot(found, self.asked.snapshot_version)?;
                self.size = snapshot
                    .as_ref()
                    .map_or(0, |snapshot| snapshot.state.size());
                Loaded::History {
                    snapshot,
                    events: Vec::new(),
                    next_sequence: row::read_sequence(next)?,
                }
            }
        };
        self.answer = Some(answer);
        self.bound();
        Ok(())
    }

    /// Reads one append of the history.
    fn extend(&mut self, found: &PgRow) -> Result<(), Fault> {
        let Some(Loaded::History {
            snapshot, events, ..
        }) = &mut self.answer
        else {
            return Ok(());
        };
        let from = snapshot
            .as_ref()
            .map_or(Sequence::FIRST, |snapshot| snapshot.sequence.plus(1));
        let through = self.asked.through;
        let append = row::read_append(&self.asked.stream, found, BEFORE_APPEND)?;
        for event in append.events {
            let is_wanted =
                event.sequence >= from && through.is_none_or(|through| event.sequence <= through);
            if is_wanted {
                self.size += event.size();
                events.push(event);
            }
        }
        self.bound();
        Ok(())
    }

    fn bound(&mut self) {
        if self.size > self.asked.limit {
            self.answer = Some(Loaded::TooLarge);
        }
    }
}

/// What the database says of a command id that was used before with the same payload.
pub(super) const KNOWN: i16 = 2;

fn read_snapshot(
    found: &PgRow,
    version: Option<SnapshotVersion>,
) -> Result<Option<Snapshot>, Fault> {
    let (Some(sequence), Some(version)) = (found.try_get(3)?, version) else {
        return Ok(None);
    };
    let state: Vec<u8> = found.try_get(7)?;
    Ok(Some(Snapshot {
        sequence: row::read_sequence(sequence)?,
        version,
        created_at: Timestamp {
            seconds: found.try_get(4)?,
            nanos: found.try_get(5)?,
        },
        state: Payload {
            type_url: found.try_get(6)?,
            value: state.into(),
        },
    }))
}

/// Reads whole appends of a stream.
pub(super) async fn read_stream(
    pool: &Pool,
    partition: i32,
    read: &StreamRead,
) -> Result<Vec<Append>, Error> {
    const FROM_SEQUENCE: &str = concat!(
        "SELECT ",
        append_columns!(),
        " FROM stream_v1($1, $2, $3, $4, 4294967295, $5, 0, $6) a"
    );
    let rows = pool.fetch(Operation::Other, |_| {
        sqlx::query(FROM_SEQUENCE)
            .bind(partition)
            .bind(edition_column(&read.stream.edition))
            .bind(row::root_column(&read.stream.root))
            .bind(i64::from(read.from.0))
            .bind(column(read.after.0))
            .bind(row_limit(read.limit))
    });
    let rows = rows.await?;
    let appends = rows
        .iter()
        .map(|found| row::read_append(&read.stream, found, 0));
    appends.collect::<Result<_, _>>().map_err(Fault::into_error)
}

/// Reads whole appends of a partition.
pub(super) async fn read_partition(
    pool: &Pool,
    partition: i32,
    read: &PartitionRead,
) -> Result<PartitionPage, Error> {
    const AFTER_POSITION: &str = concat!(
        "SELECT h.last_position, h.append_id, p.append_id, NULL::text, NULL::uuid,
             NULL::bigint, NULL::bigint, NULL::uuid, NULL::text, NULL::text, NULL::text, NULL::bytea
         FROM (VALUES ($1::integer)) v(id)
         LEFT JOIN LATERAL (
             SELECT last_position, append_id FROM appends WHERE partition_id = v.id ORDER BY last_position DESC LIMIT 1
         ) h ON true
         LEFT JOIN appends p ON p.partition_id = v.id AND p.last_position = $2
         UNION ALL
         SELECT NULL, NULL, NULL, a.edition, a.root, ",
        append_columns!(),
        " FROM partition_v1($1, $2, $3) a WHERE $3 > 0"
    );
    let rows = pool.fetch(Operation::Other, |_| {
        sqlx::query(AFTER_POSITION)
            .bind(partition)
            .bind(column(read.after.0))
            .bind(row_limit(read.limit))
    });
    read_page(&read.domain, &rows.await?).map_err(Fault::into_error)
}

fn read_page(domain: &Domain, rows: &[PgRow]) -> Result<PartitionPage, Fault> {
    let mut page = EMPTY_PAGE;
    for found in rows {
        if found.try_get::<Option<&str>, _>(3)?.is_some() {
            let stream = row::read_stream_id(domain, found, 3)?;
            page.appends.push(row::read_append(&stream, found, 5)?);
            continue;
        }
        let head: Option<i64> = found.try_get(0)?;
        page.head = head.map_or(Position::ORIGIN, |head| Position(unsigned(head)));
        page.head_append = found.try_get::<Option<Uuid>, _>(1)?.map(AppendId);
        page.previous = found.try_get::<Option<Uuid>, _>(2)?.map(AppendId);
    }
    Ok(page)
}

/// A partition without any append.
pub(super) const EMPTY_PAGE: PartitionPage = PartitionPage {
    previous: None,
    appends: Vec::new(),
    head: Position::ORIGIN,
    head_append: None,
};

/// Lists roots of the main timeline that have events. The index is walked from root to root.
pub(super) async fn list_roots(
    pool: &Pool,
    partition: i32,
    after: Option<Root>,
    limit: usize,
) -> Result<Vec<RootHead>, Error> {
    const ROOTS: &str = "WITH RECURSIVE heads AS (
             (SELECT a.root FROM appends a
              WHERE a.partition_id = $1 AND a.edition = '' AND a.root >= $2 AND (a.root > $2 OR $3)
              ORDER BY a.root LIMIT 1)
             UNION ALL
             SELECT (SELECT a.root FROM appends a WHERE a.partition_id = $1 AND a.edition = '' AND a.root > h.root ORDER BY a.root LIMIT 1)
             FROM heads h WHERE h.root IS NOT NULL
         )
         SELECT h.root, (
             SELECT a.first_sequence + a.event_count FROM appends a
             WHERE a.partition_id = $1 AND a.edition = '' AND a.root = h.root ORDER BY a.first_sequence DESC LIMIT 1
         ) FROM heads h WHERE h.root IS NOT NULL LIMIT $4";
    let rows = pool.fetch(Operation::Other, |_| {
        sqlx::query(ROOTS)
            .bind(partition)
            .bind(after.as_ref().map_or(Uuid::nil(), row::root_column))
            .bind(after.is_none())
            .bind(row_limit(limit))
    });
    let rows = rows.await?;
    let heads = rows.iter().map(|found| {
        Ok(RootHead {
            root: row::read_root(found.try_get(0)?)?,
            next_sequence: row::read_sequence(found.try_get(1)?)?,
        })
    });
    heads.collect::<Result<_, _>>().map_err(Fault::into_error)
}

/// The appends of a partition with one correlation id.
pub(super) struct Correlated<'a> {
    pub(super) partition: i32,
    pub(super) domain: &'a Domain,
    pub(super) correlation: &'a CorrelationId,
}

/// Reads whole appends of one correlation id.
pub(super) async fn read_correlated(
    pool: &Pool,
    wanted: Correlated<'_>,
    after: Position,
    limit: usize,
) -> Result<Vec<Append>, Error> {
    const CORRELATED: &str = concat!(
        "SELECT a.edition, a.root, ",
        append_columns!(),
        " FROM (
            SELECT *, sum(size) OVER (ORDER BY last_position) - size AS size_before FROM (
                SELECT * FROM appends WHERE partition_id = $1 AND correlation_id = $2 AND last_position > $3 ORDER BY last_position LIMIT $4
            ) found
        ) a WHERE a.size_before <= $5 ORDER BY a.last_position"
    );
    let rows = pool.fetch(Operation::Other, |_| {
        sqlx::query(CORRELATED)
            .bind(wanted.partition)
            .bind(wanted.correlation.as_str())
            .bind(column(after.0))
            .bind(row_limit(CORRELATED_APPENDS))
            .bind(row_limit(limit))
    });
    let rows = rows.await?;
    let appends = rows.iter().map(|found| {
        let stream: StreamId = row::read_stream_id(wanted.domain, found, 0)?;
        row::read_append(&stream, found, 2)
    });
    appends.collect::<Result<_, _>>().map_err(Fault::into_error)
}
