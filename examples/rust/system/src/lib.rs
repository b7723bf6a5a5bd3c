//! The running shop: processes on this machine, started from its resources, and a client for them.
//!
//! ```text
//! System ── angzarr local ──▶ sidecars and logic as processes
//! Client ── gRPC ──▶ any sidecar, which reaches every domain
//! Purchase ── the commands of one order, in their order
//! ```
//!
//! The demonstration, the features of the whole system and the tests on a cluster use it.

mod client;
mod programs;
mod purchase;
mod system;

pub use client::{Client, cover, of_type};
pub use programs::path_of_programs;
pub use purchase::{PRICE_CENTS, PRODUCT, Purchase};
pub use system::{System, wait};
