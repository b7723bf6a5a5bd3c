//! What the admin port of a sidecar speaks, and a client of it.
//!
//! ```text
//! shape.rs ◀── the sidecar writes it · the client reads it ──▶ client.rs ◀── angzarr-sidecar parked, angzarr local, tests
//! ```

mod client;
pub mod shape;

pub use client::{Client, Error};
