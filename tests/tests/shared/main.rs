//! PostgreSQL, and several sidecars that share one database.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a test panics with its reason"
)]

mod attempts;
mod faults;
mod postgres;
mod shop;
mod sidecars;
mod tables;

/// The sidecar with fail points.
const PROGRAM: &str = env!("CARGO_BIN_EXE_sidecar-under-test");
