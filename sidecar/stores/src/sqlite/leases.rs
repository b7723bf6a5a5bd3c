//! Who may act, within a transaction. Time is that of the session: the life of this open store.

use std::time::Duration;

use angzarr_coordinator::port::leases::Grant;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::error::Fault;
use super::row;

/// The life of an open store, as leases see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    /// Which one it is; only one process has the store open, so a lease of another session has no holder.
    pub(super) id: Uuid,
    /// How long it has lasted.
    pub(super) now: Duration,
}

impl Session {
    fn until(&self, ttl: Duration) -> i64 {
        nanos(self.now.saturating_add(ttl))
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// Grants a lease, or says who holds it. A holder that asks again gets a new epoch.
pub(super) fn acquire(
    conn: &Connection,
    session: Session,
    name: &str,
    holder: &str,
    ttl: Duration,
) -> Result<Grant, Fault> {
    let mut statement =
        conn.prepare_cached("SELECT epoch, holder, session, until FROM leases WHERE name = ?")?;
    let mut rows = statement.query([name])?;
    let mut epoch = 0;
    if let Some(found) = rows.next()? {
        epoch = row::unsigned(found.get(0)?);
        let holds: Option<String> = found.get(1)?;
        let is_running = found.get::<_, [u8; 16]>(2)? == *session.id.as_bytes()
            && found.get::<_, i64>(3)? > nanos(session.now);
        if let Some(other) = holds.filter(|other| is_running && other != holder) {
            return Ok(Grant::Held { holder: other });
        }
    }
    epoch += 1;
    conn.prepare_cached(
        "INSERT INTO leases (name, epoch, holder, session, until) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, holder = excluded.holder, session = excluded.session, until = excluded.until",
    )?
    .execute(params![
        name,
        row::column(epoch),
        holder,
        session.id.as_bytes(),
        session.until(ttl)
    ])?;
    Ok(Grant::Granted { epoch })
}

/// Prolongs a lease that nobody else was granted, and returns whether it was one.
pub(super) fn renew(
    conn: &Connection,
    session: Session,
    name: &str,
    epoch: u64,
    ttl: Duration,
) -> Result<bool, Fault> {
    let renewed = conn
        .prepare_cached(
            "UPDATE leases SET until = ? WHERE name = ? AND epoch = ? AND session = ? AND holder IS NOT NULL",
        )?
        .execute(params![
            session.until(ttl),
            name,
            row::column(epoch),
            session.id.as_bytes()
        ])?;
    Ok(renewed > 0)
}

/// Gives a lease back, if it is still held under the epoch.
pub(super) fn release(conn: &Connection, name: &str, epoch: u64) -> Result<(), Fault> {
    conn.prepare_cached("UPDATE leases SET holder = NULL, until = 0 WHERE name = ? AND epoch = ?")?
        .execute(params![name, row::column(epoch)])?;
    Ok(())
}
