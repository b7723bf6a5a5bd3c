//! What needs more than one crate: contract suites, fault injection, benchmarks.
//!
//! [`sidecar`] starts real processes, [`proxy`] stands between them, [`probe`] is logic that checks what it is given, [`logic`] runs it as a process,
//! [`client`] asks and repeats,
//! [`soak`] loads a system and judges what it kept of its promises, [`stores`] are what the suites of the ports are run on.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says why and ends"
)]

pub mod client;
pub mod clock;
pub mod disk;
pub mod logic;
pub mod preload;
pub mod probe;
pub mod proxy;
pub mod sidecar;
pub mod small_disk;
pub mod soak;
pub mod stores;

/// A number from the environment, such as how often a test repeats itself.
///
/// # Panics
/// When the variable is set to something else.
pub fn parameter(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| text.parse().unwrap())
}
