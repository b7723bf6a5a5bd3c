//! Opening the database file: the lock, the settings, the schema and who the store is.
//!
//! # Design
//! The file carries two numbers: the format that its tables have, and the oldest reader that can use them. What a step adds, older releases do not
//! need, so that the release before can go on with the file.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use angzarr_coordinator::model::{Incarnation, StoreId, StoreIdentity};
use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use super::error::OpenError;
use super::lock;
use crate::stored::{Columns, read_identity};

/// The format that this version writes and reads.
const FORMAT: u32 = 2;
/// Each step from a format to the next, with the oldest reader of what it leaves.
const STEPS: [(u32, &str); 2] = [
    (1, include_str!("schema/0001_tables.sql")),
    (1, include_str!("schema/0002_attempts.sql")),
];
/// The oldest SQLite without the fault that can corrupt a WAL when it is reset.
const NEEDED: (i32, &str) = (3_051_003, "3.51.3");
/// Connections for reads.
const READERS: usize = 4;
/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 64;
/// How long a connection waits for another one of this process.
const BUSY: Duration = Duration::from_secs(5);

/// An open database.
pub(super) struct Opened {
    pub(super) writer: Connection,
    pub(super) readers: Vec<Connection>,
    pub(super) identity: StoreIdentity,
    /// Held as long as the store is open.
    pub(super) lock: File,
}

/// Opens a database file and makes it, if it is missing.
pub(super) fn open(path: &Path) -> Result<Opened, OpenError> {
    if rusqlite::version_number() < NEEDED.0 {
        return Err(OpenError::OldDriver {
            found: rusqlite::version(),
            needed: NEEDED.1,
        });
    }
    let lock = lock::take(path)?;
    let writer = connect(path).map_err(driver(path))?;
    let identity = prepare(&writer, path)?;
    settle(&writer).map_err(driver(path))?;
    sync_folder(path)?;
    let readers: Result<Vec<_>, _> = (0..READERS).map(|_| connect_reader(path)).collect();
    Ok(Opened {
        writer,
        readers: readers.map_err(driver(path))?,
        identity,
        lock,
    })
}

fn driver(path: &Path) -> impl Fn(rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    move |source| {
        let path = path.clone();
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => OpenError::Full { path, source },
            _ => OpenError::Driver { path, source },
        }
    }
}

/// Makes the entry of a new file durable.
fn sync_folder(path: &Path) -> Result<(), OpenError> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| OpenError::File {
        what: "sync the folder",
        path: folder.to_owned(),
        source,
    })
}

fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let conn = Connection::open(path)?;
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "cache_size", -8_192)?;
    // The file keeps its size over checkpoints, so that a flush writes data only.
    conn.pragma_update_and_check(None, "journal_size_limit", -1, |_| Ok(()))?;
    conn.pragma_update_and_check(None, "wal_autocheckpoint", 4_000, |_| Ok(()))?;
    Ok(conn)
}

fn connect_reader(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.pragma_update(None, "cache_size", -4_096)?;
    conn.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    Ok(conn)
}

/// Brings the schema to our format, unless it is newer, and says which history the store holds.
fn prepare(conn: &Connection, path: &Path) -> Result<StoreIdentity, OpenError> {
    let version = read_version(conn, path)?;
    migrate(conn, version).map_err(driver(path))?;
    let identity = conn.query_row(
        "SELECT store_id, incarnation FROM format WHERE id = 1",
        [],
        |found| Ok(read_identity(&mut Columns::from(found, 0))),
    );
    identity
        .map_err(driver(path))?
        .map_err(|_| OpenError::NotAStore {
            path: path.to_owned(),
        })
}

/// The format of the tables; 0 where there are none.
fn read_version(conn: &Connection, path: &Path) -> Result<u32, OpenError> {
    let tables: Result<(i64, i64), _> = conn.query_row(
        "SELECT count(*), count(*) FILTER (WHERE type = 'table' AND name = 'format') FROM sqlite_schema",
        [],
        |found| Ok((found.get(0)?, found.get(1)?)),
    );
    match tables.map_err(driver(path))? {
        (0, _) => return Ok(0),
        (_, 0) => {
            return Err(OpenError::NotAStore {
                path: path.to_owned(),
            });
        }
        _ => {}
    }
    let read = conn.query_row(
        "SELECT version, min_reader FROM format WHERE id = 1",
        [],
        |found| Ok((found.get(0)?, found.get(1)?)),
    );
    let (version, min_reader) = read.map_err(driver(path))?;
    if min_reader > FORMAT {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            version,
            min_reader,
            ours: FORMAT,
        });
    }
    Ok(version)
}

/// Takes the steps from a format to ours, all or none.
fn migrate(conn: &Connection, version: u32) -> Result<(), rusqlite::Error> {
    let migration = conn.unchecked_transaction()?;
    for (format, (min_reader, step)) in (1..=FORMAT).zip(STEPS) {
        if format > version {
            conn.execute_batch(step)?;
            stamp(conn, format, min_reader)?;
        }
    }
    migration.commit()
}

/// Writes what earlier processes left in the WAL into the main file, flushed, and begins the WAL again.
///
/// # Design
/// A process ends when a flush fails. What it had written may still be read by the next one, out of the system's memory, although it is not on the
/// disk and no later flush brings it there: after a failure the system takes it for clean. Writing it again is what makes it durable; until then it
/// may neither be shown nor followed by other writes.
fn settle(conn: &Connection) -> Result<(), rusqlite::Error> {
    let is_busy: bool = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_busy {
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        return Err(rusqlite::Error::SqliteFailure(busy, None));
    }
    Ok(())
}

fn stamp(conn: &Connection, version: u32, min_reader: u32) -> Result<(), rusqlite::Error> {
    conn.execute(
        "INSERT INTO format (id, version, min_reader, store_id, incarnation) VALUES (1, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET version = excluded.version, min_reader = excluded.min_reader",
        params![
            version,
            min_reader,
            StoreId::random().as_bytes(),
            Incarnation::random().as_bytes()
        ],
    )?;
    Ok(())
}
