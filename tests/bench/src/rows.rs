//! The rows of the benchmark: each is a setting and a load.

use serde::Serialize;

use crate::load::Measured;
use crate::stores::Kind;

/// The processes between client and logic, and further ones.
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

/// The roots that commands are sent to.
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
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    /// The setting.
    pub(crate) setting: Setting,
    /// The store; `None` for the bare chain.
    pub(crate) store: Option<Kind>,
    /// The number of callers.
    pub(crate) callers: usize,
    /// The number of events of a root before the row.
    pub(crate) prior: u32,
    /// The roots.
    pub(crate) spread: Spread,
}

use Setting::{Async, Chain, Pipeline, Simple};
use Spread::{Hot, Uniform};

/// The rows with each number of callers: setting, events before, spread.
const WITH_STORE: [(Setting, u32, Spread); 6] = [
    (Pipeline, 0, Uniform),
    (Pipeline, 0, Hot),
    (Pipeline, 1_000, Uniform),
    (Pipeline, 1_000, Hot),
    (Async, 0, Uniform),
    (Simple, 0, Uniform),
];
const CALLERS: [usize; 4] = [1, 16, 64, 256];

/// All rows, in the order in which they are measured: the chain, then each store.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for callers in CALLERS {
        rows.push(Row {
            setting: Chain,
            store: None,
            callers,
            prior: 0,
            spread: Uniform,
        });
    }
    for store in Kind::ALL {
        for (setting, prior, spread) in WITH_STORE {
            rows.extend(CALLERS.map(|callers| Row {
                setting,
                store: Some(store),
                callers,
                prior,
                spread,
            }));
        }
    }
    rows
}

impl Row {
    /// Its name, such as `sqlite empty hot 64`.
    pub(crate) fn name(&self) -> String {
        let Some(store) = self.store else {
            return format!("chain {}", self.callers);
        };
        let what = match (self.setting, self.prior, self.spread) {
            (Async, ..) => "async",
            (Simple, ..) => "simple",
            (Chain | Pipeline, 0, Uniform) => "empty",
            (Chain | Pipeline, 0, Hot) => "empty hot",
            (Chain | Pipeline, _, Uniform) => "1000",
            (Chain | Pipeline, _, Hot) => "1000 hot",
        };
        format!("{} {what} {}", store.name(), self.callers)
    }

    /// Its name for file names and SQL.
    pub(crate) fn key(&self) -> String {
        self.name().replace(' ', "_")
    }

    /// The same row with another store.
    pub(crate) fn over(&self, store: Option<Kind>) -> Self {
        Self {
            store,
            ..self.clone()
        }
    }
}

/// A row with its figures.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    /// The row.
    #[serde(flatten)]
    pub(crate) row: Row,
    /// Its figures.
    #[serde(flatten)]
    pub(crate) measured: Measured,
    /// CPU time of the process between client and logic for each command, in microseconds.
    pub(crate) used_us: f64,
}
