//! Reading the log, each function by one statement, which is one read snapshot.

use std::sync::Arc;

use angzarr_coordinator::batcher::{Batcher, Bounds};
use angzarr_coordinator::model::{Append, AppendId, CommandId, Position, Sequence};
use angzarr_coordinator::port::log::{Load, Loaded, PartitionPage, PartitionRead, StreamRead};
use angzarr_coordinator::port::store::Error;
use sqlx::postgres::PgRow;
use tokio::task::JoinSet;

use super::pool::{Operation, Pool, each};
use super::row::append_columns;
use crate::stored::{
    Columns, Corrupt, EMPTY_PAGE, Reading, column, edition_column, read_append, read_append_of,
    read_snapshot,
};

/// Loads that share a statement.
pub(super) const MOST: usize = 512;

/// Loads with the numbers of their domains.
pub(super) type Loads = Batcher<(Load, Option<i32>), Result<Loaded, Error>>;

/// The columns before those of an append in what a load answers.
const BEFORE_APPEND: usize = 9;

/// Starts a task that loads, so many at a time.
pub(super) fn start(pool: &Arc<Pool>, tasks: &mut JoinSet<()>, most: usize) -> Loads {
    let reader = Arc::clone(pool);
    let (loads, loading) = Batcher::start(Bounds::of_requests(most), move |batch| {
        let pool = Arc::clone(&reader);
        async move { load(&pool, batch).await }
    });
    tasks.spawn(async move {
        if let Err(error) = loading.await {
            tracing::error!(%error, "a task that loads ended");
        }
    });
    loads
}

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
    let rows = pool.fetch(Operation::Load, |_| {
        sqlx::query(include_str!("load.sql"))
            .bind(partitions)
            .bind(each(batch, |load| edition_column(&load.stream.edition)))
            .bind(each(batch, |load| load.stream.root.0))
            .bind(each(batch, |load| Some(load.key.as_ref()?.id.as_str())))
            .bind(each(batch, |load| Some(&load.key.as_ref()?.hash.0[..])))
            .bind(each(batch, |it| Some(i64::from(it.snapshot_version?.0))))
            .bind(each(batch, |load| Some(i64::from(load.through?.0))))
            .bind(each(batch, |load| column(load.limit)))
            .bind(each(batch, |load| Some(i64::from(load.expected?.0))))
    });
    collect(batch, &rows.await?)
}

/// Puts the rows of each load together; one that cannot be read fails its own load only.
fn collect(batch: &[Load], rows: &[PgRow]) -> Result<Vec<Result<Loaded, Error>>, Error> {
    let mut parts = vec![Vec::new(); batch.len()];
    for row in rows {
        let ordinal: usize = Columns::of(row).read()?;
        let part = parts.get_mut(ordinal.wrapping_sub(1));
        let unasked = || Corrupt::new("load: an answer that was not asked for");
        part.ok_or_else(unasked)?.push(row);
    }
    let loaded = batch.iter().zip(&parts);
    Ok(loaded
        .map(|(load, rows)| Ok(read_loaded(load, rows)?))
        .collect())
}

/// Reads the row of a command and those of its history, which come after it.
fn read_loaded(load: &Load, rows: &[&PgRow]) -> Result<Loaded, Corrupt> {
    let Some((first, appends)) = rows.split_first() else {
        return Err(Corrupt::new("load: an answer is missing"));
    };
    let mut columns = Columns::from(*first, 1);
    let outcome: Option<i16> = columns.read_optional()?;
    let actual = Sequence(columns.read()?);
    match outcome {
        Some(KNOWN) => {
            let append = read_append(&load.stream, &mut append_in(first))?;
            return Ok(Loaded::Known(append));
        }
        Some(_) => {
            let id = Columns::from(*first, BEFORE_APPEND + 4).parse(CommandId::parse)?;
            return Ok(Loaded::KeyReused(id));
        }
        None if load.expected.is_some_and(|it| it != actual) => {
            return Ok(Loaded::Conflict { actual });
        }
        None => {}
    }
    let mut reading = Reading::begin(load, read_snapshot(&mut columns)?, actual);
    for row in appends {
        reading.push(read_append(&load.stream, &mut append_in(row))?);
        if reading.is_too_large() {
            break;
        }
    }
    Ok(reading.finish())
}

fn append_in(row: &PgRow) -> Columns<'_> {
    Columns::from(row, BEFORE_APPEND)
}

/// What the database says of a command id that was used before with the same payload.
pub(super) const KNOWN: i16 = 2;

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
    let build = || {
        sqlx::query(FROM_SEQUENCE)
            .bind(partition)
            .bind(edition_column(&read.stream.edition))
            .bind(read.stream.root.0)
            .bind(i64::from(read.from.0))
            .bind(column(read.after.0))
            .bind(column(read.limit))
    };
    let append = |columns: &mut Columns<'_>| read_append(&read.stream, columns);
    pool.list(build, append).await
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
            .bind(column(read.limit))
    });
    let mut page = EMPTY_PAGE;
    for row in &rows.await? {
        let edition: Option<String> = Columns::from(row, 3).read_optional()?;
        if edition.is_some() {
            let append = read_append_of(&read.domain, &mut Columns::from(row, 3))?;
            page.appends.push(append);
            continue;
        }
        let mut columns = Columns::of(row);
        page.head = columns.read_optional()?.map_or(Position::ORIGIN, Position);
        page.head_append = columns.read_optional()?.map(AppendId);
        page.previous = columns.read_optional()?.map(AppendId);
    }
    Ok(page)
}
