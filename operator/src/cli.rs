//! The command line.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::controller::{self, Operator};
use crate::local::{self, Local, guard, shim};
use crate::render::{self, Render};
use crate::why::{self, Why};

/// Runs event-sourced systems from their resources.
#[derive(Debug, Parser)]
#[command(name = "angzarr", version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the resources of a folder as processes on this machine, without a cluster.
    Local(Local),
    /// Prints every object that a cluster would get from the resources of a folder.
    Render(Render),
    /// Reconciles the resources of a cluster.
    Operator(Box<Operator>),
    /// Explains why a resource of a cluster is as it is, and what to type next.
    Why(Why),
    /// Runs a program, and ends all that it started when it or the parent ends.
    #[command(name = guard::NAME, hide = true)]
    Guard {
        /// The program and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<OsString>,
    },
    /// Starts a program that ends with its parent.
    #[command(name = shim::NAME, hide = true)]
    Shim {
        /// The id of the parent process.
        parent: u32,
        /// The program and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<OsString>,
    },
}

/// Runs the command line of this process.
pub async fn main() -> ExitCode {
    let succeeded = |()| ExitCode::SUCCESS;
    let done = match Cli::parse().command {
        Command::Local(local) => local::run(local).await.map(succeeded),
        Command::Render(render) => render::run(&render).map(succeeded),
        Command::Operator(operator) => controller::main(*operator).await.map(succeeded),
        Command::Why(why) => why::run(why).await.map(succeeded),
        Command::Guard { words } => guard::run(&words).await,
        Command::Shim { parent, words } => shim::run(parent, &words).map(succeeded),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("angzarr: {error:#}");
            ExitCode::FAILURE
        }
    }
}
