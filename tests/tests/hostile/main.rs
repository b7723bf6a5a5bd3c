//! Clients, logic and configuration that a sidecar must refuse or survive.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says why and ends"
)]

mod clients;
mod configuration;
mod logic;

/// The sidecar with fail points.
const PROGRAM: &str = env!("CARGO_BIN_EXE_sidecar-under-test");
