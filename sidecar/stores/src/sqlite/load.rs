//! Reading the log, each function within one read snapshot.

use angzarr_coordinator::model::Payload;
use angzarr_coordinator::model::{
    Append, AppendId, CommandKey, CorrelationId, Domain, Position, Root, RootHead, Sequence,
    Snapshot, SnapshotVersion, StreamId, Timestamp,
};
use angzarr_coordinator::port::catalog::CORRELATED_APPENDS;
use angzarr_coordinator::port::log::{Load, Loaded, PartitionPage, PartitionRead, StreamRead};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::append::Stream;
use super::error::Fault;
use super::row::{self, APPEND_COLUMNS, append_columns};

/// What is known of a command id.
pub(super) enum Probe {
    /// It is new.
    Unknown,
    /// It brought this.
    Known(Append),
    /// It was used for another payload.
    Reused,
}

/// Reads what one command needs.
pub(super) fn load(conn: &Connection, load: &Load) -> Result<Loaded, Fault> {
    let found = existing(conn, &load.stream)?;
    if let (Some((id, _)), Some(key)) = (found, &load.key) {
        match probe(conn, id, &load.stream, key)? {
            Probe::Unknown => {}
            Probe::Known(append) => return Ok(Loaded::Known(append)),
            Probe::Reused => return Ok(Loaded::KeyReused(key.id.clone())),
        }
    }
    let next_sequence = found.map_or(Sequence::FIRST, |(_, next)| next);
    if load.expected.is_some_and(|it| it != next_sequence) {
        return Ok(Loaded::Conflict {
            actual: next_sequence,
        });
    }
    let Some((id, _)) = found else {
        return Ok(Loaded::History {
            snapshot: None,
            events: Vec::new(),
            next_sequence,
        });
    };
    let snapshot = match load.snapshot_version {
        Some(version) => usable_snapshot(conn, id, version, load.through)?,
        None => None,
    };
    let from = snapshot
        .as_ref()
        .map_or(Sequence::FIRST, |snapshot| snapshot.sequence.plus(1));
    let mut size = snapshot.as_ref().map_or(0, |kept| kept.state.size());
    let mut events = Vec::new();
    let mut statement = conn.prepare_cached(FROM_SEQUENCE)?;
    let mut rows = statement.query(from_sequence(id, from, Position::ORIGIN))?;
    while let Some(row) = rows.next()? {
        let append = row::read_append(&load.stream, row)?;
        if load
            .through
            .is_some_and(|through| append.first_sequence > through)
        {
            break;
        }
        for event in append.events {
            let is_wanted = event.sequence >= from
                && load.through.is_none_or(|through| event.sequence <= through);
            if is_wanted {
                size += event.size();
                events.push(event);
            }
        }
        if size > load.limit {
            return Ok(Loaded::TooLarge);
        }
    }
    if size > load.limit {
        return Ok(Loaded::TooLarge);
    }
    Ok(Loaded::History {
        snapshot,
        events,
        next_sequence,
    })
}

/// Appends of a stream from the one that holds a sequence on, those that end after a position.
const FROM_SEQUENCE: &str = concat!(
    "SELECT ",
    append_columns!(),
    " FROM appends a WHERE a.id >= coalesce((SELECT max(id) FROM appends WHERE id BETWEEN ?1 AND ?2), ?2)
      AND a.id <= ?3 AND a.last_position > ?4 ORDER BY a.id"
);

fn from_sequence(stream: i64, from: Sequence, after: Position) -> [i64; 4] {
    [
        row::append_key(stream, Sequence::FIRST),
        row::append_key(stream, from),
        row::last_append_key(stream),
        row::column(after.0),
    ]
}

/// Looks a command id up.
pub(super) fn probe(
    conn: &Connection,
    id: i64,
    stream: &StreamId,
    key: &CommandKey,
) -> Result<Probe, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT hash, first_sequence, empty FROM commands WHERE stream = ? AND command_id = ?",
    )?;
    let mut rows = statement.query(params![id, key.id.as_str()])?;
    let Some(row) = rows.next()? else {
        return Ok(Probe::Unknown);
    };
    let hash: [u8; 32] = row.get(0)?;
    if hash != key.hash.0 {
        return Ok(Probe::Reused);
    }
    let first = Sequence(row.get(1)?);
    let empty = row.get_ref(2)?.as_blob_or_null().map_err(row::from_sql)?;
    let append = match empty {
        Some(blob) => row::decode_empty(blob, stream, &key.id, first)?,
        None => read_at(conn, id, stream, first)?,
    };
    Ok(Probe::Known(append))
}

fn read_at(
    conn: &Connection,
    id: i64,
    stream: &StreamId,
    first: Sequence,
) -> Result<Append, Fault> {
    const AT: &str = concat!(
        "SELECT ",
        append_columns!(),
        " FROM appends a WHERE a.id = ?"
    );
    let mut statement = conn.prepare_cached(AT)?;
    let mut rows = statement.query([row::append_key(id, first)])?;
    match rows.next()? {
        Some(row) => row::read_append(stream, row),
        None => Err(Fault::corrupt("command", "its append is missing")),
    }
}

fn usable_snapshot(
    conn: &Connection,
    stream: i64,
    version: SnapshotVersion,
    through: Option<Sequence>,
) -> Result<Option<Snapshot>, Fault> {
    let read = |row: &Row<'_>| {
        let value: Vec<u8> = row.get(4)?;
        Ok(Snapshot {
            sequence: Sequence(row.get(0)?),
            version,
            created_at: Timestamp {
                seconds: row.get(1)?,
                nanos: row.get(2)?,
            },
            state: Payload {
                type_url: row.get(3)?,
                value: value.into(),
            },
        })
    };
    let snapshot = conn
        .prepare_cached(
            "SELECT sequence, seconds, nanos, type_url, state FROM snapshots WHERE stream = ? AND version = ?",
        )?
        .query_row(params![stream, version.0], read)
        .optional()?;
    Ok(snapshot.filter(|snapshot| through.is_none_or(|through| snapshot.sequence <= through)))
}

/// A domain's number, if it has one.
pub(super) fn partition_id(conn: &Connection, domain: &Domain) -> Result<Option<i64>, Fault> {
    Ok(conn
        .prepare_cached("SELECT id FROM partitions WHERE domain = ?")?
        .query_row([domain.as_str()], |row| row.get(0))
        .optional()?)
}

/// The end of a partition, if it has any append.
pub(super) fn head(
    conn: &Connection,
    partition: i64,
) -> Result<Option<(Position, AppendId)>, Fault> {
    let mut statement = conn.prepare_cached(
        "SELECT id, append_id FROM log WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1",
    )?;
    let range = [
        row::place_key(partition, Position::ORIGIN),
        row::last_place_key(partition),
    ];
    let mut rows = statement.query(range)?;
    match rows.next()? {
        Some(found) => Ok(Some((
            row::place_position(found.get(0)?),
            row::read_append_id(found.get_ref(1)?.as_blob().map_err(row::from_sql)?)?,
        ))),
        None => Ok(None),
    }
}

/// A stream's number and length.
pub(super) fn find_stream(
    conn: &Connection,
    partition: i64,
    stream: &StreamId,
) -> Result<Stream, Fault> {
    let found = conn
        .prepare_cached(
            "SELECT id, next_sequence FROM streams WHERE partition = ? AND edition = ? AND root = ?",
        )?
        .query_row(
            params![
                partition,
                row::edition_column(&stream.edition),
                stream.root.as_bytes()
            ],
            |row| {
                Ok(Stream {
                    id: Some(row.get(0)?),
                    next: Sequence(row.get(1)?),
                })
            },
        )
        .optional()?;
    Ok(found.unwrap_or(Stream::NEW))
}

/// The number and the length of a stream, if there is one.
fn existing(conn: &Connection, stream: &StreamId) -> Result<Option<(i64, Sequence)>, Fault> {
    let Some(partition) = partition_id(conn, &stream.domain)? else {
        return Ok(None);
    };
    let found = find_stream(conn, partition, stream)?;
    Ok(found.id.map(|id| (id, found.next)))
}

/// Reads whole appends of a stream.
pub(super) fn read_stream(conn: &Connection, read: &StreamRead) -> Result<Vec<Append>, Fault> {
    let Some((id, _)) = existing(conn, &read.stream)? else {
        return Ok(Vec::new());
    };
    let mut statement = conn.prepare_cached(FROM_SEQUENCE)?;
    let mut rows = statement.query(from_sequence(id, read.from, read.after))?;
    let mut appends = Vec::new();
    let mut size = 0;
    while let Some(row) = rows.next()? {
        let append = row::read_append(&read.stream, row)?;
        // The append before the one that holds the sequence, where the sequence is past the end.
        if append.next_sequence() <= read.from {
            continue;
        }
        size += append.size();
        appends.push(append);
        if size > read.limit {
            break;
        }
    }
    Ok(appends)
}

/// Reads whole appends of a partition.
pub(super) fn read_partition(
    conn: &Connection,
    read: &PartitionRead,
) -> Result<PartitionPage, Fault> {
    let mut page = PartitionPage {
        previous: None,
        appends: Vec::new(),
        head: Position::ORIGIN,
        head_append: None,
    };
    let Some(partition) = partition_id(conn, &read.domain)? else {
        return Ok(page);
    };
    if let Some((position, append)) = head(conn, partition)? {
        page.head = position;
        page.head_append = Some(append);
    }
    page.previous = append_at(conn, partition, read.after)?;
    if read.limit == 0 {
        return Ok(page);
    }
    let mut size = 0;
    let mut statement = conn.prepare_cached(PLACES)?;
    let range = [
        row::place_key(partition, read.after),
        row::last_place_key(partition),
    ];
    let mut rows = statement.query(range)?;
    while let Some(row) = rows.next()? {
        let append = read_placed(&read.domain, row)?;
        size += append.size();
        page.appends.push(append);
        if size > read.limit {
            break;
        }
    }
    Ok(page)
}

/// Appends by their place in the log, with edition and root of their stream.
const PLACES: &str = concat!(
    "SELECT ",
    append_columns!(),
    ", s.edition, s.root FROM log l JOIN appends a ON a.id = l.append JOIN streams s ON s.id = (l.append >> 32)
      WHERE l.id > ? AND l.id <= ? ORDER BY l.id"
);

fn read_placed(domain: &Domain, row: &Row<'_>) -> Result<Append, Fault> {
    let stream = row::read_stream_id(domain, row, APPEND_COLUMNS)?;
    row::read_append(&stream, row)
}

fn append_at(
    conn: &Connection,
    partition: i64,
    position: Position,
) -> Result<Option<AppendId>, Fault> {
    let mut statement = conn.prepare_cached("SELECT append_id FROM log WHERE id = ?")?;
    let mut rows = statement.query([row::place_key(partition, position)])?;
    match rows.next()? {
        Some(found) => {
            let id = found.get_ref(0)?.as_blob().map_err(row::from_sql)?;
            row::read_append_id(id).map(Some)
        }
        None => Ok(None),
    }
}

/// Lists roots of the main timeline that have events.
pub(super) fn list_roots(
    conn: &Connection,
    domain: &Domain,
    after: Option<Root>,
    limit: usize,
) -> Result<Vec<RootHead>, Fault> {
    let Some(partition) = partition_id(conn, domain)? else {
        return Ok(Vec::new());
    };
    let mut statement = conn.prepare_cached(
        "SELECT root, next_sequence FROM streams WHERE partition = ? AND edition = '' AND root > ? AND next_sequence > 0
         ORDER BY root LIMIT ?",
    )?;
    let after: &[u8] = after.as_ref().map_or(&[], |root| root.as_bytes());
    let mut rows = statement.query(params![partition, after, row::row_limit(limit)])?;
    let mut heads = Vec::new();
    while let Some(found) = rows.next()? {
        heads.push(RootHead {
            root: row::read_root(found.get_ref(0)?.as_blob().map_err(row::from_sql)?)?,
            next_sequence: Sequence(found.get(1)?),
        });
    }
    Ok(heads)
}

/// Reads whole appends of one correlation id.
pub(super) fn read_correlated(
    conn: &Connection,
    domain: &Domain,
    correlation: &CorrelationId,
    after: Position,
    limit: usize,
) -> Result<Vec<Append>, Fault> {
    const CORRELATED: &str = concat!(
        "SELECT ",
        append_columns!(),
        ", s.edition, s.root FROM log l JOIN appends a ON a.id = l.append JOIN streams s ON s.id = (l.append >> 32)
          WHERE l.correlation_id = ? AND l.id > ? AND l.id <= ? ORDER BY l.id LIMIT ?"
    );
    let Some(partition) = partition_id(conn, domain)? else {
        return Ok(Vec::new());
    };
    let mut statement = conn.prepare_cached(CORRELATED)?;
    let mut rows = statement.query(params![
        correlation.as_str(),
        row::place_key(partition, after),
        row::last_place_key(partition),
        row::row_limit(CORRELATED_APPENDS)
    ])?;
    let mut appends = Vec::new();
    let mut size = 0;
    while let Some(row) = rows.next()? {
        let append = read_placed(domain, row)?;
        size += append.size();
        appends.push(append);
        if size > limit {
            break;
        }
    }
    Ok(appends)
}
