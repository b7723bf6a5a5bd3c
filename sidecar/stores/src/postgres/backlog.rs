//! What waits for consumers, and what was parked.

use angzarr_coordinator::model::{ConsumerId, StreamId};
use angzarr_coordinator::port::backlog::{KeptWork, WorkHead, WorkState};
use angzarr_coordinator::port::progress::{OutgoingId, Parked};
use angzarr_coordinator::port::store::Error;

use super::pool::Pool;
use crate::stored::{self, TARGET_BYTES, column, edition_column, read_parked_root, read_work_head};

/// Lists heads of work in a state.
pub(super) async fn list_work(
    pool: &Pool,
    consumer: &ConsumerId,
    state: WorkState,
    after: u64,
    limit: usize,
) -> Result<Vec<WorkHead>, Error> {
    const HEADS: &str = "SELECT o.place, o.outgoing_id, o.trigger_domain, o.trigger_edition, o.trigger_root,
            substr(o.command, 1, $5), substr(o.facts, 1, $5), coalesce(octet_length(o.command), 0) + coalesce(octet_length(o.facts), 0)
        FROM outgoing o JOIN consumers c ON c.id = o.consumer_id
        WHERE c.name = $1 AND o.place > $2 AND (o.refusal_code IS NOT NULL) = $3 ORDER BY o.place LIMIT $4";
    let name = consumer.to_string();
    let build = || {
        sqlx::query(HEADS)
            .bind(&name)
            .bind(column(after))
            .bind(state == WorkState::Refused)
            .bind(column(limit))
            .bind(TARGET_BYTES)
    };
    pool.list(build, read_work_head).await
}

/// Reads work by id, in any state.
pub(super) async fn read_work(
    pool: &Pool,
    consumer: &ConsumerId,
    ids: Vec<OutgoingId>,
) -> Result<Vec<Option<KeptWork>>, Error> {
    const WORK: &str = "SELECT o.outgoing_id, o.trigger_domain, o.trigger_edition, o.trigger_root, o.command, o.facts, o.trace_parent,
            o.refusal_code, o.refusal_message, o.refusal_details
        FROM unnest($2::text[]) WITH ORDINALITY q(id, ordinal)
        LEFT JOIN consumers c ON c.name = $1
        LEFT JOIN outgoing o ON o.consumer_id = c.id AND o.outgoing_id = q.id
        ORDER BY q.ordinal";
    let name = consumer.to_string();
    let ids: Vec<_> = ids.into_iter().map(|id| id.0).collect();
    let build = || sqlx::query(WORK).bind(&name).bind(&ids);
    pool.list(build, stored::read_work).await
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
    let build = || {
        sqlx::query(PARKED)
            .bind(&name)
            .bind(after.map(|stream| stream.domain.as_str()))
            .bind(after.map(|stream| edition_column(&stream.edition)))
            .bind(after.map(|stream| stream.root.0))
            .bind(column(limit))
    };
    pool.list(build, read_parked_root).await
}
