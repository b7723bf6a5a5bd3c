//! The operator and the command line.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    angzarr_operator::main().await
}
