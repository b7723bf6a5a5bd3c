//! The running shop: processes on this machine, started from its resources, and a client for them.
//!
//! ```text
//! System ── angzarr local ──▶ sidecars and logic as processes
//! Client ── gRPC ──▶ any sidecar, which reaches every domain
//! ```
//!
//! The demonstration and the features of the whole system use it.

mod client;
mod programs;
mod system;

pub use client::{Client, cover, of_type};
pub use programs::path_of_programs;
pub use system::{System, wait};
