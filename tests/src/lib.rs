//! Tests that need more than one crate: contract suites, fault injection, benchmarks.
//!
//! [`sidecar`] starts real processes, [`proxy`] is placed between them, [`probe`] is logic that checks its input, [`logic`] runs it as a process,
//! [`client`] sends commands and retries them, [`crowd`] has many parked roots,
//! [`soak`] puts load on a system and checks its guarantees, [`stores`] are the stores that the suites of the ports run on.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a test panics with its reason"
)]

#[cfg(test)]
mod architecture;
pub mod client;
pub mod clock;
pub mod crowd;
pub mod disk;
pub mod logic;
pub mod preload;
pub mod probe;
pub mod proxy;
pub mod sidecar;
pub mod small_disk;
pub mod soak;
pub mod stores;

/// A number from the environment, such as the number of repetitions of a test.
///
/// # Panics
/// When the variable is set to something else.
pub fn parameter(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| text.parse().unwrap())
}
