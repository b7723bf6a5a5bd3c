//! The sidecar with its fail points, for tests.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    angzarr_sidecar::process::main().await
}
