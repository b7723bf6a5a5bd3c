//! Who may act, within a transaction. Time is that of the session: the life of this open store.

use std::time::Duration;

use angzarr_coordinator::port::leases::Grant;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::error::Fault;
use super::statement::{execute, find, one};
use crate::stored::{column, read_value};

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
        column(self.now.saturating_add(ttl).as_nanos())
    }
}

/// Grants a lease, or says who holds it. A holder that asks again gets a new epoch.
pub(super) fn acquire(
    conn: &Connection,
    session: Session,
    name: &str,
    holder: &str,
    ttl: Duration,
) -> Result<Grant, Fault> {
    const HELD: &str =
        "SELECT holder FROM leases WHERE name = ? AND holder <> ? AND session = ? AND until > ?";
    const GRANT: &str = "INSERT INTO leases (name, epoch, holder, session, until) VALUES (?, 1, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET epoch = epoch + 1, holder = excluded.holder, session = excluded.session, until = excluded.until
         RETURNING epoch";
    let id = session.id.as_bytes();
    let values = params![name, holder, id, column(session.now.as_nanos())];
    if let Some(holder) = find(conn, HELD, values, read_value)? {
        return Ok(Grant::Held { holder });
    }
    let values = params![name, holder, id, session.until(ttl)];
    let epoch = one(conn, GRANT, values, read_value)?;
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
    const RENEW: &str = "UPDATE leases SET until = ? WHERE name = ? AND epoch = ? AND session = ? AND holder IS NOT NULL";
    let (epoch, id) = (column(epoch), session.id.as_bytes());
    execute(conn, RENEW, params![session.until(ttl), name, epoch, id])?;
    Ok(conn.changes() > 0)
}

/// Gives a lease back, if it is still held under the epoch.
pub(super) fn release(conn: &Connection, name: &str, epoch: u64) -> Result<(), Fault> {
    const RELEASE: &str = "UPDATE leases SET holder = NULL, until = 0 WHERE name = ? AND epoch = ?";
    execute(conn, RELEASE, params![name, column(epoch)])
}
