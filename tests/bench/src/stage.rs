//! Measures a row: starts its processes and puts load on them.

use std::path::PathBuf;
use std::time::Duration;

use angzarr_proto::v1;
use angzarr_proto::v1::business_coordinator_client::BusinessCoordinatorClient;
use angzarr_servers::free_port;
use anyhow::{Context, Result};

use crate::load::{Load, drive};
use crate::messages::{DOMAIN, KEPT, ONE, any, cover};
use crate::process::Part;
use crate::rows::{Line, Row, Setting, Spread};
use crate::sidecar::{Documents, Sidecar, channel};
use crate::stores::{Kind, Stores};

/// The number of roots with a history, in rows that use a history.
const ROOTS: u8 = 64;
/// Commands of a row to one root with a history, limited so that its length stays about the same.
const HOT_COMMANDS: u64 = 512;

/// The settings of all rows.
pub(crate) struct Bench {
    /// The program of the sidecar.
    pub(crate) sidecar: PathBuf,
    /// This program.
    pub(crate) own: PathBuf,
    /// The stores.
    pub(crate) stores: Stores,
    /// The duration of a row.
    pub(crate) duration: Duration,
}

/// The processes of a row; they are stopped when it is dropped.
struct Stage {
    middle: Middle,
    _reader: Option<Sidecar>,
    _logic: Part,
}

/// The process between client and logic.
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
    /// Measures a row with new processes and stores.
    pub(crate) async fn measure(&self, row: &Row) -> Result<Line> {
        let stage = self.stage(row).await?;
        let address = stage.middle.address();
        let roots = prepare(address, row).await?;
        let is_bounded = row.spread == Spread::Hot && row.prior > 0;
        let load = Load {
            callers: row.callers,
            // A root that only grows would measure its length, so its logic keeps snapshots, as it would anywhere.
            command: if row.spread == Spread::Hot && row.prior == 0 {
                KEPT
            } else {
                ONE
            },
            roots,
            is_simple: row.setting == Setting::Simple,
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
        let Some(store) = row.store else {
            let chain = Part::start(&self.own, &["chain", &logic.address]).await?;
            return Ok(Stage {
                middle: Middle::Chain(chain),
                _reader: None,
                _logic: logic,
            });
        };
        let name = row.key();
        let (owner, reader) = match row.setting {
            Setting::Chain | Setting::Pipeline => {
                (self.owner(store, &name, &logic, "").await?, None)
            }
            Setting::Async => {
                let owner = self.owner(store, &name, &logic, "").await?;
                let reader = self.reader(row, &logic, &owner, free_port()).await?;
                (owner, Some(reader))
            }
            Setting::Simple => {
                let port = free_port();
                let waits = format!("\"{DOMAIN}\":{{\"meter\":[\"http://127.0.0.1:{port}\"]}}");
                let owner = self.owner(store, &name, &logic, &waits).await?;
                let reader = self.reader(row, &logic, &owner, port).await?;
                (owner, Some(reader))
            }
        };
        Ok(Stage {
            middle: Middle::Owner(owner),
            _reader: reader,
            _logic: logic,
        })
    }

    /// Starts the sidecar that owns the domain; `waits` are the projectors that commands wait for, as in a routing document.
    pub(crate) async fn owner(
        &self,
        store: Kind,
        name: &str,
        logic: &Part,
        waits: &str,
    ) -> Result<Sidecar> {
        let documents = Documents {
            folder: self.stores.folder(name),
            storage: self.stores.storage(store, name),
            components: format!(
                "- {{kind: aggregate, domain: {DOMAIN}, logic: '{}'}}\n",
                logic.address
            ),
            routing: format!("{{\"schemaVersion\":1,\"projectors\":{{{waits}}}}}"),
            port: free_port(),
        };
        Sidecar::start(&self.sidecar, &documents).await
    }

    /// Starts the sidecar of a projector, which reads the events of the owner.
    async fn reader(&self, row: &Row, logic: &Part, owner: &Sidecar, port: u16) -> Result<Sidecar> {
        let name = format!("{}_reader", row.key());
        let store = row.store.context("the chain has no reader")?;
        let mode = match row.setting {
            Setting::Simple => "sync",
            Setting::Async | Setting::Chain | Setting::Pipeline => "async",
        };
        let documents = Documents {
            folder: self.stores.folder(&name),
            storage: match store {
                Kind::Sqlite => self.stores.storage(store, &name),
                // The reader shares the owner's.
                Kind::Postgres => self.stores.storage(store, &row.key()),
            },
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
        Sidecar::start(&self.sidecar, &documents).await
    }
}

/// Creates the history of the roots; returns the roots of the row.
async fn prepare(address: &str, row: &Row) -> Result<Vec<[u8; 16]>> {
    let count = match (row.spread, row.prior) {
        (Spread::Uniform, 0) => 0,
        (Spread::Uniform, _) => ROOTS,
        (Spread::Hot, _) => 1,
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
