//! Converts the numbers of an operation to values of the ports.

use std::time::Duration;

use angzarr_coordinator::command::payload_hash;
use angzarr_coordinator::model::{
    AppendId, Code, Command, CommandId, CommandKey, ConsumerId, ConsumerKind, CorrelationId,
    Cursor, Domain, Edition, ExternalId, ExternalKey, Facts, Incarnation, MergeStrategy, NewEvent,
    Origin, Payload, PayloadHash, Position, Root, Sequence, Snapshot, SnapshotVersion, Status,
    StoreId, StoreIdentity, StreamId, Timestamp,
};
use angzarr_coordinator::port::log::Load;
use angzarr_coordinator::port::progress::{Malformed, Outgoing, OutgoingId, Parked, Step, Work};
use angzarr_coordinator::port::writer::Proposal;
use uuid::Uuid;

use super::operation::{Cause, LoadOf, Propose, SnapshotOf, StepOf};

pub(crate) fn domain(number: u8) -> Domain {
    Domain::parse(["till", "safe"][usize::from(number)]).unwrap()
}

pub(crate) fn root(number: u8) -> Root {
    Root(Uuid::from_u128(u128::from(number) << 120))
}

pub(crate) fn stream(number: u8) -> StreamId {
    let branch = Edition::parse(Some("what-if")).unwrap();
    StreamId {
        domain: domain(u8::from(number == 4)),
        edition: if number == 5 { branch } else { Edition::Main },
        root: root(number % 4),
    }
}

pub(crate) fn consumer(number: u8) -> ConsumerId {
    ConsumerId {
        namespace: "model".into(),
        kind: [ConsumerKind::Saga, ConsumerKind::Projector][usize::from(number)],
        name: "reader".into(),
    }
}

pub(crate) fn holder(number: u8) -> &'static str {
    ["http://127.0.0.1:1", "http://127.0.0.1:2"][usize::from(number)]
}

/// The duration of a lease: over at once, or longer than any trial.
pub(crate) fn ttl(is_over: bool) -> Duration {
    Duration::from_secs(if is_over { 0 } else { 3_600 })
}

pub(crate) fn correlation(number: u8) -> CorrelationId {
    CorrelationId::parse(&format!("workflow-{number}")).unwrap()
}

/// A place in a source, the same for the same number.
pub(crate) fn cursor(at: u64) -> Cursor {
    Cursor {
        position: Position(at),
        append_id: (at > 0).then(|| AppendId(Uuid::from_u128(u128::from(at)))),
        identity: StoreIdentity {
            store_id: StoreId(Uuid::from_u128(1)),
            incarnation: Incarnation(Uuid::from_u128(2)),
        },
    }
}

fn payload(name: &str, size: u8) -> Payload {
    Payload {
        type_url: format!("type.googleapis.com/model.v1.{name}"),
        value: vec![size; usize::from(size)].into(),
    }
}

fn time(seconds: u8) -> Timestamp {
    Timestamp {
        seconds: i64::from(seconds) - 20,
        nanos: 999_999_999 - i32::from(seconds),
    }
}

pub(crate) fn key((id, payload): (u8, u8)) -> CommandKey {
    CommandKey {
        id: CommandId::parse(&format!("command-{id}")).unwrap(),
        hash: PayloadHash([payload; 32]),
    }
}

/// A fact whose hash is that of its payload.
fn fact((id, size): (u8, u8)) -> NewEvent {
    let payload = payload("Fact", size);
    NewEvent {
        created_at: time(id),
        external: Some(ExternalKey {
            id: ExternalId::parse(&format!("fact-{id}")).unwrap(),
            hash: payload_hash([&payload]),
        }),
        payload,
    }
}

/// Builds a proposal for a stream that has `length` events; ids of appends are numbered.
pub(crate) fn proposal(propose: &Propose, length: u32, number: u128) -> Proposal {
    let expected = propose
        .off
        .map(|off| length.saturating_add_signed(i32::from(off)));
    let (key, events, snapshot) = match &propose.cause {
        Cause::Command {
            id,
            payload,
            sizes,
            snapshot,
        } => {
            let events: Vec<_> = sizes.iter().copied().map(event).collect();
            let snapshot = snapshot.as_ref().and_then(|snapshot| {
                // The last event is known only if the sequence is checked.
                snapshot_of(snapshot, expected? + u32::try_from(events.len()).unwrap())
            });
            (Some(self::key((*id, *payload))), events, snapshot)
        }
        Cause::Facts(facts) => (None, facts.iter().copied().map(fact).collect(), None),
    };
    Proposal {
        deadline: None,
        id: AppendId(Uuid::from_u128(number)),
        stream: stream(propose.stream),
        expected: expected.map(Sequence),
        key,
        correlation_id: correlation(propose.correlation),
        trace_parent: (propose.correlation > 0).then(|| format!("00-{number:032x}-01")),
        events,
        snapshot,
    }
}

fn event(size: u8) -> NewEvent {
    NewEvent {
        payload: payload("Event", size),
        created_at: time(size),
        external: None,
    }
}

fn snapshot_of(of: &SnapshotOf, length: u32) -> Option<Snapshot> {
    let sequence = length.checked_sub(1 + u32::from(of.behind))?;
    Some(Snapshot {
        sequence: Sequence(sequence),
        version: SnapshotVersion(of.version),
        created_at: time(of.behind),
        state: payload("State", u8::try_from(sequence % 50).unwrap()),
    })
}

pub(crate) fn load(of: &LoadOf) -> Load {
    Load {
        stream: stream(of.stream),
        key: of.key.map(key),
        expected: of.expected.map(Sequence),
        snapshot_version: of.version.map(SnapshotVersion),
        through: of.through.map(Sequence),
        limit: of.limit,
    }
}

pub(crate) fn work_id(number: u8) -> OutgoingId {
    OutgoingId(format!("work-{number}"))
}

/// Work by its number; the same number from another root is other work under the same id.
fn work(number: u8, trigger: StreamId) -> Outgoing {
    let target = stream(number % 4);
    let facts = |events| {
        Work::Facts(Facts {
            stream: target.clone(),
            correlation_id: correlation(number),
            events,
            expected: (number == 3).then_some(Sequence(7)),
            trace_parent: None,
        })
    };
    let work = match number {
        3 | 4 => facts(vec![fact((number, 3)), fact((number + 1, 4))]),
        5 => Work::Malformed(Malformed {
            target: target.to_string(),
            reason: "it cannot be executed".to_owned(),
        }),
        _ => Work::Command(command(number, target.clone(), &trigger)),
    };
    Outgoing {
        id: work_id(number),
        trigger,
        work,
    }
}

fn command(number: u8, target: StreamId, trigger: &StreamId) -> Command {
    let origin = Origin {
        component: "reader".to_owned(),
        trigger: trigger.clone(),
        sequence: Sequence(u32::from(number)),
        index: 1,
    };
    Command {
        stream: target,
        id: key((number, 0)).id,
        correlation_id: correlation(number),
        expected: Sequence(u32::from(number)),
        merge_strategy: [MergeStrategy::Strict, MergeStrategy::AggregateHandles]
            [usize::from(number % 2)],
        pages: vec![payload("Do", number), payload("Then", 3)],
        origin: (number > 0).then_some(origin),
        trace_parent: (number > 1).then(|| "00-trace".to_owned()),
    }
}

pub(crate) fn status(number: u32) -> Status {
    Status {
        is_of_logic: false,
        code: [Code::FailedPrecondition, Code::Internal][number as usize % 2],
        message: format!("refusal {number}"),
        details: vec![1; number as usize].into(),
    }
}

pub(crate) fn step(of: &StepOf) -> Step {
    match of {
        StepOf::Advance {
            stream,
            next,
            work,
            hours,
        } => {
            let trigger = self::stream(*stream);
            Step::Advance {
                next: Sequence(*next),
                outgoing: work
                    .iter()
                    .map(|number| self::work(*number, trigger.clone()))
                    .collect(),
                stream: trigger,
                may_land_within: Duration::from_hours(*hours),
            }
        }
        StepOf::Attempt { work, hours } => Step::Attempt {
            id: work_id(*work),
            may_land_within: Duration::from_hours(*hours),
        },
        StepOf::MoveCursor { domain, at } => Step::MoveCursor {
            domain: self::domain(*domain),
            cursor: cursor(*at),
        },
        StepOf::Park { stream, sequence } => Step::Park {
            stream: self::stream(*stream),
            parked: Parked {
                sequence: Sequence(*sequence),
                attempts: sequence + 1,
                error: status(*sequence),
            },
        },
        StepOf::Unpark { stream } => Step::Unpark {
            stream: self::stream(*stream),
        },
        StepOf::Settle { work, is_refused } => Step::Settle {
            id: work_id(*work),
            refusal: is_refused.then(|| status(u32::from(*work))),
        },
        StepOf::Resend { work } => Step::Resend { id: work_id(*work) },
        StepOf::Discard { work } => Step::Discard { id: work_id(*work) },
    }
}
