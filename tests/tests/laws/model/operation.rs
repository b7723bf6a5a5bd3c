//! The operations on a store, with few streams, ids and places, so that operations collide.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// The number of operations of a history.
const OPERATIONS: std::ops::Range<usize> = 1..40;

/// One call, or several related calls.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    OfLog(OfLog),
    OfConsumer(u8, OfConsumer),
    Restart,
}

/// A call of the log or the catalogue.
#[derive(Debug, Clone)]
pub(crate) enum OfLog {
    Append(Vec<Propose>),
    /// The last batch again, as after a lost reply.
    Repeat,
    Load(Vec<LoadOf>),
    ReadStream {
        stream: u8,
        from: u32,
        after: u64,
        limit: usize,
    },
    ReadPartition {
        domain: u8,
        after: u64,
        limit: usize,
    },
    ListRoots {
        domain: u8,
        after: Option<u8>,
        limit: usize,
    },
    ReadCorrelated {
        domain: u8,
        correlation: u8,
        after: u64,
        limit: usize,
    },
}

/// A call for one consumer.
#[derive(Debug, Clone)]
pub(crate) enum OfConsumer {
    OpenSource {
        domain: u8,
        at: u64,
    },
    ReadProgress,
    Write {
        epoch: Epoch,
        steps: Vec<StepOf>,
        cause: Option<Propose>,
        beside: Vec<Propose>,
    },
    ListWork {
        skip: usize,
        limit: usize,
    },
    ListParked {
        after: Option<u8>,
        limit: usize,
    },
    ReadWork {
        work: u8,
    },
    Acquire {
        holder: u8,
        is_over: bool,
    },
    Renew {
        epoch: Epoch,
    },
    Release {
        epoch: Epoch,
    },
}

/// A proposal; relative values refer to the events of the stream, including those of the batch.
#[derive(Debug, Clone)]
pub(crate) struct Propose {
    pub(crate) stream: u8,
    pub(crate) cause: Cause,
    /// The difference of the expected sequence from the correct one.
    pub(crate) off: Option<i8>,
    pub(crate) correlation: u8,
}

#[derive(Debug, Clone)]
pub(crate) enum Cause {
    Command {
        id: u8,
        payload: u8,
        sizes: Vec<u8>,
        snapshot: Option<SnapshotOf>,
    },
    /// External ids, each with a number for its payload.
    Facts(Vec<(u8, u8)>),
}

#[derive(Debug, Clone)]
pub(crate) struct SnapshotOf {
    /// The number of events of the proposal that it does not include.
    pub(crate) behind: u8,
    pub(crate) version: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct LoadOf {
    pub(crate) stream: u8,
    pub(crate) key: Option<(u8, u8)>,
    pub(crate) expected: Option<u32>,
    pub(crate) version: Option<u32>,
    pub(crate) through: Option<u32>,
    pub(crate) limit: usize,
}

/// The epoch of a consumer's lease that is used.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Epoch {
    Current,
    /// That of an earlier grant.
    Former(u8),
    NeverGranted,
}

#[derive(Debug, Clone)]
pub(crate) enum StepOf {
    Advance {
        stream: u8,
        next: u32,
        work: Vec<u8>,
        hours: u64,
    },
    MoveCursor {
        domain: u8,
        at: u64,
    },
    Park {
        stream: u8,
        sequence: u32,
    },
    Unpark {
        stream: u8,
    },
    Attempt {
        work: u8,
        hours: u64,
    },
    Settle {
        work: u8,
        is_refused: bool,
    },
    Resend {
        work: u8,
    },
    Discard {
        work: u8,
    },
}

/// Any history of operations.
pub(crate) fn histories() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        4 => writing().prop_map(Operation::OfLog),
        3 => reading().prop_map(Operation::OfLog),
        4 => (0..CONSUMERS, consuming()).prop_map(|(consumer, call)| Operation::OfConsumer(consumer, call)),
        1 => Just(Operation::Restart),
    ];
    vec(operation, OPERATIONS)
}

fn writing() -> impl Strategy<Value = OfLog> {
    prop_oneof![
        6 => vec(propose(), 1..5).prop_map(OfLog::Append),
        1 => Just(OfLog::Repeat),
    ]
}

fn propose() -> impl Strategy<Value = Propose> {
    let snapshot = (0..4_u8, 0..2_u32).prop_map(|(behind, version)| SnapshotOf { behind, version });
    let command = (0..20_u8, hash(), vec(0..40_u8, 0..4), option::of(snapshot)).prop_map(
        |(id, payload, sizes, snapshot)| Cause::Command {
            id,
            payload,
            sizes,
            snapshot,
        },
    );
    let facts = vec((0..8_u8, hash()), 1..4).prop_map(Cause::Facts);
    let cause = prop_oneof![3 => command, 1 => facts];
    let off = prop_oneof![3 => Just(Some(0)), 2 => Just(None), 1 => (-2..3_i8).prop_map(Some)];
    (0..STREAMS, cause, off, 0..3_u8).prop_map(|(stream, cause, off, correlation)| Propose {
        stream,
        cause,
        off,
        correlation,
    })
}

/// The number of a payload, rarely another one than usual.
fn hash() -> impl Strategy<Value = u8> {
    prop_oneof![6 => Just(0), 1 => Just(1)]
}

fn reading() -> impl Strategy<Value = OfLog> {
    let load = (
        stream(),
        option::of((0..20_u8, hash())),
        option::of(0..8_u32),
        option::of(0..2_u32),
        option::of(0..12_u32),
        limit(),
    )
        .prop_map(|(stream, key, expected, version, through, limit)| LoadOf {
            stream,
            key,
            expected,
            version,
            through,
            limit,
        });
    prop_oneof![
        3 => vec(load, 1..4).prop_map(OfLog::Load),
        1 => (stream(), 0..12_u32, 0..30_u64, limit())
            .prop_map(|(stream, from, after, limit)| OfLog::ReadStream { stream, from, after, limit }),
        1 => (domain(), 0..40_u64, limit())
            .prop_map(|(domain, after, limit)| OfLog::ReadPartition { domain, after, limit }),
        1 => (domain(), option::of(0..3_u8), 0..4_usize)
            .prop_map(|(domain, after, limit)| OfLog::ListRoots { domain, after, limit }),
        1 => (domain(), 0..3_u8, 0..30_u64, 0..6_usize)
            .prop_map(|(domain, correlation, after, limit)| OfLog::ReadCorrelated { domain, correlation, after, limit }),
    ]
}

fn consuming() -> impl Strategy<Value = OfConsumer> {
    prop_oneof![
        1 => (domain(), 0..20_u64).prop_map(|(domain, at)| OfConsumer::OpenSource { domain, at }),
        1 => Just(OfConsumer::ReadProgress),
        5 => (epoch(), vec(step(), 1..6), option::weighted(0.3, propose()), vec(propose(), 0..3))
            .prop_map(|(epoch, steps, cause, beside)| OfConsumer::Write { epoch, steps, cause, beside }),
        2 => (0..3_usize, 0..6_usize).prop_map(|(skip, limit)| OfConsumer::ListWork { skip, limit }),
        1 => (option::of(stream()), 0..4_usize).prop_map(|(after, limit)| OfConsumer::ListParked { after, limit }),
        1 => work().prop_map(|work| OfConsumer::ReadWork { work }),
        3 => (0..2_u8, any::<bool>()).prop_map(|(holder, is_over)| OfConsumer::Acquire { holder, is_over }),
        1 => epoch().prop_map(|epoch| OfConsumer::Renew { epoch }),
        1 => epoch().prop_map(|epoch| OfConsumer::Release { epoch }),
    ]
}

fn step() -> impl Strategy<Value = StepOf> {
    prop_oneof![
        4 => (stream(), 0..8_u32, vec(work(), 0..3), 0..5_u64)
            .prop_map(|(stream, next, work, hours)| StepOf::Advance { stream, next, work, hours }),
        1 => (work(), 0..9_u64).prop_map(|(work, hours)| StepOf::Attempt { work, hours }),
        1 => (domain(), 0..20_u64).prop_map(|(domain, at)| StepOf::MoveCursor { domain, at }),
        1 => (stream(), 0..8_u32).prop_map(|(stream, sequence)| StepOf::Park { stream, sequence }),
        1 => stream().prop_map(|stream| StepOf::Unpark { stream }),
        2 => (work(), any::<bool>()).prop_map(|(work, is_refused)| StepOf::Settle { work, is_refused }),
        1 => work().prop_map(|work| StepOf::Resend { work }),
        1 => work().prop_map(|work| StepOf::Discard { work }),
    ]
}

fn epoch() -> impl Strategy<Value = Epoch> {
    prop_oneof![
        6 => Just(Epoch::Current),
        1 => (1..3_u8).prop_map(Epoch::Former),
        1 => Just(Epoch::NeverGranted),
    ]
}

/// Streams, over two domains; the last is a branch.
pub(crate) const STREAMS: u8 = 6;
/// Consumers.
pub(crate) const CONSUMERS: u8 = 2;
/// Domains.
pub(crate) const DOMAINS: u8 = 2;

fn stream() -> impl Strategy<Value = u8> {
    0..STREAMS
}

fn domain() -> impl Strategy<Value = u8> {
    0..DOMAINS
}

fn work() -> impl Strategy<Value = u8> {
    0..6_u8
}

/// Bytes: nothing, some events, everything.
fn limit() -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(0), 2 => 1..300_usize, 3 => Just(1 << 20)]
}
