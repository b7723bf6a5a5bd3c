//! One sidecar that is killed, loses power, has a full or failing disk, or a clock that jumps.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a test panics with its reason"
)]

mod clocks;
mod disk_faults;
mod kills;
mod parked;
mod power_cuts;

/// The sidecar with fail points.
const PROGRAM: &str = env!("CARGO_BIN_EXE_sidecar-under-test");
