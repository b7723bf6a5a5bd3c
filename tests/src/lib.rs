//! What needs more than one crate: contract suites, fault injection, benchmarks.
//!
//! [`sidecar`] starts real processes, [`probe`] is logic that checks what it is given, [`client`] asks and repeats, [`soak`] loads a system
//! and judges what it kept of its promises.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says why and ends"
)]

pub mod client;
pub mod probe;
pub mod sidecar;
pub mod soak;
