//! What waits for consumers, and what was parked.

use angzarr_coordinator::model::{ConsumerId, StreamId};
use angzarr_coordinator::port::backlog::{KeptWork, WorkHead, WorkState};
use angzarr_coordinator::port::progress::{Outgoing, OutgoingId, Parked};
use angzarr_coordinator::port::store::Error;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::error::Fault;
use super::pool::{Operation, Pool};
use super::progress::read_parked;
use super::row;
use crate::stored::{
    Corrupt, StoredWork, TARGET_BYTES, column, decode_target, decode_work, edition_column,
    row_limit, unsigned,
};

/// Lists heads of work in a state.
pub(super) async fn list_work(
    pool: &Pool,
    consumer: &ConsumerId,
    state: WorkState,
    after: u64,
    limit: usize,
) -> Result<Vec<WorkHead>, Error> {
    const HEADS: &str = "SELECT o.place, o.outgoing_id, o.trigger_domain, o.trigger_edition, o.trigger_root,
            substr(o.command, 1, $5), substr(o.facts, 1, $5), (coalesce(octet_length(o.command), 0) + coalesce(octet_length(o.facts), 0))::bigint
        FROM outgoing o JOIN consumers c ON c.id = o.consumer_id
        WHERE c.name = $1 AND o.place > $2 AND (o.refusal_code IS NOT NULL) = $3 ORDER BY o.place LIMIT $4";
    let name = consumer.to_string();
    let rows = pool.fetch(Operation::Other, |_| {
        sqlx::query(HEADS)
            .bind(&name)
            .bind(column(after))
            .bind(state == WorkState::Refused)
            .bind(row_limit(limit))
            .bind(TARGET_BYTES)
    });
    let rows = rows.await?;
    let heads = rows.iter().map(|found| {
        Ok(WorkHead {
            place: unsigned(found.try_get(0)?),
            id: OutgoingId(found.try_get(1)?),
            trigger: row::read_whole_stream_id(found, 2)?,
            target: decode_target(found.try_get(5)?, found.try_get(6)?)?,
            bytes: usize::try_from(unsigned(found.try_get(7)?)).unwrap_or(usize::MAX),
        })
    });
    heads.collect::<Result<_, _>>().map_err(Fault::into_error)
}

/// Reads work by id, in any state.
pub(super) async fn read_work(
    pool: &Pool,
    consumer: &ConsumerId,
    ids: Vec<OutgoingId>,
) -> Result<Vec<Option<KeptWork>>, Error> {
    const WORK: &str = "SELECT q.ordinal, o.trigger_domain, o.trigger_edition, o.trigger_root, o.command, o.facts, o.trace_parent,
            o.refusal_code, o.refusal_message, o.refusal_details
        FROM unnest($2::text[]) WITH ORDINALITY q(id, ordinal)
        JOIN consumers c ON c.name = $1
        JOIN outgoing o ON o.consumer_id = c.id AND o.outgoing_id = q.id";
    let name = consumer.to_string();
    let names: Vec<_> = ids.iter().map(|id| id.0.clone()).collect();
    let rows = pool.fetch(Operation::Other, |_| {
        sqlx::query(WORK).bind(&name).bind(&names)
    });
    let rows = rows.await?;
    let mut works = vec![None; ids.len()];
    for found in &rows {
        let read = read_kept(found, &ids).map_err(Fault::into_error);
        let (at, kept) = read?;
        works[at] = Some(kept);
    }
    Ok(works)
}

fn read_kept(found: &PgRow, ids: &[OutgoingId]) -> Result<(usize, KeptWork), Fault> {
    let ordinal = unsigned(found.try_get(0)?);
    let at = usize::try_from(ordinal).unwrap_or_default() - 1;
    let stored = StoredWork {
        command: found.try_get(4)?,
        facts: found.try_get(5)?,
        trace_parent: found.try_get(6)?,
    };
    let outgoing = Outgoing {
        id: ids[at].clone(),
        trigger: row::read_whole_stream_id(found, 1)?,
        work: decode_work(stored)?,
    };
    let refusal = row::read_status(found, 7)?;
    Ok((at, KeptWork { outgoing, refusal }))
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
