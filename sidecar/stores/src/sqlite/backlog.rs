//! What waits for consumers, and what was parked.

use angzarr_coordinator::model::{ConsumerId, StreamId};
use angzarr_coordinator::port::backlog::{KeptWork, WorkHead, WorkState};
use angzarr_coordinator::port::progress::{Outgoing, OutgoingId, Parked};
use rusqlite::{Connection, Row, params};

use super::error::Fault;
use super::progress::{consumer_id, read_parked};
use super::row;
use crate::stored::{StoredWork, TARGET_BYTES, decode_target, decode_work};

/// Lists heads of work in a state.
pub(super) fn list_work(
    conn: &Connection,
    consumer: &ConsumerId,
    state: WorkState,
    after: u64,
    limit: usize,
) -> Result<Vec<WorkHead>, Fault> {
    let Some(id) = consumer_id(conn, consumer)? else {
        return Ok(Vec::new());
    };
    let mut statement = conn.prepare_cached(
        "SELECT place, outgoing_id, trigger_domain, trigger_edition, trigger_root, substr(command, 1, ?1), substr(facts, 1, ?1),
             coalesce(length(command), 0) + coalesce(length(facts), 0)
         FROM outgoing WHERE consumer = ?2 AND place > ?3 AND (refusal_code IS NOT NULL) = ?4 ORDER BY place LIMIT ?5",
    )?;
    let is_refused = state == WorkState::Refused;
    let mut rows = statement.query(params![
        TARGET_BYTES,
        id,
        row::column(after),
        is_refused,
        row::row_limit(limit)
    ])?;
    let mut heads = Vec::new();
    while let Some(found) = rows.next()? {
        heads.push(WorkHead {
            place: row::unsigned(found.get(0)?),
            id: OutgoingId(found.get(1)?),
            trigger: row::read_whole_stream_id(found, 2)?,
            target: decode_target(found.get(5)?, found.get(6)?)?,
            bytes: usize::try_from(row::unsigned(found.get(7)?)).unwrap_or(usize::MAX),
        });
    }
    Ok(heads)
}

/// Reads work by id, in any state.
pub(super) fn read_work(
    conn: &Connection,
    consumer: &ConsumerId,
    ids: Vec<OutgoingId>,
) -> Result<Vec<Option<KeptWork>>, Fault> {
    let Some(consumer) = consumer_id(conn, consumer)? else {
        return Ok(vec![None; ids.len()]);
    };
    let mut statement = conn.prepare_cached(
        "SELECT trigger_domain, trigger_edition, trigger_root, command, facts, trace_parent, refusal_code, refusal_message, refusal_details
         FROM outgoing WHERE consumer = ? AND outgoing_id = ?",
    )?;
    let mut works = Vec::with_capacity(ids.len());
    for id in ids {
        let mut rows = statement.query(params![consumer, id.0])?;
        let found = rows.next()?;
        works.push(found.map(|found| read_kept(found, id)).transpose()?);
    }
    Ok(works)
}

fn read_kept(found: &Row<'_>, id: OutgoingId) -> Result<KeptWork, Fault> {
    let stored = StoredWork {
        command: found.get(3)?,
        facts: found.get(4)?,
        trace_parent: found.get(5)?,
    };
    Ok(KeptWork {
        outgoing: Outgoing {
            id,
            trigger: row::read_whole_stream_id(found, 0)?,
            work: decode_work(stored)?,
        },
        refusal: row::read_status(found, 6)?,
    })
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
