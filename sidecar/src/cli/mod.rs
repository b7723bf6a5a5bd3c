//! The command line: the sidecar itself, and what people ask of one that runs.
//!
//! ```text
//! angzarr-sidecar ─▶ run
//! angzarr-sidecar store …          ─▶ the database itself
//! angzarr-sidecar drain | parked … ─▶ loopback admin port of the running sidecar ─▶ table or JSON
//! ```

mod bulk;
mod parked;
mod store;
mod table;

use std::fmt;
use std::time::Duration;

use angzarr_admin::Client;
use angzarr_admin::shape::Life;
use clap::{Args, Parser, Subcommand};
use url::Url;

use parked::Parked;
pub use store::{Store, prepare};

/// How long a response may take.
const WITHIN: Duration = Duration::from_secs(30);
/// How long a drain may take: it waits for whoever still sends commands.
const DRAINED_WITHIN: Duration = Duration::from_secs(60 * 60);

/// Why a subcommand failed; a sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing replies at the address.
    #[error("--admin or ANGZARR_ADMIN is not the admin port of a running sidecar")]
    Address(#[source] angzarr_admin::Error),
    /// The sidecar refused, or did not reply as one of this version does.
    #[error(transparent)]
    Sidecar(angzarr_admin::Error),
    /// Its store is not open yet, so it cannot tell what is parked.
    #[error("the sidecar has not started: {0}")]
    NotStarted(String),
    /// A root stands where refused work is meant.
    #[error(
        "{0:?} is a root; resend and discard take the ID of a refused command, as parked list shows it"
    )]
    NotWork(String),
    /// Every parked root would lose an append.
    #[error(
        "skip --all leaves an append out of every parked root; add --yes, or choose roots with --consumer, --domain or --code, and look first with --dry-run"
    )]
    Unfiltered,
    /// Some roots stay parked.
    #[error("{failed} of {tried} roots failed and stay parked")]
    Failed {
        /// How many.
        failed: usize,
        /// Of how many.
        tried: usize,
    },
    /// The rest was not tried.
    #[error("stopped after {tried} roots: {why}; repeat the command for the rest")]
    Stopped {
        /// How many were tried.
        tried: usize,
        /// What made the rest hopeless.
        why: String,
    },
    /// The output could not be written.
    #[error("write the output")]
    Output(#[from] fmt::Error),
}

impl From<angzarr_admin::Error> for Error {
    fn from(error: angzarr_admin::Error) -> Self {
        match error {
            angzarr_admin::Error::Unreachable { .. } => Self::Address(error),
            other => Self::Sidecar(other),
        }
    }
}

/// Runs the event-sourcing pipeline beside the user's logic, or asks a running sidecar.
#[derive(Debug, Parser)]
#[command(name = "angzarr-sidecar", version, about, long_about = None)]
pub struct Cli {
    /// What to do; nothing runs the sidecar.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the sidecar, as configured by ANGZARR_CONFIG; also without any subcommand.
    Run,
    /// Makes, migrates or checks the tables of a store on a server; needs no running sidecar.
    Store {
        /// What to do.
        #[command(subcommand)]
        what: Store,
    },
    /// Asks a running sidecar.
    #[command(flatten)]
    Ask(Ask),
}

/// What to ask a running sidecar.
#[derive(Debug, Subcommand)]
pub enum Ask {
    /// Drains the running sidecar and waits until nothing is under way any more.
    Drain(Target),
    /// Looks at what was parked for a consumer, brings it back or gives it up.
    Parked {
        /// What to do with it.
        #[command(subcommand)]
        what: Parked,
    },
}

/// Which sidecar is asked, and how the answer looks.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The admin port of the running sidecar; changes are accepted on loopback only.
    #[arg(long, env = "ANGZARR_ADMIN", default_value = "http://127.0.0.1:9090", value_name = "URL", value_parser = read_address)]
    pub admin: Url,
    /// Prints the answer as JSON.
    #[arg(long)]
    pub json: bool,
}

impl Target {
    fn client(&self) -> Client {
        Client::new(self.admin.clone(), WITHIN)
    }
}

/// Reads `http://host:port`, or `host:port` as people write it.
fn read_address(text: &str) -> Result<Url, String> {
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    Url::parse(&full)
        .ok()
        .filter(|url| url.scheme() == "http" && url.has_host())
        .ok_or_else(|| "write http://host:port, such as http://127.0.0.1:9090".to_owned())
}

/// Asks the running sidecar and writes its answer.
///
/// # Errors
/// [`Error`] is a sentence for the user.
pub async fn ask(ask: Ask, out: &mut dyn fmt::Write) -> Result<(), Error> {
    match ask {
        Ask::Drain(target) => drain(&target, out).await,
        Ask::Parked { what } => parked::ask(what, out).await,
    }
}

async fn drain(target: &Target, out: &mut dyn fmt::Write) -> Result<(), Error> {
    let client = Client::new(target.admin.clone(), DRAINED_WITHIN);
    let life: Life = client.post("/drain", &[]).await?;
    if target.json {
        return write_json(out, &life);
    }
    writeln!(out, "The sidecar is {}.", life.phase)?;
    Ok(())
}

fn write_json(out: &mut dyn fmt::Write, answer: &impl serde::Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(answer).expect("answers are plain data");
    writeln!(out, "{text}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn nothing_runs_the_sidecar() {
        let cli = Cli::try_parse_from(["angzarr-sidecar"]).unwrap();
        assert!(cli.command.is_none());
    }

    #[test]
    fn an_address_needs_no_scheme() {
        let url = read_address("127.0.0.1:19090").unwrap();
        assert_eq!(url.as_str(), "http://127.0.0.1:19090/");
        for wrong in ["", "https://127.0.0.1:1", "http://"] {
            assert!(read_address(wrong).is_err(), "{wrong} was accepted");
        }
    }
}
