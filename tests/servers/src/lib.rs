//! Real servers for tests and the benchmark: started on free ports of loopback, with temporary folders, and stopped with their owner.
//!
//! They know no store and no sidecar, so that a program without fail points can also use them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a test panics with its reason"
)]

use std::time::Duration;

pub mod apt;
pub mod lasting;
pub mod pgbouncer;
pub mod postgres;

/// How long a test waits for anything.
pub const WITHIN: Duration = Duration::from_secs(60);

/// A free port below the range of outgoing connections, since an outgoing connection could take the port while its server restarts.
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
