//! Drives the shop as its clients would, kills a sidecar in the middle, and checks that nothing is lost or doubled.

mod client;
mod story;
mod system;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use story::Report;
use system::System;

#[tokio::main]
async fn main() -> ExitCode {
    match tell().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("shop-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Tells the story; answers whether every check held.
async fn tell() -> Result<bool> {
    let folder: PathBuf = std::env::args_os()
        .nth(1)
        .context("name the folder of the shop's resources")?
        .into();
    let began = Instant::now();
    println!(
        "Starting the shop from the resources in {} …",
        folder.display()
    );
    let system = System::start(&folder).await?;
    println!("  ready after {:.1} s", began.elapsed().as_secs_f32());
    let mut report = Report::default();
    let told = story::tell(&system, &mut report).await;
    if told.is_err() {
        eprintln!("{}", system.log());
    }
    told?;
    let stopped = system.stop().await?;
    if !stopped.success() {
        bail!("the shop stopped with {stopped}");
    }
    println!(
        "{} checks, {} failed, {:.1} s",
        report.checks,
        report.failed,
        began.elapsed().as_secs_f32()
    );
    Ok(report.failed == 0)
}
