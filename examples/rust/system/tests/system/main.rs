//! Runs the features of the whole system: the real sidecars and logic, started by `angzarr local` from the shop's resources.

mod steps;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::ensure;
use cucumber::World as _;
use cucumber::writer::Stats as _;
use shop_contract::stop_signal;
use shop_system::{System, path_of_programs};

use crate::world::World;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("system: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<bool> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut system = System::start(&examples.join("shop"), &path_of_programs()?)?;
    system.until_open().await?;
    world::set_system(system).await;
    let passed = tokio::select! {
        passed = run_features(examples.join("features/system")) => passed,
        () = stop_signal()? => false,
    };
    let system = world::take_system().await?;
    if !passed {
        eprintln!("{}", system.log());
    }
    let stopped = system.stop().await?;
    ensure!(stopped.success(), "the shop stopped with {stopped}");
    Ok(passed)
}

async fn run_features(folder: PathBuf) -> bool {
    let writer = World::cucumber()
        .fail_on_skipped()
        .with_default_cli()
        .after(|_, _, _, finished, world| Box::pin(world::check_unseen(finished, world)))
        .run(folder)
        .await;
    writer.passed_steps() > 0 && !writer.execution_has_failed()
}
