//! What the admin port of a sidecar speaks, and a client of it.
//!
//! ```text
//! shape.rs ◀── the sidecar writes it · the client reads it ──▶ client.rs ◀── angzarr-sidecar parked, angzarr local, tests
//! prepared.rs ◀── angzarr-sidecar store writes it · the operator reads it
//! ```

mod client;
pub mod prepared;
pub mod shape;

pub use client::{Client, Error};
