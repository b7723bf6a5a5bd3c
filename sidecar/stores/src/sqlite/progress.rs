//! How far consumers got, within a transaction.

use angzarr_coordinator::model::{ConsumerId, Cursor, Domain, Sequence, Status, StreamId};
use angzarr_coordinator::port::progress::{
    Outgoing, OutgoingId, Parked, RootProgress, SourceProgress, Step,
};
use rusqlite::{Connection, OptionalExtension, params};

use super::error::Fault;
use super::row;
use crate::stored::encode_work;

/// The number of a consumer, which it gets with its first write.
pub(super) fn consumer_id(conn: &Connection, consumer: &ConsumerId) -> Result<Option<i64>, Fault> {
    Ok(conn
        .prepare_cached("SELECT id FROM consumers WHERE name = ?")?
        .query_row([consumer.to_string()], |row| row.get(0))
        .optional()?)
}

fn ensure_consumer(conn: &Connection, consumer: &ConsumerId) -> Result<i64, Fault> {
    if let Some(id) = consumer_id(conn, consumer)? {
        return Ok(id);
    }
    conn.prepare_cached("INSERT INTO consumers (name, next_place) VALUES (?, 1)")?
        .execute([consumer.to_string()])?;
    Ok(conn.last_insert_rowid())
}

/// Stores where a consumer starts, unless it is stored, and returns what is stored.
pub(super) fn open_source(
    conn: &Connection,
    consumer: &ConsumerId,
    domain: &Domain,
    start: Cursor,
) -> Result<SourceProgress, Fault> {
    let id = ensure_consumer(conn, consumer)?;
    conn.prepare_cached(
        "INSERT INTO sources (consumer, domain, start_position, start_append_id, start_store_id, start_incarnation,
             position, append_id, store_id, incarnation) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        id,
        domain.as_str(),
        row::column(start.position.0),
        start.append_id.as_ref().map(|append| append.as_bytes()),
        start.identity.store_id.as_bytes(),
        start.identity.incarnation.as_bytes(),
    ])?;
    read_source(conn, consumer, domain)?
        .ok_or_else(|| Fault::corrupt("source", "it is missing after it was stored"))
}

/// Reads how far a consumer got in a source.
pub(super) fn read_source(
    conn: &Connection,
    consumer: &ConsumerId,
    domain: &Domain,
) -> Result<Option<SourceProgress>, Fault> {
    let Some(id) = consumer_id(conn, consumer)? else {
        return Ok(None);
    };
    let mut statement = conn.prepare_cached(
        "SELECT start_position, start_append_id, start_store_id, start_incarnation, position, append_id, store_id, incarnation
         FROM sources WHERE consumer = ? AND domain = ?",
    )?;
    let mut rows = statement.query(params![id, domain.as_str()])?;
    match rows.next()? {
        Some(found) => Ok(Some(SourceProgress {
            start: row::read_cursor(found, 0)?,
            cursor: row::read_cursor(found, 4)?,
        })),
        None => Ok(None),
    }
}

/// Reads how far a consumer got in streams.
pub(super) fn read_roots(
    conn: &Connection,
    consumer: &ConsumerId,
    streams: &[StreamId],
) -> Result<Vec<RootProgress>, Fault> {
    let Some(id) = consumer_id(conn, consumer)? else {
        return Ok(vec![RootProgress::default(); streams.len()]);
    };
    streams
        .iter()
        .map(|stream| read_root(conn, id, stream))
        .collect()
}

fn read_root(conn: &Connection, consumer: i64, stream: &StreamId) -> Result<RootProgress, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT next_sequence, parked_sequence, parked_attempts, parked_code, parked_message, parked_details
         FROM roots WHERE consumer = ? AND domain = ? AND edition = ? AND root = ?",
    )?;
    let mut rows = statement.query(params![
        consumer,
        stream.domain.as_str(),
        row::edition_column(&stream.edition),
        stream.root.as_bytes()
    ])?;
    let Some(found) = rows.next()? else {
        return Ok(RootProgress::default());
    };
    Ok(RootProgress {
        next_sequence: found.get::<_, Option<u32>>(0)?.map(Sequence),
        parked: read_parked(found, 1)?,
    })
}

/// Reads why a root is parked from the columns sequence, attempts, code, message and details, beginning at `at`.
pub(super) fn read_parked(found: &rusqlite::Row<'_>, at: usize) -> Result<Option<Parked>, Fault> {
    let Some(sequence) = found.get::<_, Option<u32>>(at)? else {
        return Ok(None);
    };
    let error = row::read_status(found, at + 2)?
        .ok_or_else(|| Fault::corrupt("parked root", "its error is missing"))?;
    Ok(Some(Parked {
        sequence: Sequence(sequence),
        attempts: found.get(at + 1)?,
        error,
    }))
}

/// Records steps, whose fence was checked.
pub(super) fn step(conn: &Connection, consumer: &ConsumerId, steps: &[Step]) -> Result<(), Fault> {
    let id = ensure_consumer(conn, consumer)?;
    steps.iter().try_for_each(|step| apply(conn, id, step))
}

fn apply(conn: &Connection, consumer: i64, step: &Step) -> Result<(), Fault> {
    match step {
        Step::Advance {
            stream,
            next,
            outgoing,
        } => {
            advance(conn, consumer, stream, *next)?;
            outgoing
                .iter()
                .try_for_each(|work| queue(conn, consumer, work))
        }
        Step::MoveCursor { domain, cursor } => move_cursor(conn, consumer, domain, cursor),
        Step::Park { stream, parked } => park(conn, consumer, stream, parked),
        Step::Unpark { stream } => unpark(conn, consumer, stream),
        Step::Settle { id, refusal } => settle(conn, consumer, id, refusal.as_ref()),
        Step::Resend { id } => resend(conn, consumer, id),
        Step::Discard { id } => {
            conn.prepare_cached(
                "DELETE FROM outgoing WHERE consumer = ? AND outgoing_id = ? AND refusal_code IS NOT NULL",
            )?
            .execute(params![consumer, id.0])?;
            Ok(())
        }
    }
}

fn advance(
    conn: &Connection,
    consumer: i64,
    stream: &StreamId,
    next: Sequence,
) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO roots (consumer, domain, edition, root, next_sequence) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (consumer, domain, edition, root) DO UPDATE SET next_sequence = excluded.next_sequence
         WHERE next_sequence IS NULL OR next_sequence < excluded.next_sequence",
    )?
    .execute(params![
        consumer,
        stream.domain.as_str(),
        row::edition_column(&stream.edition),
        stream.root.as_bytes(),
        next.0
    ])?;
    Ok(())
}

/// Takes the next place of a consumer's outgoing work.
fn take_place(conn: &Connection, consumer: i64) -> Result<i64, Fault> {
    Ok(conn
        .prepare_cached(
            "UPDATE consumers SET next_place = next_place + 1 WHERE id = ? RETURNING next_place - 1",
        )?
        .query_row([consumer], |row| row.get(0))?)
}

fn queue(conn: &Connection, consumer: i64, outgoing: &Outgoing) -> Result<(), Fault> {
    let place = take_place(conn, consumer)?;
    let stored = encode_work(&outgoing.work);
    conn.prepare_cached(
        "INSERT INTO outgoing (consumer, place, outgoing_id, trigger_domain, trigger_edition, trigger_root, command, facts, trace_parent)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (consumer, outgoing_id) DO NOTHING",
    )?
    .execute(params![
        consumer,
        place,
        outgoing.id.0,
        outgoing.trigger.domain.as_str(),
        row::edition_column(&outgoing.trigger.edition),
        outgoing.trigger.root.as_bytes(),
        stored.command,
        stored.facts,
        stored.trace_parent,
    ])?;
    Ok(())
}

fn move_cursor(
    conn: &Connection,
    consumer: i64,
    domain: &Domain,
    cursor: &Cursor,
) -> Result<(), Fault> {
    conn.prepare_cached(
        "UPDATE sources SET position = ?3, append_id = ?4, store_id = ?5, incarnation = ?6
         WHERE consumer = ?1 AND domain = ?2 AND position < ?3",
    )?
    .execute(params![
        consumer,
        domain.as_str(),
        row::column(cursor.position.0),
        cursor.append_id.as_ref().map(|append| append.as_bytes()),
        cursor.identity.store_id.as_bytes(),
        cursor.identity.incarnation.as_bytes(),
    ])?;
    Ok(())
}

fn park(conn: &Connection, consumer: i64, stream: &StreamId, parked: &Parked) -> Result<(), Fault> {
    conn.prepare_cached(
        "INSERT INTO roots (consumer, domain, edition, root, parked_sequence, parked_attempts, parked_code, parked_message, parked_details)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (consumer, domain, edition, root) DO UPDATE SET parked_sequence = excluded.parked_sequence,
             parked_attempts = excluded.parked_attempts, parked_code = excluded.parked_code,
             parked_message = excluded.parked_message, parked_details = excluded.parked_details",
    )?
    .execute(params![
        consumer,
        stream.domain.as_str(),
        row::edition_column(&stream.edition),
        stream.root.as_bytes(),
        parked.sequence.0,
        parked.attempts,
        parked.error.code as i32,
        parked.error.message,
        &parked.error.details[..],
    ])?;
    Ok(())
}

fn unpark(conn: &Connection, consumer: i64, stream: &StreamId) -> Result<(), Fault> {
    conn.prepare_cached(
        "UPDATE roots SET parked_sequence = NULL, parked_attempts = NULL, parked_code = NULL, parked_message = NULL, parked_details = NULL
         WHERE consumer = ? AND domain = ? AND edition = ? AND root = ?",
    )?
    .execute(params![
        consumer,
        stream.domain.as_str(),
        row::edition_column(&stream.edition),
        stream.root.as_bytes(),
    ])?;
    Ok(())
}

fn settle(
    conn: &Connection,
    consumer: i64,
    id: &OutgoingId,
    refusal: Option<&Status>,
) -> Result<(), Fault> {
    match refusal {
        None => conn
            .prepare_cached("DELETE FROM outgoing WHERE consumer = ? AND outgoing_id = ?")?
            .execute(params![consumer, id.0])?,
        Some(status) => conn
            .prepare_cached(
                "UPDATE outgoing SET refusal_code = ?, refusal_message = ?, refusal_details = ? WHERE consumer = ? AND outgoing_id = ?",
            )?
            .execute(params![
                status.code as i32,
                status.message,
                &status.details[..],
                consumer,
                id.0
            ])?,
    };
    Ok(())
}

fn resend(conn: &Connection, consumer: i64, id: &OutgoingId) -> Result<(), Fault> {
    let place = take_place(conn, consumer)?;
    conn.prepare_cached(
        "UPDATE outgoing SET place = ?, refusal_code = NULL, refusal_message = NULL, refusal_details = NULL
         WHERE consumer = ? AND outgoing_id = ? AND refusal_code IS NOT NULL",
    )?
    .execute(params![place, consumer, id.0])?;
    Ok(())
}
