//! Drives the shop as its clients would, kills a sidecar in the middle, and checks that nothing is lost or doubled.

mod purchase;
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

/// Starts the shop, tells the story, and stops the shop, also when the story is cut short.
async fn run() -> Result<()> {
    let folder: PathBuf = std::env::args_os()
        .nth(1)
        .context("name the folder of the shop's resources")?
        .into();
    let path = std::env::var_os("PATH").context("set PATH")?;
    let stop = stop_signal()?;
    let began = Instant::now();
    let mut system = System::start(&folder, &path)?;
    let mut report = Report::default();
    let told = tokio::select! {
        told = tell(&folder, &mut system, &mut report) => told,
        () = stop => {
            println!("\nStopping the shop …");
            system.stop().await?;
            bail!("stopped before the end");
        }
    };
    if told.is_err() {
        eprintln!("{}", system.log());
    }
    let stopped = system.stop().await;
    told?;
    let stopped = stopped?;
    ensure!(stopped.success(), "the shop stopped with {stopped}");
    let Report { checks, failed } = report;
    let seconds = began.elapsed().as_secs_f32();
    ensure!(failed == 0, "{failed} of {checks} checks did not hold");
    println!(
        "\nAll {checks} checks held, in {seconds:.1} s; the shop is stopped and its data removed."
    );
    println!("`make shop` keeps it running to play with.");
    Ok(())
}

async fn tell(folder: &Path, system: &mut System, report: &mut Report) -> Result<()> {
    let began = Instant::now();
    println!(
        "Starting the shop from the resources in {} …",
        folder.display()
    );
    system.until_open().await?;
    println!("  ready after {:.1} s", began.elapsed().as_secs_f32());
    story::tell(system, report).await
}
