//! What waits for consumers, and what was parked.

use angzarr_coordinator::model::{ConsumerId, StreamId};
use angzarr_coordinator::port::backlog::{Queued, Refused};
use angzarr_coordinator::port::progress::{Outgoing, OutgoingId, Parked};
use angzarr_coordinator::port::store::Error;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::error::Fault;
use super::pool::{Operation, Pool};
use super::progress::read_parked;
use super::row;
use crate::stored::{
    Corrupt, StoredWork, column, decode_work, edition_column, row_limit, unsigned,
};

macro_rules! select_work {
    ($rest:literal) => {
        concat!(
            "SELECT o.place, o.outgoing_id, o.trigger_domain, o.trigger_edition, o.trigger_root, o.command, o.facts, o.trace_parent,
                 o.refusal_code, o.refusal_message, o.refusal_details
             FROM outgoing o JOIN consumers c ON c.id = o.consumer_id WHERE c.name = $1 AND ",
            $rest
        )
    };
}

fn read_outgoing(found: &PgRow) -> Result<(u64, Outgoing), Fault> {
    let stored = StoredWork {
        command: found.try_get(5)?,
        facts: found.try_get(6)?,
        trace_parent: found.try_get(7)?,
    };
    let outgoing = Outgoing {
        id: OutgoingId(found.try_get(1)?),
        trigger: row::read_whole_stream_id(found, 2)?,
        work: decode_work(stored)?,
    };
    Ok((unsigned(found.try_get(0)?), outgoing))
}

fn read_refusal(found: &PgRow) -> Result<Refused, Fault> {
    let (place, outgoing) = read_outgoing(found)?;
    let refusal = row::read_status(found, 8)?
        .ok_or_else(|| Corrupt::new("refused work", "its refusal is missing"))?;
    Ok(Refused {
        place,
        outgoing,
        refusal,
    })
}

/// Lists work without a final answer.
pub(super) async fn list_outgoing(
    pool: &Pool,
    consumer: &ConsumerId,
    after: u64,
    limit: usize,
) -> Result<Vec<Queued>, Error> {
    const WAITING: &str =
        select_work!("o.place > $2 AND o.refusal_code IS NULL ORDER BY o.place LIMIT $3");
    let page = Page {
        consumer,
        after,
        limit,
    };
    list(pool, WAITING, page, |found| {
        let (place, outgoing) = read_outgoing(found)?;
        Ok(Queued { place, outgoing })
    })
    .await
}

/// Lists refused work.
pub(super) async fn list_refused(
    pool: &Pool,
    consumer: &ConsumerId,
    after: u64,
    limit: usize,
) -> Result<Vec<Refused>, Error> {
    const REFUSED: &str =
        select_work!("o.place > $2 AND o.refusal_code IS NOT NULL ORDER BY o.place LIMIT $3");
    let page = Page {
        consumer,
        after,
        limit,
    };
    list(pool, REFUSED, page, read_refusal).await
}

/// Which piece of a consumer's work to list.
struct Page<'a> {
    consumer: &'a ConsumerId,
    /// The place after which it begins.
    after: u64,
    limit: usize,
}

async fn list<T>(
    pool: &Pool,
    sql: &'static str,
    page: Page<'_>,
    read: impl Fn(&PgRow) -> Result<T, Fault>,
) -> Result<Vec<T>, Error> {
    let name = page.consumer.to_string();
    let rows = pool.fetch(Operation::Other, |_| {
        sqlx::query(sql)
            .bind(&name)
            .bind(column(page.after))
            .bind(row_limit(page.limit))
    });
    let rows = rows.await?;
    rows.iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(Fault::into_error)
}

/// Reads one piece of refused work.
pub(super) async fn read_refused(
    pool: &Pool,
    consumer: &ConsumerId,
    id: &OutgoingId,
) -> Result<Option<Refused>, Error> {
    const ONE: &str = select_work!("o.outgoing_id = $2 AND o.refusal_code IS NOT NULL");
    let name = consumer.to_string();
    let rows = pool.fetch(Operation::Other, |_| {
        sqlx::query(ONE).bind(&name).bind(&id.0)
    });
    let rows = rows.await?;
    rows.first()
        .map(read_refusal)
        .transpose()
        .map_err(Fault::into_error)
}

/// Lists roots that are parked.
pub(super) async fn list_parked(
    pool: &Pool,
    consumer: &ConsumerId,
    after: Option<&StreamId>,
    limit: usize,
) -> Result<Vec<(StreamId, Parked)>, Error> {
    const PARKED: &str = "SELECT r.domain, r.edition, r.root,
            r.parked_sequence, r.parked_attempts, r.parked_code, r.parked_message, r.parked_details
        FROM roots r JOIN consumers c ON c.id = r.consumer_id
        WHERE c.name = $1 AND r.parked_sequence IS NOT NULL AND ($2::text IS NULL OR (r.domain, r.edition, r.root) > ($2, $3, $4))
        ORDER BY r.domain, r.edition, r.root LIMIT $5";
    let name = consumer.to_string();
    let rows = pool.fetch(Operation::Other, |_| {
        sqlx::query(PARKED)
            .bind(&name)
            .bind(after.map(|stream| stream.domain.as_str()))
            .bind(after.map(|stream| edition_column(&stream.edition)))
            .bind(after.map(|stream| row::root_column(&stream.root)))
            .bind(row_limit(limit))
    });
    let rows = rows.await?;
    let parked = rows.iter().map(|found| {
        let why = read_parked(found, 3)?
            .ok_or_else(|| Corrupt::new("parked root", "its sequence is missing"))?;
        Ok((row::read_whole_stream_id(found, 0)?, why))
    });
    parked.collect::<Result<_, _>>().map_err(Fault::into_error)
}
