//! How far consumers got, within a transaction.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use angzarr_coordinator::model::{ConsumerId, Cursor, Domain, Sequence, Status, StreamId};
use angzarr_coordinator::port::progress::{
    Outgoing, OutgoingId, Parked, RootProgress, SourceProgress, Step,
};
use rusqlite::{Connection, params};

use super::error::Fault;
use super::statement::{execute, find, one};
use crate::stored::{self, Corrupt, column, edition_column, encode_work, read_root, read_value};

/// The number of a consumer, which it gets with its first write.
fn ensure_consumer(conn: &Connection, consumer: &ConsumerId) -> Result<i64, Fault> {
    const FIND: &str = "SELECT id FROM consumers WHERE name = ?";
    const MAKE: &str = "INSERT INTO consumers (name, next_place) VALUES (?, 1)";
    let name = consumer.to_string();
    if let Some(id) = find(conn, FIND, [&name], read_value)? {
        return Ok(id);
    }
    execute(conn, MAKE, [name])?;
    Ok(conn.last_insert_rowid())
}

/// Stores where a consumer starts, unless it is stored, and returns what is stored.
pub(super) fn open_source(
    conn: &Connection,
    consumer: &ConsumerId,
    domain: &Domain,
    start: Cursor,
) -> Result<SourceProgress, Fault> {
    const OPEN: &str = "INSERT INTO sources (consumer, domain, start_position, start_append_id, start_store_id, start_incarnation,
             position, append_id, store_id, incarnation) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    let values = params![
        ensure_consumer(conn, consumer)?,
        domain.as_str(),
        column(start.position.0),
        start.append_id.as_ref().map(|append| append.as_bytes()),
        start.identity.store_id.as_bytes(),
        start.identity.incarnation.as_bytes(),
    ];
    execute(conn, OPEN, values)?;
    let source = read_source(conn, consumer, domain)?;
    Ok(source.ok_or_else(|| Corrupt::new("source: it is missing after it was stored"))?)
}

/// Reads how far a consumer got in a source.
pub(super) fn read_source(
    conn: &Connection,
    consumer: &ConsumerId,
    domain: &Domain,
) -> Result<Option<SourceProgress>, Fault> {
    const SOURCE: &str = "SELECT start_position, start_append_id, start_store_id, start_incarnation, position, append_id, store_id, incarnation
         FROM sources WHERE consumer = (SELECT id FROM consumers WHERE name = ?) AND domain = ?";
    let values = params![consumer.to_string(), domain.as_str()];
    find(conn, SOURCE, values, stored::read_source)
}

/// Reads how far a consumer got in streams.
pub(super) fn read_roots(
    conn: &Connection,
    consumer: &str,
    streams: &[StreamId],
) -> Result<Vec<RootProgress>, Fault> {
    const ROOT: &str = "SELECT next_sequence, parked_sequence, parked_attempts, parked_code, parked_message, parked_details
         FROM roots WHERE consumer = (SELECT id FROM consumers WHERE name = ?) AND domain = ? AND edition = ? AND root = ?";
    let each = streams.iter().map(|stream| {
        let (domain, edition, root) = stream_columns(stream);
        let values = params![consumer, domain, edition, root];
        let found = find(conn, ROOT, values, read_root)?;
        Ok(found.unwrap_or_default())
    });
    each.collect()
}

/// Domain, edition and root as columns.
pub(super) fn stream_columns(stream: &StreamId) -> (&str, &str, &[u8]) {
    let edition = edition_column(&stream.edition);
    (stream.domain.as_str(), edition, stream.root.as_bytes())
}

/// Records steps, whose fence was checked.
pub(super) fn step(conn: &Connection, consumer: &ConsumerId, steps: &[Step]) -> Result<(), Fault> {
    let id = ensure_consumer(conn, consumer)?;
    steps.iter().try_for_each(|step| apply(conn, id, step))
}

/// The wall clock, in microseconds since 1970: the only one that goes on over a restart.
pub(super) fn clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    micros(since.unwrap_or_default())
}

fn micros(time: Duration) -> i64 {
    column(time.as_micros())
}

fn apply(conn: &Connection, consumer: i64, step: &Step) -> Result<(), Fault> {
    const ATTEMPT: &str = "UPDATE outgoing SET may_land_until = max(coalesce(may_land_until, 0), ?) WHERE consumer = ? AND outgoing_id = ?";
    const DISCARD: &str =
        "DELETE FROM outgoing WHERE consumer = ? AND outgoing_id = ? AND refusal_code IS NOT NULL";
    match step {
        Step::Advance {
            stream,
            next,
            outgoing,
            may_land_within,
        } => {
            advance(conn, consumer, stream, *next)?;
            let until = clock().saturating_add(micros(*may_land_within));
            outgoing
                .iter()
                .try_for_each(|work| queue(conn, consumer, work, until))
        }
        Step::MoveCursor { domain, cursor } => move_cursor(conn, consumer, domain, cursor),
        Step::Park { stream, parked } => park(conn, consumer, stream, parked),
        Step::Unpark { stream } => unpark(conn, consumer, stream),
        Step::Attempt {
            id,
            may_land_within,
        } => {
            let until = clock().saturating_add(micros(*may_land_within));
            execute(conn, ATTEMPT, params![until, consumer, id.0])
        }
        Step::Settle { id, refusal } => settle(conn, consumer, id, refusal.as_ref()),
        Step::Resend { id } => resend(conn, consumer, id),
        Step::Discard { id } => execute(conn, DISCARD, params![consumer, id.0]),
    }
}

fn advance(
    conn: &Connection,
    consumer: i64,
    stream: &StreamId,
    next: Sequence,
) -> Result<(), Fault> {
    const ADVANCE: &str = "INSERT INTO roots (consumer, domain, edition, root, next_sequence) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (consumer, domain, edition, root) DO UPDATE SET next_sequence = excluded.next_sequence
         WHERE next_sequence IS NULL OR next_sequence < excluded.next_sequence";
    let (domain, edition, root) = stream_columns(stream);
    execute(
        conn,
        ADVANCE,
        params![consumer, domain, edition, root, next.0],
    )
}

/// Takes the next place of a consumer's outgoing work.
fn take_place(conn: &Connection, consumer: i64) -> Result<i64, Fault> {
    const TAKE: &str =
        "UPDATE consumers SET next_place = next_place + 1 WHERE id = ? RETURNING next_place - 1";
    one(conn, TAKE, [consumer], read_value)
}

fn queue(
    conn: &Connection,
    consumer: i64,
    outgoing: &Outgoing,
    may_land_until: i64,
) -> Result<(), Fault> {
    const QUEUE: &str = "INSERT INTO outgoing (consumer, place, outgoing_id, trigger_domain, trigger_edition, trigger_root, command, facts, trace_parent,
             may_land_until)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (consumer, outgoing_id) DO NOTHING";
    let stored = encode_work(&outgoing.work);
    let (domain, edition, root) = stream_columns(&outgoing.trigger);
    let values = params![
        consumer,
        take_place(conn, consumer)?,
        outgoing.id.0,
        domain,
        edition,
        root,
        stored.command,
        stored.facts,
        stored.trace_parent,
        may_land_until,
    ];
    execute(conn, QUEUE, values)
}

fn move_cursor(
    conn: &Connection,
    consumer: i64,
    domain: &Domain,
    cursor: &Cursor,
) -> Result<(), Fault> {
    const MOVE: &str =
        "UPDATE sources SET position = ?3, append_id = ?4, store_id = ?5, incarnation = ?6
         WHERE consumer = ?1 AND domain = ?2 AND position < ?3";
    let values = params![
        consumer,
        domain.as_str(),
        column(cursor.position.0),
        cursor.append_id.as_ref().map(|append| append.as_bytes()),
        cursor.identity.store_id.as_bytes(),
        cursor.identity.incarnation.as_bytes(),
    ];
    execute(conn, MOVE, values)
}

fn park(conn: &Connection, consumer: i64, stream: &StreamId, parked: &Parked) -> Result<(), Fault> {
    const PARK: &str = "INSERT INTO roots (consumer, domain, edition, root, parked_sequence, parked_attempts, parked_code, parked_message, parked_details)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (consumer, domain, edition, root) DO UPDATE SET parked_sequence = excluded.parked_sequence,
             parked_attempts = excluded.parked_attempts, parked_code = excluded.parked_code,
             parked_message = excluded.parked_message, parked_details = excluded.parked_details";
    let (domain, edition, root) = stream_columns(stream);
    let values = params![
        consumer,
        domain,
        edition,
        root,
        parked.sequence.0,
        parked.attempts,
        parked.error.code as i32,
        parked.error.message,
        &parked.error.details[..],
    ];
    execute(conn, PARK, values)
}

fn unpark(conn: &Connection, consumer: i64, stream: &StreamId) -> Result<(), Fault> {
    const UNPARK: &str = "UPDATE roots SET parked_sequence = NULL, parked_attempts = NULL, parked_code = NULL, parked_message = NULL, parked_details = NULL
         WHERE consumer = ? AND domain = ? AND edition = ? AND root = ?";
    let (domain, edition, root) = stream_columns(stream);
    execute(conn, UNPARK, params![consumer, domain, edition, root])
}

fn settle(
    conn: &Connection,
    consumer: i64,
    id: &OutgoingId,
    refusal: Option<&Status>,
) -> Result<(), Fault> {
    const REMOVE: &str = "DELETE FROM outgoing WHERE consumer = ? AND outgoing_id = ?";
    const REFUSE: &str = "UPDATE outgoing SET refusal_code = ?, refusal_message = ?, refusal_details = ? WHERE consumer = ? AND outgoing_id = ?";
    let Some(status) = refusal else {
        return execute(conn, REMOVE, params![consumer, id.0]);
    };
    let (code, details) = (status.code as i32, &status.details[..]);
    execute(
        conn,
        REFUSE,
        params![code, status.message, details, consumer, id.0],
    )
}

fn resend(conn: &Connection, consumer: i64, id: &OutgoingId) -> Result<(), Fault> {
    const RESEND: &str = "UPDATE outgoing SET place = ?, refusal_code = NULL, refusal_message = NULL, refusal_details = NULL
         WHERE consumer = ? AND outgoing_id = ? AND refusal_code IS NOT NULL";
    let place = take_place(conn, consumer)?;
    execute(conn, RESEND, params![place, consumer, id.0])
}
