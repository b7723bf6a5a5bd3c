//! Reading the log, each function within one read snapshot.

use angzarr_coordinator::model::{
    Append, AppendId, CommandKey, Domain, Position, Sequence, StreamId,
};
use angzarr_coordinator::port::log::{Load, Loaded, PartitionPage, PartitionRead, StreamRead};
use rusqlite::{Connection, Params, params};

use super::append::Stream;
use super::error::Fault;
use super::row::{self, append_columns, append_key, place_key};
use super::statement::{find, scan};
use crate::stored::{
    Columns, Corrupt, EMPTY_PAGE, Reading, column, edition_column, read_append, read_append_of,
    read_snapshot, read_value,
};

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
    const SNAPSHOT: &str =
        "SELECT sequence, version, seconds, nanos, type_url, state FROM snapshots
         WHERE stream = ? AND version = ? AND sequence <= ?";
    let stream = find_stream(conn, &load.stream)?;
    if let (Some(stream), Some(key)) = (stream, &load.key) {
        match probe(conn, stream.id, &load.stream, key)? {
            Probe::Unknown => {}
            Probe::Known(append) => return Ok(Loaded::Known(append)),
            Probe::Reused => return Ok(Loaded::KeyReused(key.id.clone())),
        }
    }
    let next_sequence = stream.map_or(Sequence::FIRST, |stream| stream.next);
    if load.expected.is_some_and(|it| it != next_sequence) {
        return Ok(Loaded::Conflict {
            actual: next_sequence,
        });
    }
    let Some(Stream { id, .. }) = stream else {
        return Ok(Reading::begin(load, None, next_sequence).finish());
    };
    let through = load.through.unwrap_or(Sequence(u32::MAX));
    let snapshot = match load.snapshot_version {
        Some(version) => find(
            conn,
            SNAPSHOT,
            [id, version.0.into(), through.0.into()],
            read_snapshot,
        )?,
        None => None,
    };
    let mut reading = Reading::begin(load, snapshot.flatten(), next_sequence);
    let range = range(id, reading.from(), through, Position::ORIGIN);
    scan(conn, FROM_SEQUENCE, range, |columns| {
        reading.push(read_append(&load.stream, columns)?);
        Ok(reading.is_too_large())
    })?;
    Ok(reading.finish())
}

/// Appends of a stream from the one that holds a sequence through another, those that end after a position.
const FROM_SEQUENCE: &str = concat!(
    "SELECT ",
    append_columns!(),
    " FROM appends a WHERE a.id >= coalesce((SELECT max(id) FROM appends WHERE id BETWEEN ?1 AND ?2), ?2)
      AND a.id <= ?3 AND a.last_position > ?4 ORDER BY a.id"
);

fn range(stream: i64, from: Sequence, through: Sequence, after: Position) -> [i64; 4] {
    [
        append_key(stream, Sequence::FIRST),
        append_key(stream, from),
        append_key(stream, through),
        column(after.0),
    ]
}

/// Looks a command id up.
pub(super) fn probe(
    conn: &Connection,
    id: i64,
    stream: &StreamId,
    key: &CommandKey,
) -> Result<Probe, Fault> {
    const COMMAND: &str =
        "SELECT hash, first_sequence, empty FROM commands WHERE stream = ? AND command_id = ?";
    const APPEND: &str = concat!(
        "SELECT ",
        append_columns!(),
        " FROM appends a WHERE a.id = ?"
    );
    let found = find(conn, COMMAND, params![id, key.id.as_str()], |columns| {
        let (hash, first) = (columns.read()?, Sequence(columns.read()?));
        Ok((hash, first, columns.read_optional()?))
    })?;
    let Some((hash, first, empty)) = found else {
        return Ok(Probe::Unknown);
    };
    if key.hash != hash {
        return Ok(Probe::Reused);
    }
    if let Some(empty) = empty {
        let append = row::decode_empty(empty, stream, &key.id, first)?;
        return Ok(Probe::Known(append));
    }
    let append = find(conn, APPEND, [append_key(id, first)], |columns| {
        read_append(stream, columns)
    })?;
    let append = append.ok_or_else(|| Corrupt::new("command: its append is missing"))?;
    Ok(Probe::Known(append))
}

/// A domain's number, if it has one.
pub(super) fn partition_id(conn: &Connection, domain: &Domain) -> Result<Option<i64>, Fault> {
    const PARTITION: &str = "SELECT id FROM partitions WHERE domain = ?";
    find(conn, PARTITION, [domain.as_str()], read_value)
}

/// The end of a partition, if it has any append.
pub(super) fn head(
    conn: &Connection,
    partition: i64,
) -> Result<Option<(Position, AppendId)>, Fault> {
    // The position is the lower part of the key.
    const HEAD: &str = "SELECT id & 17592186044415, append_id FROM log WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1";
    let range = [
        place_key(partition, Position::ORIGIN),
        row::last_place_key(partition),
    ];
    find(conn, HEAD, range, |columns| {
        Ok((Position(columns.read()?), AppendId(columns.read()?)))
    })
}

/// A stream's number and length, if it has any record.
pub(super) fn find_stream(conn: &Connection, stream: &StreamId) -> Result<Option<Stream>, Fault> {
    const STREAM: &str = "SELECT id, next_sequence FROM streams
         WHERE partition = (SELECT id FROM partitions WHERE domain = ?) AND edition = ? AND root = ?";
    let edition = edition_column(&stream.edition);
    let values = params![stream.domain.as_str(), edition, stream.root.as_bytes()];
    find(conn, STREAM, values, |columns| {
        Ok(Stream {
            id: columns.read()?,
            next: Sequence(columns.read()?),
        })
    })
}

/// Reads appends until their size exceeds the limit; the one that exceeds it comes as well.
pub(super) fn list_within(
    conn: &Connection,
    limit: usize,
    sql: &str,
    values: impl Params,
    read: impl Fn(&mut Columns<'_>) -> Result<Append, Corrupt>,
) -> Result<Vec<Append>, Fault> {
    let mut appends = Vec::new();
    let mut size = 0;
    scan(conn, sql, values, |columns| {
        let append = read(columns)?;
        size += append.size();
        appends.push(append);
        Ok(size > limit)
    })?;
    Ok(appends)
}

/// Reads whole appends of a stream.
pub(super) fn read_stream(conn: &Connection, read: &StreamRead) -> Result<Vec<Append>, Fault> {
    let Some(stream) = find_stream(conn, &read.stream)? else {
        return Ok(Vec::new());
    };
    // From past the end, the statement finds the last append.
    if stream.next <= read.from {
        return Ok(Vec::new());
    }
    let range = range(stream.id, read.from, Sequence(u32::MAX), read.after);
    list_within(conn, read.limit, FROM_SEQUENCE, range, |columns| {
        read_append(&read.stream, columns)
    })
}

/// Reads whole appends of a partition.
pub(super) fn read_partition(
    conn: &Connection,
    read: &PartitionRead,
) -> Result<PartitionPage, Fault> {
    const PREVIOUS: &str = "SELECT append_id FROM log WHERE id = ?";
    /// Appends by their place in the log.
    const PLACES: &str = concat!(
        "SELECT s.edition, s.root, ",
        append_columns!(),
        " FROM log l JOIN appends a ON a.id = l.append JOIN streams s ON s.id = (l.append >> 32)
          WHERE l.id > ? AND l.id <= ? ORDER BY l.id"
    );
    let mut page = EMPTY_PAGE;
    let Some(partition) = partition_id(conn, &read.domain)? else {
        return Ok(page);
    };
    if let Some((position, append)) = head(conn, partition)? {
        page.head = position;
        page.head_append = Some(append);
    }
    let after = place_key(partition, read.after);
    page.previous = find(conn, PREVIOUS, [after], read_value)?.map(AppendId);
    if read.limit > 0 {
        let range = [after, row::last_place_key(partition)];
        page.appends = list_within(conn, read.limit, PLACES, range, |columns| {
            read_append_of(&read.domain, columns)
        })?;
    }
    Ok(page)
}
