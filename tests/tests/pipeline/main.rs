//! What a sidecar does with commands, events and reactions when nothing is broken, and what it reports about it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a test panics with its reason"
)]

mod bulk;
mod commands;
mod metrics;
mod outage;
mod reflection;
mod snapshots;
mod spans;
mod successor;
mod synchronous;
mod writers;

/// The sidecar with fail points.
const PROGRAM: &str = env!("CARGO_BIN_EXE_sidecar-under-test");
