//! `angzarr local`: runs the resources of a folder as processes on this machine, without a cluster.
//!
//! ```text
//! beside.rs   the folder in which local.yaml and the data are
//! localize.rs what stands in for servers and replicas
//! images.rs   local.yaml: what a machine runs where a cluster pulls an image
//! programs.rs the programs that it names, looked up
//! declared.rs resources and local.yaml, read and validated together
//! connections.rs the Secrets of stores, as files
//! lock.rs     one of us for each data folder
//! ports.rs    which port each process gets, kept with the data
//! folder.rs   what processes and other programs read in the data folder
//! history.rs  what the data folder holds of components as they ran before
//! member.rs   the ports of a component
//! changes.rs  what another declaration changes
//! stage.rs    who runs, on which ports, with which command; written down before any starts
//! shim.rs     the step between a parent and a child that dies with it
//! guard.rs    the parent of a program: ends all that the program started
//! restarts.rs which processes have to start again
//! process.rs  one child: started, logged, restarted, stopped
//! opener.rs   when clients are let in, and what is not ready
//! troupe.rs   all components that run
//! watch.rs    what changes on the disk meanwhile
//! console.rs  lines of many children on one terminal
//! ```

mod member;

pub(crate) mod beside;
pub(crate) mod changes;
pub(crate) mod connections;
pub(crate) mod console;
pub(crate) mod declared;
pub(crate) mod folder;
pub(crate) mod guard;
pub(crate) mod history;
pub(crate) mod images;
pub(crate) mod localize;
pub(crate) mod lock;
pub(crate) mod opener;
#[cfg(test)]
mod pages;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod programs;
pub(crate) mod restarts;
pub(crate) mod shim;
pub(crate) mod stage;
pub(crate) mod troupe;
pub(crate) mod watch;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::manifest::all;
use console::Console;
use declared::{Declared, Source};
use localize::Stores;
use process::Process;
use programs::Lookup;
use stage::{Part, Places, Stage, running};
use troupe::Troupe;
use watch::{Change, LOOK_AGAIN, Watch};

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
    pub as_declared: bool,
    /// The current folder as the shell shows it.
    #[arg(long, env = "PWD", hide = true)]
    pub here: Option<PathBuf>,
    /// Where programs are.
    #[arg(long, env = "PATH", hide = true, default_value = "")]
    pub path: OsString,
}

/// Runs a folder of resources until it is told to stop.
///
/// # Errors
/// Every mistake in the resources, or why the processes cannot be run.
pub(crate) async fn run(local: Local) -> Result<()> {
    let stop = Stop::listen()?;
    let source = source(&local)?;
    let watch = Watch::new(source.clone());
    let declared = source.read().map_err(all)?;
    let beside = &source.lookup.base;
    let sidecar = find_sidecar(local.sidecar)?;
    let data = local.data.unwrap_or_else(|| beside.join(".angzarr"));
    let _lock = lock::hold(&data)?;
    let console = Console::stdout(width(&declared));
    let places = Places {
        beside,
        data: &data,
        sidecar: &sidecar,
    };
    let stage = Stage::prepare(declared, &places)?;
    let followed = Followed {
        troupe: Troupe::new(stage, console),
        watch,
        source: source.clone(),
    };
    play(followed, stop).await
}

fn source(local: &Local) -> Result<Source> {
    let here = beside::here(local.here.clone()).context("find the current folder")?;
    let base = beside::beside(&local.folder, &here)
        .with_context(|| format!("find the folder {}", local.folder.display()))?;
    let stores = if local.as_declared {
        Stores::AsDeclared
    } else {
        Stores::Replaced
    };
    Ok(Source {
        folder: local.folder.clone(),
        stores,
        lookup: Lookup {
            base,
            path: local.path.clone(),
        },
    })
}

/// The length of the longest name of a process.
fn width(declared: &Declared) -> usize {
    let names = running(&declared.system).map(|(key, _)| Process::new(key, Part::Logic).name);
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

/// The signals that stop everything.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
    /// Absent where hangups are ignored, as `nohup` asks.
    hangup: Option<Signal>,
}

impl Stop {
    fn listen() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("listen to SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("listen to SIGINT")?,
            hangup: if is_hangup_ignored() {
                None
            } else {
                Some(signal(SignalKind::hangup()).context("listen to SIGHUP")?)
            },
        })
    }

    async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = hangup => {}
        }
    }
}

/// Whether this process was started with hangups ignored.
fn is_hangup_ignored() -> bool {
    const HANGUP: u64 = 1;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & HANGUP != 0)
}

/// Starts everything, takes over what changes, and stops everything at the first signal: sidecars before their logic, so that they can finish. A
/// second signal ends at once.
async fn play(mut followed: Followed, mut stop: Stop) -> Result<()> {
    followed.start();
    loop {
        tokio::select! {
            () = stop.next() => break,
            () = sleep(LOOK_AGAIN) => followed.look(),
        }
    }
    let Followed { mut troupe, .. } = followed;
    troupe.say("stops: sidecars finish what is under way");
    tokio::select! {
        stopped = troupe.stop() => stopped,
        () = stop.next() => Err(anyhow!("a second signal ended it before everything was finished")),
    }
}

/// What runs, and where it is declared.
struct Followed {
    troupe: Troupe,
    watch: Watch,
    source: Source,
}

impl Followed {
    fn start(&mut self) {
        let programs = self.troupe.programs(&self.source.lookup);
        self.watch.know(programs.keys());
        self.troupe.start();
    }

    /// Takes over what has changed on the disk.
    fn look(&mut self) {
        let programs = self.troupe.programs(&self.source.lookup);
        for change in self.watch.look(programs.keys()) {
            match change {
                Change::Declared => self.troupe.take_over(self.source.read()),
                Change::Program(program) => self.troupe.renew(&programs[&program]),
            }
        }
    }
}
