//! The process: its command line, its signals and its exit code.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::{self, Cli, Command};
use crate::run::run;
use crate::settings::Settings;
use crate::telemetry::{start_logs, start_metrics};

/// The exit code of a process that was told twice to end.
const INTERRUPTED: u8 = 130;

/// Does what the command line of this process says.
pub async fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        None | Some(Command::Run) => serve().await,
        Some(Command::Ask(ask)) => answer(ask).await,
        Some(Command::Store { what }) => prepare(what).await,
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("angzarr-sidecar: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn answer(ask: cli::Ask) -> Result<ExitCode> {
    let mut out = String::new();
    let asked = cli::ask(ask, &mut out).await;
    print!("{out}");
    asked?;
    Ok(ExitCode::SUCCESS)
}

/// A signal ends it at once: as the first process of a container it would not end by itself, and what a transaction did not commit is not there.
async fn prepare(what: cli::Store) -> Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let mut out = String::new();
    let prepared = tokio::select! {
        prepared = cli::prepare(what, &mut out) => prepared,
        () = signals.next() => return Ok(ExitCode::from(INTERRUPTED)),
    };
    print!("{out}");
    prepared?;
    Ok(ExitCode::SUCCESS)
}

async fn serve() -> Result<ExitCode> {
    let settings = Settings::read()?;
    start_logs(&settings.log).context("start the logs")?;
    let registry = start_metrics().context("start the metrics")?;
    let mut signals = Signals::listen()?;
    let stop = CancellationToken::new();
    let running = run(settings, registry, stop.clone());
    let mut running = std::pin::pin!(running);
    tokio::select! {
        ended = &mut running => return ended.map(|()| ExitCode::SUCCESS),
        () = signals.next() => stop.cancel(),
    }
    tokio::select! {
        ended = running => ended.map(|()| ExitCode::SUCCESS),
        () = signals.next() => Ok(ExitCode::from(INTERRUPTED)),
    }
}

/// What tells a process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("listen to SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("listen to SIGINT")?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
