//! The sidecar, or a question to one that runs.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    angzarr_sidecar::process::main().await
}
