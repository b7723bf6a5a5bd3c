//! `angzarr local`: runs the resources of a folder as processes on this machine, without a cluster.
//!
//! ```text
//! localize.rs what replaces servers and replicas
//! images.rs   local.yaml: the commands that a machine runs in place of images
//! connections.rs the Secrets of stores, as files
//! lock.rs     one of us for each data folder
//! ports.rs    the port of each process, kept with the data
//! folder.rs   the data folder, which processes and other programs read
//! stage.rs    what runs, on which ports, with which command; written before any process starts
//! shim.rs     the step between this process and a child: the child dies with this process
//! process.rs  one child: started, logged, restarted, stopped
//! console.rs  lines of many children on one terminal
//! ```

mod connections;
mod console;
mod folder;
mod images;
mod localize;
mod lock;
mod ports;
mod process;
pub(crate) mod shim;
mod stage;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use angzarr_admin::Client;
use angzarr_admin::shape::Life;
use anyhow::{Context, Result, anyhow};
use clap::Args;
use futures::future::join_all;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::manifest::{self, all};
use crate::model::Key;
use crate::validate::validate;
use console::Console;
use localize::Stores;
use process::{Keeper, Process};
use stage::{Part, Stage, title};

/// What to run, and where.
#[derive(Debug, Args)]
pub(crate) struct Local {
    /// The folder of the resources; `local.yaml` is next to it.
    #[arg(short = 'f', long = "folder", value_name = "DIR")]
    folder: PathBuf,
    /// Where data and ports are kept; by default `.angzarr` next to the folder.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The program of the sidecar; by default `angzarr-sidecar` next to this program.
    #[arg(long, value_name = "FILE")]
    sidecar: Option<PathBuf>,
    /// Uses the stores as they are declared instead of SQLite; `local.yaml` holds the Secrets that they name.
    #[arg(long, env = "ANGZARR_AS_DECLARED")]
    as_declared: bool,
}

/// How often the readiness of a sidecar is checked.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How long a sidecar may take to reply on its admin port.
const WITHIN: Duration = Duration::from_secs(5);

/// Runs a folder of resources until SIGTERM or SIGINT.
pub(crate) async fn run(local: Local) -> Result<()> {
    let folder = local
        .folder
        .canonicalize()
        .with_context(|| format!("find the folder {}", local.folder.display()))?;
    let beside = folder
        .parent()
        .map_or_else(|| folder.clone(), Path::to_owned);
    let mut found = manifest::read(&folder).map_err(all)?;
    let mut notices = found.notices;
    let stores = if local.as_declared {
        Stores::AsDeclared
    } else {
        Stores::Replaced
    };
    notices.extend(localize::localize(&mut found.resources, stores).map_err(all)?);
    let system = validate(&found.resources).map_err(all)?;
    let sidecar = find_sidecar(local.sidecar)?;
    let data = local.data.unwrap_or_else(|| beside.join(".angzarr"));
    let _lock = lock::hold(&data)?;
    let stage = Stage::prepare(system, &beside, &data, &sidecar)?;
    let console = Console::stdout(width(&stage));
    for notice in notices {
        console.line("angzarr", &notice);
    }
    play(stage, &console).await
}

/// The length of the longest name of a process.
fn width(stage: &Stage) -> usize {
    let names = stage.keys().map(|key| Process::new(key, Part::Logic).name);
    names.map(|name| name.len()).max().unwrap_or(0)
}

fn find_sidecar(named: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(named) = named {
        return named
            .canonicalize()
            .with_context(|| format!("find the sidecar {}", named.display()));
    }
    let own = std::env::current_exe().context("find this program")?;
    let beside = own.with_file_name("angzarr-sidecar");
    if !beside.exists() {
        return Err(anyhow!(
            "{} does not exist; name the sidecar with --sidecar",
            beside.display()
        ));
    }
    Ok(beside)
}

/// Starts everything, opens each sidecar once all are ready, and stops everything on a signal: sidecars first, so that they can finish.
async fn play(stage: Stage, console: &Console) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen to SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen to SIGINT")?;
    let (stop_sidecars, stop_logic) = (CancellationToken::new(), CancellationToken::new());
    let keeper = Arc::new(Keeper {
        stage,
        console: console.clone(),
    });
    let (mut sidecars, mut logic) = (JoinSet::new(), JoinSet::new());
    for key in keeper.stage.keys() {
        let keep = |part, stop: &CancellationToken| {
            let process = Process::new(key, part);
            keep(process, Arc::clone(&keeper), stop.clone())
        };
        logic.spawn(keep(Part::Logic, &stop_logic));
        sidecars.spawn(keep(Part::Sidecar, &stop_sidecars));
    }
    let opening = tokio::spawn(Opener(Arc::clone(&keeper)).run());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    opening.abort();
    console.line("angzarr", "stopping; sidecars finish what is under way");
    stop_sidecars.cancel();
    while sidecars.join_next().await.is_some() {}
    stop_logic.cancel();
    while logic.join_next().await.is_some() {}
    Ok(())
}

async fn keep(process: Process, keeper: Arc<Keeper>, stop: CancellationToken) {
    process.run(&keeper, stop.cancelled()).await;
}

/// Lets clients in: to all sidecars when all are ready for the first time, and to each that was started later.
struct Opener(Arc<Keeper>);

impl Opener {
    async fn run(self) {
        let Keeper { stage, console } = &*self.0;
        for key in stage.keys() {
            self.ready(key).await;
            console.line(&title(key), "ready");
        }
        for key in stage.keys() {
            self.open(key).await;
            console.line(&title(key), &stage.addresses(key));
        }
        console.line("angzarr", "all is ready; Ctrl-C stops it");
        join_all(stage.keys().map(|key| self.open_again(key))).await;
    }

    /// A sidecar that starts again starts closed.
    async fn open_again(&self, key: &Key) {
        loop {
            self.0.stage.started(key).await;
            self.ready(key).await;
            self.open(key).await;
        }
    }

    async fn ready(&self, key: &Key) {
        loop {
            let readiness = self.client(key).readiness().await;
            if readiness.is_ok_and(|readiness| readiness.ready) {
                return;
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    async fn open(&self, key: &Key) {
        let opened: Result<Life, _> = self.client(key).post("/open", &[]).await;
        if let Err(error) = opened {
            let line = format!("is not opened yet: {:#}", anyhow!(error));
            self.0.console.line(&title(key), &line);
        }
    }

    /// A client of the sidecar at its current port.
    fn client(&self, key: &Key) -> Client {
        Client::new(self.0.stage.admin(key), WITHIN)
    }
}
