//! Runs the features of the whole system: the real sidecars and logic, started by `angzarr local` from the shop's resources.

mod steps;
mod world;

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use cucumber::World as _;
use cucumber::writer::Stats as _;
use shop_contract::stop_signal;
use shop_system::System;

use crate::world::World;

/// What the shop is made of, beside what its resources name.
const PROGRAMS: [&str; 9] = [
    "angzarr",
    "angzarr-sidecar",
    "shop-customer",
    "shop-inventory",
    "shop-order",
    "shop-loyalty-earn",
    "shop-cancellation",
    "shop-web",
    "shop-logging",
];

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

/// The folder where cargo puts programs, before all others.
fn path_of_programs() -> anyhow::Result<OsString> {
    let own = env::current_exe().context("find the own program")?;
    let built = own.ancestors().nth(2).context("find the programs")?;
    for program in PROGRAMS {
        ensure!(
            built.join(program).exists(),
            "{program} is not built; run `make features`"
        );
    }
    let others = env::var_os("PATH").unwrap_or_default();
    let folders = [PathBuf::from(built)].into_iter();
    env::join_paths(folders.chain(env::split_paths(&others))).context("put the programs first")
}
