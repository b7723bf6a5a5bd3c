//! What waits for consumers, and what was parked.

use angzarr_coordinator::model::{ConsumerId, StreamId};
use angzarr_coordinator::port::backlog::{KeptWork, WorkHead, WorkState};
use angzarr_coordinator::port::progress::{OutgoingId, Parked};
use rusqlite::{Connection, params};

use super::error::Fault;
use super::statement::{find, list};
use crate::stored::{self, TARGET_BYTES, column, edition_column, read_parked_root, read_work_head};

/// Lists heads of work in a state.
pub(super) fn list_work(
    conn: &Connection,
    consumer: &ConsumerId,
    state: WorkState,
    after: u64,
    limit: usize,
) -> Result<Vec<WorkHead>, Fault> {
    const HEADS: &str = "SELECT place, outgoing_id, trigger_domain, trigger_edition, trigger_root, substr(command, 1, ?1), substr(facts, 1, ?1),
             coalesce(length(command), 0) + coalesce(length(facts), 0)
         FROM outgoing WHERE consumer = (SELECT id FROM consumers WHERE name = ?2) AND place > ?3 AND (refusal_code IS NOT NULL) = ?4
         ORDER BY place LIMIT ?5";
    let values = params![
        TARGET_BYTES,
        consumer.to_string(),
        column(after),
        state == WorkState::Refused,
        column(limit)
    ];
    list(conn, HEADS, values, read_work_head)
}

/// Reads work by id, in any state.
pub(super) fn read_work(
    conn: &Connection,
    consumer: &ConsumerId,
    ids: &[OutgoingId],
) -> Result<Vec<Option<KeptWork>>, Fault> {
    const WORK: &str = "SELECT outgoing_id, trigger_domain, trigger_edition, trigger_root, command, facts, trace_parent,
             refusal_code, refusal_message, refusal_details
         FROM outgoing WHERE consumer = (SELECT id FROM consumers WHERE name = ?) AND outgoing_id = ?";
    let consumer = consumer.to_string();
    let each = ids.iter().map(|id| {
        let found = find(conn, WORK, [&consumer, &id.0], stored::read_work)?;
        Ok(found.flatten())
    });
    each.collect()
}

/// Lists roots that are parked.
pub(super) fn list_parked(
    conn: &Connection,
    consumer: &ConsumerId,
    after: Option<&StreamId>,
    limit: usize,
) -> Result<Vec<(StreamId, Parked)>, Fault> {
    const PARKED: &str = "SELECT domain, edition, root, parked_sequence, parked_attempts, parked_code, parked_message, parked_details FROM roots
         WHERE consumer = (SELECT id FROM consumers WHERE name = ?) AND parked_sequence IS NOT NULL AND (domain, edition, root) > (?, ?, ?)
         ORDER BY domain, edition, root LIMIT ?";
    let values = params![
        consumer.to_string(),
        after.map_or("", |stream| stream.domain.as_str()),
        after.map_or("", |stream| edition_column(&stream.edition)),
        after.map_or(&[][..], |stream| stream.root.as_bytes()),
        column(limit)
    ];
    list(conn, PARKED, values, read_parked_root)
}
