//! The throughput of the port of the shared store without calls of logic: batches of waiting commands, compared with a transaction for each command.

use std::sync::Arc;
use std::time::{Duration, Instant};

use angzarr_coordinator::feed::Heads;
use angzarr_coordinator::model::{
    AppendId, CommandId, CommandKey, CorrelationId, Domain, Edition, NewEvent, Payload,
    PayloadHash, Root, Sequence, SnapshotVersion, StreamId, Timestamp,
};
use angzarr_coordinator::port::log::{Load, Log};
use angzarr_coordinator::port::writer::{Entry, Outcome, Proposal, Writer};
use angzarr_coordinator::write_queue::WriteQueue;
use angzarr_stores::postgres::{PostgresStore, Trips};
use anyhow::{Result, anyhow, bail};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::messages::{DOMAIN, any};
use crate::stores::Stores;

const CALLERS: usize = 64;

/// The figures of the port.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Port {
    /// Commands per second, with waiting commands in one batch.
    pub(crate) batched: f64,
    /// Commands per second, each in its own transaction with a lock.
    pub(crate) alone: f64,
    /// Round trips of a batch.
    pub(crate) trips_per_batch: f64,
    /// Round trips of a batch of loads.
    pub(crate) trips_per_load: f64,
}

/// How a command reaches the store.
#[derive(Clone)]
enum Way {
    Batched(Arc<PostgresStore>, WriteQueue),
    Alone(Arc<PostgresStore>),
}

/// Measures both ways, each in a new schema.
pub(crate) async fn measure(stores: &Stores, duration: Duration) -> Result<Port> {
    let store = PostgresStore::open(stores.schema("port_alone"), Heads::default()).await?;
    let alone = drive(&Way::Alone(store), duration).await?;
    let store = PostgresStore::open(stores.schema("port_batched"), Heads::default()).await?;
    let (writes, writing) =
        WriteQueue::start(store.clone(), Heads::default(), CancellationToken::new());
    let way = Way::Batched(store.clone(), writes);
    let batched = drive(&way, duration).await?;
    drop(way);
    writing.await?;
    Ok(Port {
        batched,
        alone,
        trips_per_batch: ratio(store.write_trips()),
        trips_per_load: ratio(store.load_trips()),
    })
}

fn ratio(trips: Trips) -> f64 {
    trips.round_trips as f64 / trips.asked.max(1) as f64
}

async fn drive(way: &Way, duration: Duration) -> Result<f64> {
    run(way, duration / 3).await?;
    run(way, duration).await
}

async fn run(way: &Way, duration: Duration) -> Result<f64> {
    let begin = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let way = way.clone();
        callers.spawn(async move {
            let mut commands = 0_u64;
            while begin.elapsed() < duration {
                execute(&way).await?;
                commands += 1;
            }
            anyhow::Ok(commands)
        });
    }
    let mut all = 0;
    while let Some(caller) = callers.join_next().await {
        all += caller??;
    }
    Ok(all as f64 / begin.elapsed().as_secs_f64())
}

/// Loads an empty root and appends its first event, like the pipeline for a command.
async fn execute(way: &Way) -> Result<()> {
    let proposal = propose()?;
    let load = Load {
        expected: None,
        stream: proposal.stream.clone(),
        key: proposal.key.clone(),
        snapshot_version: Some(SnapshotVersion(0)),
        through: None,
        limit: 1 << 20,
    };
    let entry = Entry::Proposal(proposal);
    let outcome = match way {
        Way::Batched(store, writes) => {
            store.load(load).await?;
            writes.write(entry).await?
        }
        Way::Alone(store) => {
            store.load(load).await?;
            let mut outcomes = store.write(vec![entry]).await?;
            outcomes.pop().ok_or_else(|| anyhow!("no outcome"))?
        }
    };
    match outcome {
        Outcome::Appended { .. } => Ok(()),
        refused => bail!("a new root was refused: {refused:?}"),
    }
}

fn propose() -> Result<Proposal> {
    let root: [u8; 16] = rand::random();
    let id = uuid::Uuid::from_bytes(root).to_string();
    let event = any("Counted");
    Ok(Proposal {
        deadline: None,
        id: AppendId::random(),
        stream: StreamId {
            domain: Domain::parse(DOMAIN)?,
            edition: Edition::Main,
            root: Root::from_bytes(&root)?,
        },
        expected: Some(Sequence::FIRST),
        key: Some(CommandKey {
            id: CommandId::parse(&id)?,
            hash: PayloadHash([7; 32]),
        }),
        correlation_id: CorrelationId::parse(&id)?,
        trace_parent: None,
        events: vec![NewEvent {
            payload: Payload {
                type_url: event.type_url,
                value: event.value.into(),
            },
            created_at: Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            },
            external: None,
        }],
        snapshot: None,
    })
}
