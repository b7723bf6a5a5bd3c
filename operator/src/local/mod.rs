//! `angzarr local`: runs the resources of a folder as processes on this machine, without a cluster.
//!
//! ```text
//! localize.rs what stands in for servers and replicas
//! images.rs   local.yaml: what a machine runs where a cluster pulls an image
//! ports.rs    which port each process gets, kept with the data
//! stage.rs    what each process reads and runs, written down before any starts
//! admin.rs    what is asked of a sidecar: ready? open!
//! shim.rs     the step between us and a child: it dies when we die
//! process.rs  one child: started, logged, restarted, stopped
//! console.rs  lines of many children on one terminal
//! ```

pub mod admin;
pub mod console;
pub mod images;
pub mod localize;
pub mod ports;
pub mod process;
pub mod shim;
pub mod stage;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::cli::Local;
use crate::manifest::{self, all};
use crate::validate::validate;
use console::Console;
use process::Process;
use stage::{Actor, Stage};

/// How often a sidecar is asked whether it is ready.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Runs a folder of resources until it is told to stop.
///
/// # Errors
/// Every mistake in the resources, or why the processes cannot be run.
pub async fn run(local: Local) -> Result<()> {
    let folder = local
        .folder
        .canonicalize()
        .with_context(|| format!("find the folder {}", local.folder.display()))?;
    let beside = folder
        .parent()
        .map_or_else(|| folder.clone(), Path::to_owned);
    let mut found = manifest::read(&folder).map_err(all)?;
    let mut notices = found.notices;
    notices.extend(localize::localize(&mut found.resources).map_err(all)?);
    let system = validate(&found.resources).map_err(all)?;
    let sidecar = find_sidecar(local.sidecar)?;
    let data = local.data.unwrap_or_else(|| beside.join(".angzarr"));
    let stage = Stage::prepare(&system, &beside, &data, &sidecar)?;
    let console = Console::stdout(stage.width());
    for notice in notices {
        console.line("angzarr", &notice);
    }
    play(stage, &console).await
}

fn find_sidecar(named: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(named) = named {
        return named
            .canonicalize()
            .with_context(|| format!("find the sidecar {}", named.display()));
    }
    let own = std::env::current_exe().context("find the own program")?;
    let beside = own.with_file_name("angzarr-sidecar");
    if !beside.exists() {
        return Err(anyhow!(
            "{} does not exist; name the sidecar with --sidecar",
            beside.display()
        ));
    }
    Ok(beside)
}

/// Starts everything, opens each sidecar once all are ready, and stops everything when told to: sidecars first, so that they can finish.
async fn play(stage: Stage, console: &Console) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen to SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen to SIGINT")?;
    let (stop_sidecars, stop_logic) = (CancellationToken::new(), CancellationToken::new());
    let stage = Arc::new(stage);
    let (mut sidecars, mut logic) = (JoinSet::new(), JoinSet::new());
    for actor in &stage.actors {
        logic.spawn(keep(
            actor.logic.clone(),
            console.clone(),
            stop_logic.clone(),
        ));
        sidecars.spawn(keep(
            actor.sidecar.clone(),
            console.clone(),
            stop_sidecars.clone(),
        ));
    }
    let opening = tokio::spawn(open_when_ready(Arc::clone(&stage), console.clone()));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    opening.abort();
    console.line("angzarr", "stops: sidecars finish what is under way");
    stop_sidecars.cancel();
    while sidecars.join_next().await.is_some() {}
    stop_logic.cancel();
    while logic.join_next().await.is_some() {}
    Ok(())
}

async fn keep(process: Arc<Process>, console: Console, stop: CancellationToken) {
    process.run(&console, stop.cancelled()).await;
}

/// Opens every sidecar when all are ready for the first time, and later each that was restarted.
async fn open_when_ready(stage: Arc<Stage>, console: Console) {
    for actor in &stage.actors {
        ready(actor).await;
        console.line(&actor.title, "ready");
    }
    for actor in &stage.actors {
        open(actor, &console).await;
        console.line(&actor.title, &actor.addresses());
    }
    console.line("angzarr", "all is ready; Ctrl-C stops it");
    loop {
        for actor in &stage.actors {
            if admin::is_closed_and_ready(actor.admin).await {
                open(actor, &console).await;
            }
        }
        sleep(LOOK_AGAIN).await;
    }
}

async fn ready(actor: &Actor) {
    while !admin::is_ready(actor.admin).await {
        sleep(LOOK_AGAIN).await;
    }
}

async fn open(actor: &Actor, console: &Console) {
    if let Err(error) = admin::open(actor.admin).await {
        console.line(&actor.title, &format!("is not opened yet: {error:#}"));
    }
}
