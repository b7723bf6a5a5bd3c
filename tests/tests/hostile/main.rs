//! Clients, logic and configuration that a sidecar must refuse or survive.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a test panics with its reason"
)]

mod clients;
mod configuration;
mod logic;

/// The sidecar with fail points.
const PROGRAM: &str = env!("CARGO_BIN_EXE_sidecar-under-test");
