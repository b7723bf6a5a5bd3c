//! Drives the shop as its clients would, kills a sidecar meanwhile, and checks that nothing is lost or duplicated.

mod report;
mod story;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use shop_contract::stop_signal;
use shop_system::System;

use crate::report::Report;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shop-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Starts the shop, runs the demonstration, and stops the shop, also after an interruption.
async fn run() -> Result<()> {
    let folder: PathBuf = std::env::args_os()
        .nth(1)
        .context("pass the folder of the shop's resources")?
        .into();
    let path = std::env::var_os("PATH").context("set PATH")?;
    let stop = stop_signal()?;
    let began = Instant::now();
    let mut system = System::start(&folder, &path)?;
    let mut report = Report::default();
    let outcome = tokio::select! {
        outcome = demonstrate(&folder, &mut system, &mut report) => outcome,
        () = stop => {
            println!("\nStopping the shop …");
            system.stop().await?;
            bail!("interrupted");
        }
    };
    if outcome.is_err() {
        eprintln!("{}", system.log());
    }
    let stopped = system.stop().await;
    outcome?;
    let stopped = stopped?;
    ensure!(stopped.success(), "the shop stopped with {stopped}");
    let Report { checks, failed } = report;
    let seconds = began.elapsed().as_secs_f32();
    ensure!(failed == 0, "{failed} of {checks} checks failed");
    println!(
        "\nAll {checks} checks passed in {seconds:.1} s; the shop is stopped and its data removed."
    );
    println!("`make shop` starts it and keeps it running.");
    Ok(())
}

async fn demonstrate(folder: &Path, system: &mut System, report: &mut Report) -> Result<()> {
    let began = Instant::now();
    println!(
        "Starting the shop from the resources in {} …",
        folder.display()
    );
    system.until_open().await?;
    println!("  ready after {:.1} s", began.elapsed().as_secs_f32());
    story::run(system, report).await
}
