//! Runs the features of the shop against any program that implements the contract.
//!
//! ```text
//! examples/features/*.feature ─▶ steps ─▶ messages (tables by reflection) ─ gRPC ─▶ a program of the shop, a process
//! ```
//!
//! The steps know commands and events only by their names and fields, so one small set serves every domain and every
//! language. An undefined step fails the run, and so does a reply that a scenario did not check completely.
//! The steps of the whole system are defined elsewhere and read their tables with the same [`messages`].

pub mod messages;
mod program;
mod steps;
mod world;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use cucumber::{World as _, writer::Stats as _};

pub use program::{Program, free_port};

use crate::world::World;

/// Runs one feature file against a program of the shop.
///
/// `name` is the name of the program, `feature` the file without its extension, `built` the program to run. The environment
/// variable `SHOP_` and the name in capitals, for example `SHOP_LOYALTY_EARN`, replaces it with a shell command, which is
/// run at the root of the repository.
pub fn run(name: &str, feature: &str, built: &str) -> ExitCode {
    match try_run(name, feature, built) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{feature}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn try_run(name: &str, feature: &str, built: &str) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Runtime::new().context("start tokio")?;
    runtime.block_on(async {
        let program = Program::start(name, built, &[]).await?;
        world::set_subject(name, program.channel())?;
        let passed = run_feature(feature).await;
        program.stop().await?;
        Ok(passed)
    })
}

async fn run_feature(feature: &str) -> bool {
    let file = root().join(format!("examples/features/{feature}.feature"));
    let writer = World::cucumber()
        .fail_on_skipped()
        .with_default_cli()
        .after(|_, _, _, finished, world| Box::pin(world::check_unseen(finished, world)))
        .run(file)
        .await;
    writer.passed_steps() > 0 && !writer.execution_has_failed()
}

/// The root of the repository.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.."))
}
