//! Measures the cost of a command, next to the minimum that it needs: two unary calls and a flush.
//!
//! ```text
//! main ─▶ flush    flushes of the disk
//!      ─▶ rows ─▶ stage ─▶ load ─▶ chain   ─▶ logic      (the bare two-hop chain)
//!                               ─▶ sidecar ─▶ logic      (the pipeline)
//!      ─▶ port     the shared store alone
//!      ─▶ memory   idle, and over many events
//!      ─▶ report   a table and JSON
//! ```
//!
//! Client, sidecar and logic are separate processes on one machine. The program starts itself for the parts of logic and chain.

mod chain;
mod cli;
mod flush;
mod load;
mod logic;
mod memory;
mod messages;
mod port;
mod process;
mod report;
mod rows;
mod sidecar;
mod stage;
mod stores;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match cli::main().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("angzarr-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
