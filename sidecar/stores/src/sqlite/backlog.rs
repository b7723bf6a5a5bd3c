//! What waits for consumers, and what was parked.

use angzarr_coordinator::model::{ConsumerId, StreamId};
use angzarr_coordinator::port::backlog::{Queued, Refused};
use angzarr_coordinator::port::progress::{Outgoing, OutgoingId, Parked};
use rusqlite::{Connection, Row, params};

use super::error::Fault;
use super::progress::{consumer_id, read_parked};
use super::row;
use crate::stored::{StoredWork, decode_work};

macro_rules! work_columns {
    () => {
        "place, outgoing_id, trigger_domain, trigger_edition, trigger_root, command, facts, trace_parent, refusal_code, refusal_message, refusal_details"
    };
}

fn read_outgoing(found: &Row<'_>) -> Result<(u64, Outgoing), Fault> {
    let place = row::unsigned(found.get(0)?);
    let stored = StoredWork {
        command: found.get(5)?,
        facts: found.get(6)?,
        trace_parent: found.get(7)?,
    };
    let outgoing = Outgoing {
        id: OutgoingId(found.get(1)?),
        trigger: row::read_whole_stream_id(found, 2)?,
        work: decode_work(stored)?,
    };
    Ok((place, outgoing))
}

fn read_refusal(found: &Row<'_>) -> Result<Refused, Fault> {
    let (place, outgoing) = read_outgoing(found)?;
    let refusal = row::read_status(found, 8)?
        .ok_or_else(|| Fault::corrupt("refused work", "its refusal is missing"))?;
    Ok(Refused {
        place,
        outgoing,
        refusal,
    })
}

/// Lists work without a final answer.
pub(super) fn list_outgoing(
    conn: &Connection,
    consumer: &ConsumerId,
    after: u64,
    limit: usize,
) -> Result<Vec<Queued>, Fault> {
    const WAITING: &str = concat!(
        "SELECT ",
        work_columns!(),
        " FROM outgoing WHERE consumer = ? AND place > ? AND refusal_code IS NULL ORDER BY place LIMIT ?"
    );
    let page = Page {
        consumer,
        after,
        limit,
    };
    list(conn, WAITING, page, |found| {
        let (place, outgoing) = read_outgoing(found)?;
        Ok(Queued { place, outgoing })
    })
}

/// Lists refused work.
pub(super) fn list_refused(
    conn: &Connection,
    consumer: &ConsumerId,
    after: u64,
    limit: usize,
) -> Result<Vec<Refused>, Fault> {
    const REFUSED: &str = concat!(
        "SELECT ",
        work_columns!(),
        " FROM outgoing WHERE consumer = ? AND place > ? AND refusal_code IS NOT NULL ORDER BY place LIMIT ?"
    );
    let page = Page {
        consumer,
        after,
        limit,
    };
    list(conn, REFUSED, page, read_refusal)
}

/// Which piece of a consumer's work to list.
struct Page<'a> {
    consumer: &'a ConsumerId,
    /// The place after which it begins.
    after: u64,
    limit: usize,
}

fn list<T>(
    conn: &Connection,
    sql: &str,
    page: Page<'_>,
    read: impl Fn(&Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let Some(id) = consumer_id(conn, page.consumer)? else {
        return Ok(Vec::new());
    };
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params![
        id,
        row::column(page.after),
        row::row_limit(page.limit)
    ])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// Reads one piece of refused work.
pub(super) fn read_refused(
    conn: &Connection,
    consumer: &ConsumerId,
    id: &OutgoingId,
) -> Result<Option<Refused>, Fault> {
    const ONE: &str = concat!(
        "SELECT ",
        work_columns!(),
        " FROM outgoing WHERE consumer = ? AND outgoing_id = ? AND refusal_code IS NOT NULL"
    );
    let Some(consumer) = consumer_id(conn, consumer)? else {
        return Ok(None);
    };
    let mut statement = conn.prepare_cached(ONE)?;
    let mut rows = statement.query(params![consumer, id.0])?;
    rows.next()?.map(read_refusal).transpose()
}

/// Lists roots that are parked.
pub(super) fn list_parked(
    conn: &Connection,
    consumer: &ConsumerId,
    after: Option<&StreamId>,
    limit: usize,
) -> Result<Vec<(StreamId, Parked)>, Fault> {
    let Some(id) = consumer_id(conn, consumer)? else {
        return Ok(Vec::new());
    };
    let mut statement = conn.prepare_cached(
        "SELECT domain, edition, root, parked_sequence, parked_attempts, parked_code, parked_message, parked_details FROM roots
         WHERE consumer = ? AND parked_sequence IS NOT NULL AND (domain, edition, root) > (?, ?, ?)
         ORDER BY domain, edition, root LIMIT ?",
    )?;
    let domain = after.map_or("", |stream| stream.domain.as_str());
    let edition = after.map_or("", |stream| row::edition_column(&stream.edition));
    let root: &[u8] = after.map_or(&[], |stream| stream.root.as_bytes());
    let mut rows = statement.query(params![id, domain, edition, root, row::row_limit(limit)])?;
    let mut parked = Vec::new();
    while let Some(found) = rows.next()? {
        let why = read_parked(found, 3)?
            .ok_or_else(|| Fault::corrupt("parked root", "its sequence is missing"))?;
        parked.push((row::read_whole_stream_id(found, 0)?, why));
    }
    Ok(parked)
}
