//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::local::{self, shim};
use crate::render;

/// Runs event-sourced systems from their resources.
#[derive(Debug, Parser)]
#[command(name = "angzarr", version, about, long_about = None)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the resources of a folder as processes on this machine, without a cluster.
    Local(Local),
    /// Prints every object that a cluster would get from the resources of a folder.
    Render(Render),
    /// Starts a program that ends with its parent.
    #[command(name = shim::NAME, hide = true)]
    Shim {
        /// The process that starts it.
        parent: u32,
        /// The program and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<OsString>,
    },
}

/// What to run, and where.
#[derive(Debug, Args)]
pub struct Local {
    /// The folder of the resources; `local.yaml` stands beside it.
    #[arg(short = 'f', long = "folder", value_name = "DIR")]
    pub folder: PathBuf,
    /// Where data and ports are kept; by default `.angzarr` beside the folder.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The program of the sidecar; by default `angzarr-sidecar` beside this program.
    #[arg(long, value_name = "FILE")]
    pub sidecar: Option<PathBuf>,
    /// Keeps the stores that are declared, where SQLite would take their place; `local.yaml` holds the Secrets that they name.
    #[arg(long, env = "ANGZARR_AS_DECLARED")]
    pub as_declared: bool,
}

/// What to print.
#[derive(Debug, Args)]
pub struct Render {
    /// The folder of the resources, or one file.
    #[arg(short = 'f', long = "folder", value_name = "DIR")]
    pub folder: PathBuf,
    /// Draws who reads and commands whom as a Mermaid flowchart, in place of the objects.
    #[arg(long)]
    pub graph: bool,
    /// The image of the sidecar, for resources that name none.
    #[arg(long, value_name = "IMAGE", default_value = concat!("angzarr-sidecar:", env!("CARGO_PKG_VERSION")))]
    pub sidecar_image: String,
    /// The cluster knows the kind PodMonitor.
    #[arg(long)]
    pub pod_monitors: bool,
}

/// Does what the command line of this process says.
pub async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Local(local) => local::run(local).await,
        Command::Render(render) => render::run(&render),
        Command::Shim { parent, words } => shim::run(parent, &words),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("angzarr: {error:#}");
            ExitCode::FAILURE
        }
    }
}
