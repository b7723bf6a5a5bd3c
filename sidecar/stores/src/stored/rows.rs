//! Model types from the columns of a row. Each function says which columns it reads, in their order.

use std::time::Duration;

use angzarr_coordinator::model::{
    Append, AppendId, Code, CommandId, CorrelationId, Cursor, Domain, Edition, Incarnation,
    Payload, Position, Root, RootHead, Sequence, Snapshot, SnapshotVersion, Status, StoreId,
    StoreIdentity, StreamId, Timestamp,
};
use angzarr_coordinator::port::backlog::{KeptWork, WorkHead};
use angzarr_coordinator::port::progress::{
    Outgoing, OutgoingId, Parked, RootProgress, SourceProgress,
};

use super::columns::Columns;
use super::{Corrupt, decode_events, decode_target, decode_work};

/// Reads store id and incarnation.
pub(crate) fn read_identity(columns: &mut Columns<'_>) -> Result<StoreIdentity, Corrupt> {
    Ok(StoreIdentity {
        store_id: StoreId(columns.read()?),
        incarnation: Incarnation(columns.read()?),
    })
}

/// Reads domain, edition and root.
fn read_stream(columns: &mut Columns<'_>) -> Result<StreamId, Corrupt> {
    let domain = columns.parse(Domain::parse)?;
    read_stream_of(&domain, columns)
}

/// Reads edition and root.
fn read_stream_of(domain: &Domain, columns: &mut Columns<'_>) -> Result<StreamId, Corrupt> {
    Ok(StreamId {
        domain: domain.clone(),
        edition: columns.parse(|name| Edition::parse(Some(name)))?,
        root: Root(columns.read()?),
    })
}

/// Reads root and next sequence.
pub(crate) fn read_root_head(columns: &mut Columns<'_>) -> Result<RootHead, Corrupt> {
    Ok(RootHead {
        root: Root(columns.read()?),
        next_sequence: Sequence(columns.read()?),
    })
}

/// Reads first sequence, last position, id, correlation id, command id, trace parent and events; absent events are none.
pub(crate) fn read_append(stream: &StreamId, columns: &mut Columns<'_>) -> Result<Append, Corrupt> {
    let first_sequence = Sequence(columns.read()?);
    let last_position = Position(columns.read()?);
    Ok(Append {
        id: AppendId(columns.read()?),
        stream: stream.clone(),
        first_sequence,
        last_position,
        correlation_id: columns.parse(CorrelationId::parse)?,
        command_id: columns.parse_optional(CommandId::parse)?,
        trace_parent: columns.read_optional()?,
        events: match columns.read_optional()? {
            Some(events) => decode_events(events, first_sequence, last_position)?,
            None => Vec::new(),
        },
    })
}

/// Reads edition and root, and then what [`read_append`] reads.
pub(crate) fn read_append_of(
    domain: &Domain,
    columns: &mut Columns<'_>,
) -> Result<Append, Corrupt> {
    let stream = read_stream_of(domain, columns)?;
    read_append(&stream, columns)
}

/// Reads sequence, version, seconds, nanos, type URL and state; absent without a sequence.
pub(crate) fn read_snapshot(columns: &mut Columns<'_>) -> Result<Option<Snapshot>, Corrupt> {
    let Some(sequence) = columns.read_optional()? else {
        return Ok(None);
    };
    Ok(Some(Snapshot {
        sequence: Sequence(sequence),
        version: SnapshotVersion(columns.read()?),
        created_at: Timestamp {
            seconds: columns.read()?,
            nanos: columns.read()?,
        },
        state: Payload {
            type_url: columns.read()?,
            value: columns.read()?,
        },
    }))
}

/// Reads position, append id, store id and incarnation, where a consumer started and then where it is.
pub(crate) fn read_source(columns: &mut Columns<'_>) -> Result<SourceProgress, Corrupt> {
    Ok(SourceProgress {
        start: read_cursor(columns)?,
        cursor: read_cursor(columns)?,
    })
}

fn read_cursor(columns: &mut Columns<'_>) -> Result<Cursor, Corrupt> {
    Ok(Cursor {
        position: Position(columns.read()?),
        append_id: columns.read_optional()?.map(AppendId),
        identity: read_identity(columns)?,
    })
}

/// Reads next sequence, and then what [`read_parked`] reads.
pub(crate) fn read_root(columns: &mut Columns<'_>) -> Result<RootProgress, Corrupt> {
    Ok(RootProgress {
        next_sequence: columns.read_optional()?.map(Sequence),
        parked: read_parked(columns)?,
    })
}

/// Reads domain, edition and root, and then what [`read_parked`] reads.
pub(crate) fn read_parked_root(columns: &mut Columns<'_>) -> Result<(StreamId, Parked), Corrupt> {
    let stream = read_stream(columns)?;
    let parked = read_parked(columns)?;
    let missing = || Corrupt::new("parked root: its sequence is missing");
    Ok((stream, parked.ok_or_else(missing)?))
}

/// Reads sequence, attempts, code, message and details; absent without a sequence.
fn read_parked(columns: &mut Columns<'_>) -> Result<Option<Parked>, Corrupt> {
    let Some(sequence) = columns.read_optional()? else {
        return Ok(None);
    };
    let missing = || Corrupt::new("parked root: its error is missing");
    Ok(Some(Parked {
        sequence: Sequence(sequence),
        attempts: columns.read()?,
        error: read_status(columns)?.ok_or_else(missing)?,
    }))
}

/// Reads code, message and details; absent without a code.
fn read_status(columns: &mut Columns<'_>) -> Result<Option<Status>, Corrupt> {
    let Some(code) = columns.read_optional()? else {
        return Ok(None);
    };
    let unknown = || Corrupt::new(format!("status code: {code}"));
    Ok(Some(Status {
        code: Code::from_number(code).ok_or_else(unknown)?,
        message: columns.read()?,
        details: columns.read()?,
        is_of_logic: false,
    }))
}

/// Reads place, id, the stream of the trigger, the first bytes of command and facts, the bytes of both, and for how many microseconds attempts may
/// still take effect.
pub(crate) fn read_work_head(columns: &mut Columns<'_>) -> Result<WorkHead, Corrupt> {
    Ok(WorkHead {
        place: columns.read()?,
        id: OutgoingId(columns.read()?),
        trigger: read_stream(columns)?,
        target: decode_target(columns.read_optional()?, columns.read_optional()?)?,
        bytes: columns.read()?,
        may_land_for: columns.read_optional()?.map(Duration::from_micros),
    })
}

/// Reads id, the stream of the trigger, command, facts, trace parent, and the refusal as code, message and details; absent without an id.
pub(crate) fn read_work(columns: &mut Columns<'_>) -> Result<Option<KeptWork>, Corrupt> {
    let Some(id) = columns.read_optional()? else {
        return Ok(None);
    };
    let outgoing = Outgoing {
        id: OutgoingId(id),
        trigger: read_stream(columns)?,
        work: decode_work(
            columns.read_optional()?,
            columns.read_optional()?,
            columns.read_optional()?,
        )?,
    };
    let refusal = read_status(columns)?;
    Ok(Some(KeptWork { outgoing, refusal }))
}
