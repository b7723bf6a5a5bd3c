//! PostgreSQL as a store that several sidecars share.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::parse::Error;
use crate::routing::LONGEST_TIME;
use crate::secret::Secret;

/// A database on a PostgreSQL server; all sidecars that name it share it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Postgres {
    /// How to reach the server.
    pub connection: Connection,
    /// The database; default is the one that the connection names.
    #[serde(default)]
    pub database: Option<String>,
    /// The schema that holds the tables; default `angzarr`.
    #[serde(default = "angzarr")]
    pub schema: String,
    /// Whether the tables are made and migrated, or only checked; default `migrate`.
    #[serde(default)]
    pub tables: Tables,
    /// Connections that one sidecar opens at most, besides two for notifications; default 8.
    #[serde(default = "eight")]
    pub max_connections: NonZeroU32,
    /// How long one statement may take; default 10s. At most half of it is spent waiting for a lock.
    #[serde(default = "ten_seconds", with = "humantime_serde")]
    pub statement_timeout: Duration,
}

/// Who makes and migrates the tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tables {
    /// Whoever opens the store.
    #[default]
    Migrate,
    /// Somebody else: a store whose tables are missing or too old is not opened, and nothing in it is changed.
    Verify,
}

/// Where address and credentials come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Connection {
    /// A URL, as people write it.
    Url {
        /// `postgres://user:password@host:port/database?sslmode=verify-full`.
        url: Secret,
    },
    /// A folder with a file for each part, such as a mounted Secret; read again for each connection that is opened.
    Folder {
        /// The folder.
        path: PathBuf,
        /// The names of the files.
        #[serde(default)]
        keys: Keys,
    },
}

/// The names of the files of a connection, where they differ from the usual ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Keys {
    /// A whole URL, which wins over the parts; default `uri`, then `url`.
    pub uri: Option<String>,
    /// The host; default `host`.
    pub host: Option<String>,
    /// The port; default `port`, and 5432 without such a file.
    pub port: Option<String>,
    /// The user; default `username`, then `user`.
    pub username: Option<String>,
    /// The password; default `password`.
    pub password: Option<String>,
    /// The database; default `dbname`, then `database`.
    pub database: Option<String>,
    /// The certificate of the authority that signed the server's; default `ca.crt`. If it is present, the server is verified.
    pub ca: Option<String>,
}

fn angzarr() -> String {
    "angzarr".to_owned()
}

fn eight() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(7)
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

impl Postgres {
    /// A store with the default settings.
    pub fn new(connection: Connection) -> Self {
        Self {
            connection,
            database: None,
            schema: angzarr(),
            tables: Tables::default(),
            max_connections: eight(),
            statement_timeout: ten_seconds(),
        }
    }

    /// Checks the values of a boot document; `path` is their place in it.
    pub(crate) fn validate(&self, path: &str) -> Result<(), Error> {
        let is_name = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
        let starts = self.schema.starts_with(|c: char| !c.is_ascii_digit());
        if !starts || self.schema.len() > 63 || !self.schema.bytes().all(is_name) {
            return Err(Error::at(
                format!("{path}.schema"),
                "must be 1 to 63 of a-z, 0-9 and _ and not start with a digit",
            ));
        }
        if !(1..=1_000).contains(&self.max_connections.get()) {
            return Err(Error::at(
                format!("{path}.maxConnections"),
                format!("is {}; give 1 to 1000", self.max_connections),
            ));
        }
        if !(Duration::from_secs(1)..=LONGEST_TIME).contains(&self.statement_timeout) {
            return Err(Error::at(
                format!("{path}.statementTimeout"),
                format!("is {:?}; give 1s to 24h", self.statement_timeout),
            ));
        }
        Ok(())
    }
}
