//! The command line, and the order of measurements.

use std::path::PathBuf;
use std::time::Duration;

use angzarr_servers::postgres::Server;
use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::report::Report;
use crate::rows::rows;
use crate::stage::Bench;
use crate::stores::Stores;
use crate::{chain, flush, logic, memory, port};

/// Measures the pipeline.
#[derive(Debug, Parser)]
#[command(name = "angzarr-bench", version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    measure: Measure,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the logic, on the port that it prints.
    #[command(hide = true)]
    Logic,
    /// Serves the bare chain in front of the logic at an address, on the port that it prints.
    #[command(hide = true)]
    Chain {
        /// The address of the logic.
        logic: String,
    },
}

/// The settings of the measurement.
#[derive(Debug, Args)]
struct Measure {
    /// The program of the sidecar; by default `angzarr-sidecar` next to this program.
    #[arg(long, value_name = "FILE")]
    sidecar: Option<PathBuf>,
    /// The duration of each row in seconds, after a third of that as warm-up.
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS")]
    seconds: f64,
    /// Measures only rows whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// The number of events that the memory row writes; 0 skips it.
    #[arg(long, default_value_t = 1_000_000, value_name = "EVENTS")]
    memory_events: u64,
    /// The folder of the stores; by default a temporary one.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The file for the figures, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the command line of this process.
pub(crate) async fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Logic) => logic::serve().await,
        Some(Command::Chain { logic }) => chain::serve(&logic).await,
        None => measure(cli.measure).await,
    }
}

async fn measure(asked: Measure) -> Result<()> {
    let own = std::env::current_exe().context("find this program")?;
    let sidecar = asked
        .sidecar
        .unwrap_or_else(|| own.with_file_name("angzarr-sidecar"));
    let folder = match asked.folder {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let folder = folder.context("create a folder for the stores")?;
    let bench = Bench {
        sidecar,
        own,
        stores: Stores {
            folder: folder.path().to_owned(),
            database: Server::shared().await.database().await,
        },
        duration: Duration::from_secs_f64(asked.seconds),
    };
    let mut report = Report::new(flush::measure(folder.path()).context("measure the flush")?);
    report.begin();
    let wanted = |name: &str| {
        asked
            .only
            .as_ref()
            .is_none_or(|only| name.contains(only.as_str()))
    };
    for row in rows().iter().filter(|row| wanted(&row.name())) {
        let measured = bench
            .measure(row)
            .await
            .with_context(|| format!("measure {}", row.name()))?;
        report.add(measured);
    }
    if wanted("port") {
        let port = port::measure(&bench.stores, bench.duration).await;
        report.add_port(port.context("measure the port")?);
    }
    if asked.memory_events > 0 && wanted("memory") {
        let memory = memory::measure(&bench, asked.memory_events).await;
        report.add_memory(memory.context("measure the memory")?);
    }
    if let Some(file) = asked.json {
        report.write(&file)?;
    }
    Ok(())
}
