//! Real servers for tests and the benchmark: started on free ports of loopback, over folders of their own, ended with whoever started them.
//!
//! They know no store and no sidecar, so that a program without fail points can use them, too.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says why and ends"
)]

use std::time::Duration;

pub mod postgres;

/// How long a test waits for anything.
pub const WITHIN: Duration = Duration::from_secs(60);

/// A port that nobody listens on, below those that the system gives to outgoing connections: one of these could take it while its server restarts.
pub fn free_port() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let outgoing: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
    loop {
        let port = rand::random_range(10_000..outgoing.max(20_000));
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
