//! The stores of the benchmark: a new one for each row.

use std::path::PathBuf;

use angzarr_config::postgres::{Connection, Postgres};
use angzarr_config::secret::Secret;
use angzarr_servers::postgres::Database;
use serde::Serialize;

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    /// A private file of each sidecar.
    Sqlite,
    /// A database that sidecars share.
    Postgres,
}

impl Kind {
    /// All kinds.
    pub(crate) const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// The place of the stores.
pub(crate) struct Stores {
    /// The folder of files.
    pub(crate) folder: PathBuf,
    /// The database of schemas.
    pub(crate) database: Database,
}

impl Stores {
    /// A folder for each name.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A store for each name, as in a boot document.
    pub(crate) fn storage(&self, kind: Kind, name: &str) -> String {
        match kind {
            Kind::Sqlite => {
                let file = self.folder(name).join("store.db");
                format!("{{type: sqlite, path: {}}}", file.display())
            }
            Kind::Postgres => {
                let url = self.database.url();
                format!(
                    "{{type: postgres, schema: {name}, connection: {{type: url, url: '{url}'}}}}"
                )
            }
        }
    }

    /// A schema for each name.
    pub(crate) fn schema(&self, name: &str) -> Postgres {
        let url = Secret::new(self.database.url());
        Postgres {
            schema: name.to_owned(),
            ..Postgres::new(Connection::Url { url })
        }
    }
}
