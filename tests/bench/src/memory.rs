//! The memory of a sidecar: idle, and while its log grows.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::load::{Load, drive};
use crate::messages::TEN;
use crate::process::Part;
use crate::stage::Bench;
use crate::stores::Kind;

/// The number of readings while the log grows.
const READINGS: u64 = 10;
const CALLERS: usize = 64;
/// Events of one command.
const EVENTS: u64 = 10;
/// How long one tenth of the log may take.
const MOST: Duration = Duration::from_secs(600);

/// The resident bytes of the sidecar.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Memory {
    /// Idle, once it was ready.
    pub(crate) idle: u64,
    /// Pairs of a number of events and the bytes after them.
    pub(crate) after: Vec<(u64, u64)>,
}

/// Writes a number of events, and reads the memory at the start and after each tenth.
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
