//! What a sidecar holds in memory: at rest, and while its log grows.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::load::{Load, drive};
use crate::messages::TEN;
use crate::process::Part;
use crate::stage::Bench;
use crate::stores::Kind;

/// How many readings are taken while the log grows.
const READINGS: u64 = 10;
const CALLERS: usize = 64;
/// Events of one command.
const EVENTS: u64 = 10;
/// How long one tenth of the log may take.
const MOST: Duration = Duration::from_secs(600);

/// Bytes that the sidecar held.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Memory {
    /// At rest, once it was ready.
    pub(crate) idle: u64,
    /// After so many events, so many bytes.
    pub(crate) after: Vec<(u64, u64)>,
}

/// Writes so many events, and reads the memory at the start and after each tenth.
pub(crate) async fn measure(bench: &Bench, events: u64) -> Result<Memory> {
    let logic = Part::start(&bench.own, &["logic"]).await?;
    let owner = bench.owner(Kind::Sqlite, "memory", &logic, "").await?;
    let idle = owner.resident()?;
    let load = Load {
        callers: CALLERS,
        command: TEN,
        roots: Vec::new(),
        is_simple: false,
        lasts: MOST,
        commands: Some(events / EVENTS / READINGS),
    };
    let (mut after, mut written) = (Vec::new(), 0);
    for _ in 0..READINGS {
        written += drive(&owner.address, &load).await?.commands * EVENTS;
        after.push((written, owner.resident()?));
    }
    Ok(Memory { idle, after })
}
