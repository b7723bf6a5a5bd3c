//! Callers that each wait for a reply before the next call.

use std::time::{Duration, Instant};

use angzarr_proto::v1;
use angzarr_proto::v1::business_coordinator_client::BusinessCoordinatorClient;
use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::messages::command;
use crate::sidecar::channel;

/// Callers that share a connection.
const PER_CONNECTION: usize = 16;

/// The load of callers.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// The number of callers.
    pub(crate) callers: usize,
    /// The name of their command.
    pub(crate) command: &'static str,
    /// The roots, chosen at random; without any, each command gets a new one.
    pub(crate) roots: Vec<[u8; 16]>,
    /// Whether they wait for the synchronous projectors.
    pub(crate) is_simple: bool,
    /// The latest time at which they stop.
    pub(crate) lasts: Duration,
    /// The maximum number of commands of all callers together.
    pub(crate) commands: Option<u64>,
}

/// The result of a load.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measured {
    /// Commands per second.
    pub(crate) per_second: f64,
    /// The median, in milliseconds.
    pub(crate) p50_ms: f64,
    /// The 99th percentile, in milliseconds.
    pub(crate) p99_ms: f64,
    /// The number of commands.
    pub(crate) commands: u64,
}

/// Runs a load against the `BusinessCoordinator` at an address.
pub(crate) async fn drive(address: &str, load: &Load) -> Result<Measured> {
    let connections = load.callers.div_ceil(PER_CONNECTION);
    let channels: Result<Vec<Channel>> = (0..connections).map(|_| channel(address)).collect();
    let channels = channels?;
    let begin = Instant::now();
    let mut callers = JoinSet::new();
    for number in 0..load.callers {
        let client = BusinessCoordinatorClient::new(channels[number % connections].clone());
        let count = load.commands.map(|all| share(all, number, load.callers));
        callers.spawn(call(client, load.clone(), begin + load.lasts, count));
    }
    let mut lasted = Histogram::<u64>::new(3)?;
    while let Some(caller) = callers.join_next().await {
        lasted.add(caller??)?;
    }
    let elapsed = begin.elapsed();
    let milliseconds = |quantile| lasted.value_at_quantile(quantile) as f64 / 1e6;
    Ok(Measured {
        per_second: lasted.len() as f64 / elapsed.as_secs_f64(),
        p50_ms: milliseconds(0.5),
        p99_ms: milliseconds(0.99),
        commands: lasted.len(),
    })
}

/// The part of one caller.
fn share(all: u64, caller: usize, callers: usize) -> u64 {
    let (caller, callers) = (caller as u64, callers as u64);
    all / callers + u64::from(caller < all % callers)
}

async fn call(
    mut client: BusinessCoordinatorClient<Channel>,
    load: Load,
    until: Instant,
    count: Option<u64>,
) -> Result<Histogram<u64>> {
    let mut lasted = Histogram::new(3)?;
    while Instant::now() < until && count.is_none_or(|count| lasted.len() < count) {
        let root = match load.roots.len() {
            0 => rand::random(),
            known => load.roots[rand::random_range(0..known)],
        };
        let book = command(load.command, root);
        let before = Instant::now();
        let answered = if load.is_simple {
            let book = v1::SyncCommandBook {
                command: Some(book),
                sync_mode: v1::SyncMode::Simple.into(),
                ..v1::SyncCommandBook::default()
            };
            client.handle_sync(book).await
        } else {
            client.handle(book).await
        };
        let response = answered.context("execute a command")?.into_inner();
        lasted.record(u64::try_from(before.elapsed().as_nanos())?)?;
        if let Some(error) = response.reaction_errors.first() {
            anyhow::bail!("{} was not reached: {}", error.component, error.message);
        }
    }
    Ok(lasted)
}
