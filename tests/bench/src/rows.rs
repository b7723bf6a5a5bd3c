//! The rows of the benchmark: each is a set-up and a load.

use std::path::PathBuf;
use std::time::Duration;

use angzarr_proto::v1;
use angzarr_proto::v1::business_coordinator_client::BusinessCoordinatorClient;
use anyhow::{Context, Result};
use serde::Serialize;

use crate::load::{Load, Measured, drive};
use crate::messages::{DOMAIN, KEPT, ONE, any, cover};
use crate::process::Part;
use crate::sidecar::{Documents, Sidecar, channel, free_port};

/// Roots with a history, where commands go to roots that have one.
const ROOTS: u8 = 64;
/// Commands of a row to one root with a history, so that it stays about as long as it began.
const HOT_COMMANDS: u64 = 200;

/// What stands between client and logic, and beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Setting {
    /// The bare chain.
    Chain,
    /// A sidecar without consumers.
    Pipeline,
    /// A sidecar, and another with a projector that reads after it.
    Async,
    /// A sidecar, and another with a projector that every command waits for.
    Simple,
}

/// Which roots commands go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Spread {
    /// Many, drawn at random.
    Uniform,
    /// One.
    Hot,
}

/// A row.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// What it is called.
    pub(crate) name: &'static str,
    /// What is measured.
    pub(crate) setting: Setting,
    /// How many callers there are.
    pub(crate) callers: usize,
    /// Events that a root has before.
    pub(crate) prior: u32,
    /// Which roots.
    pub(crate) spread: Spread,
}

const fn row(
    name: &'static str,
    setting: Setting,
    callers: usize,
    prior: u32,
    spread: Spread,
) -> Row {
    Row {
        name,
        setting,
        callers,
        prior,
        spread,
    }
}

use Setting::{Async, Chain, Pipeline, Simple};
use Spread::{Hot, Uniform};

/// All rows, in the order in which they are measured.
pub(crate) const ROWS: [Row; 28] = [
    row("chain 1", Chain, 1, 0, Uniform),
    row("chain 16", Chain, 16, 0, Uniform),
    row("chain 64", Chain, 64, 0, Uniform),
    row("chain 256", Chain, 256, 0, Uniform),
    row("empty uniform 1", Pipeline, 1, 0, Uniform),
    row("empty uniform 16", Pipeline, 16, 0, Uniform),
    row("empty uniform 64", Pipeline, 64, 0, Uniform),
    row("empty uniform 256", Pipeline, 256, 0, Uniform),
    row("empty hot 1", Pipeline, 1, 0, Hot),
    row("empty hot 16", Pipeline, 16, 0, Hot),
    row("empty hot 64", Pipeline, 64, 0, Hot),
    row("empty hot 256", Pipeline, 256, 0, Hot),
    row("1000 uniform 1", Pipeline, 1, 1_000, Uniform),
    row("1000 uniform 16", Pipeline, 16, 1_000, Uniform),
    row("1000 uniform 64", Pipeline, 64, 1_000, Uniform),
    row("1000 uniform 256", Pipeline, 256, 1_000, Uniform),
    row("1000 hot 1", Pipeline, 1, 1_000, Hot),
    row("1000 hot 16", Pipeline, 16, 1_000, Hot),
    row("1000 hot 64", Pipeline, 64, 1_000, Hot),
    row("1000 hot 256", Pipeline, 256, 1_000, Hot),
    row("async 1", Async, 1, 0, Uniform),
    row("async 16", Async, 16, 0, Uniform),
    row("async 64", Async, 64, 0, Uniform),
    row("async 256", Async, 256, 0, Uniform),
    row("simple 1", Simple, 1, 0, Uniform),
    row("simple 16", Simple, 16, 0, Uniform),
    row("simple 64", Simple, 64, 0, Uniform),
    row("simple 256", Simple, 256, 0, Uniform),
];

/// A row with its figures.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    /// The row.
    #[serde(flatten)]
    pub(crate) row: Row,
    /// Its figures.
    #[serde(flatten)]
    pub(crate) measured: Measured,
    /// Processor time that the process between client and logic used for a command, in microseconds.
    pub(crate) used_us: f64,
}

/// What rows are measured with.
pub(crate) struct Bench {
    /// The program of the sidecar.
    pub(crate) sidecar: PathBuf,
    /// This program.
    pub(crate) own: PathBuf,
    /// The folder of the stores.
    pub(crate) folder: PathBuf,
    /// How long a row is measured.
    pub(crate) duration: Duration,
}

/// What runs for a row; it ends with its handle.
struct Stage {
    middle: Middle,
    _reader: Option<Sidecar>,
    _logic: Part,
}

/// What stands between client and logic.
enum Middle {
    Chain(Part),
    Owner(Sidecar),
}

impl Middle {
    fn address(&self) -> &str {
        match self {
            Self::Chain(part) => &part.address,
            Self::Owner(sidecar) => &sidecar.address,
        }
    }

    fn used(&self) -> Result<Duration> {
        match self {
            Self::Chain(part) => part.used(),
            Self::Owner(sidecar) => sidecar.used(),
        }
    }
}

impl Bench {
    /// Measures a row with processes and stores of its own.
    pub(crate) async fn measure(&self, row: &Row) -> Result<Line> {
        let stage = self.stage(row).await?;
        let address = stage.middle.address();
        let roots = prepare(address, row).await?;
        let is_bounded = row.spread == Hot && row.prior > 0;
        let load = Load {
            callers: row.callers,
            // A root that only grows would measure its length, so its logic keeps snapshots, as it would anywhere.
            command: if row.spread == Hot && row.prior == 0 {
                KEPT
            } else {
                ONE
            },
            roots,
            is_simple: row.setting == Simple,
            lasts: self.duration,
            commands: is_bounded.then_some(HOT_COMMANDS),
        };
        let warm_up = Load {
            lasts: self.duration / 3,
            commands: is_bounded.then_some(HOT_COMMANDS / 4),
            ..load.clone()
        };
        drive(address, &warm_up).await?;
        let before = stage.middle.used()?;
        let measured = drive(address, &load).await?;
        let used = stage.middle.used()?.saturating_sub(before);
        Ok(Line {
            row: row.clone(),
            used_us: used.as_secs_f64() * 1e6 / measured.commands.max(1) as f64,
            measured,
        })
    }

    async fn stage(&self, row: &Row) -> Result<Stage> {
        let logic = Part::start(&self.own, &["logic"]).await?;
        match row.setting {
            Chain => {
                let chain = Part::start(&self.own, &["chain", &logic.address]).await?;
                Ok(Stage {
                    middle: Middle::Chain(chain),
                    _reader: None,
                    _logic: logic,
                })
            }
            Pipeline => {
                let owner = self.owner(row.name, &logic, "").await?;
                Ok(Stage {
                    middle: Middle::Owner(owner),
                    _reader: None,
                    _logic: logic,
                })
            }
            Async => self.with_projector(row, logic, "async").await,
            Simple => self.with_projector(row, logic, "sync").await,
        }
    }

    /// Starts the sidecar that owns the domain; `projectors` are those that commands wait for, as in a routing document.
    pub(crate) async fn owner(
        &self,
        name: &str,
        logic: &Part,
        projectors: &str,
    ) -> Result<Sidecar> {
        let documents = Documents {
            folder: self.folder.join(name.replace(' ', "-")),
            components: format!(
                "- {{kind: aggregate, domain: {DOMAIN}, logic: '{}'}}\n",
                logic.address
            ),
            routing: format!("{{\"schemaVersion\":1,\"projectors\":{{{projectors}}}}}"),
            port: free_port()?,
        };
        Sidecar::start(&self.sidecar, &documents).await
    }

    async fn with_projector(&self, row: &Row, logic: Part, mode: &str) -> Result<Stage> {
        let port = free_port()?;
        let waited_for = format!("\"{DOMAIN}\":{{\"meter\":[\"http://127.0.0.1:{port}\"]}}");
        let projectors = match row.setting {
            Simple => waited_for.as_str(),
            Chain | Pipeline | Async => "",
        };
        let owner = self.owner(row.name, &logic, projectors).await?;
        let documents = Documents {
            folder: self.folder.join(format!("reader of {}", row.name)),
            components: format!(
                "- {{kind: projector, name: meter, mode: {mode}, sources: [{{domain: {DOMAIN}}}], logic: '{}'}}\n",
                logic.address
            ),
            routing: format!(
                "{{\"schemaVersion\":1,\"owners\":{{\"{DOMAIN}\":[\"{}\"]}}}}",
                owner.address
            ),
            port,
        };
        let reader = Sidecar::start(&self.sidecar, &documents).await?;
        Ok(Stage {
            middle: Middle::Owner(owner),
            _reader: Some(reader),
            _logic: logic,
        })
    }
}

/// Gives roots their history; answers which roots the row goes to.
async fn prepare(address: &str, row: &Row) -> Result<Vec<[u8; 16]>> {
    let count = match (row.spread, row.prior) {
        (Uniform, 0) => 0,
        (Uniform, _) => ROOTS,
        (Hot, _) => 1,
    };
    let roots: Vec<[u8; 16]> = (0..count).map(|number| [number; 16]).collect();
    if row.prior == 0 {
        return Ok(roots);
    }
    let mut client = BusinessCoordinatorClient::new(channel(address)?);
    for root in &roots {
        let page = |number| v1::EventPage {
            sequence: Some(v1::event_page::Sequence::Force(true)),
            event: Some(any("Counted")),
            external_id: format!("prior-{number}"),
            ..v1::EventPage::default()
        };
        let book = v1::EventBook {
            cover: Some(cover(*root)),
            pages: (0..row.prior).map(page).collect(),
            ..v1::EventBook::default()
        };
        client.record(book).await.context("record the history")?;
    }
    Ok(roots)
}
