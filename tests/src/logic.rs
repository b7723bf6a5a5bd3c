//! The probes as a separate process.

use std::net::TcpStream;
use std::process::Stdio;

use tokio::process::Command;

use crate::sidecar::{Process, until};

/// Starts the probes as a process; the synchronous ledger exits on events of the root `deadly`.
fn spawn(program: &str, port: u16, deadly: Option<u8>) -> Process {
    let mut command = Command::new(program);
    command
        .env("PORT", port.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(deadly) = deadly {
        command.env("PROBE_DIES_OF", deadly.to_string());
    }
    Process::new(command.spawn().unwrap())
}

/// Starts the probes as a process and waits until they listen.
pub async fn start(program: &str, port: u16) -> Process {
    let process = spawn(program, port, None);
    until(async || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
    process
}

/// Starts the probes again whenever they exit, while the future is polled. It does not wait until they listen, since an event of `deadly` can end them
/// before that is noticed.
pub async fn keep_running(program: &str, port: u16, deadly: u8) {
    loop {
        spawn(program, port, Some(deadly)).wait().await;
    }
}
