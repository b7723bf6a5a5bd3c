//! `angzarr-sidecar store`: the tables of a store, for a person and for the operator's Job.

use std::fmt;
use std::path::PathBuf;

use angzarr_admin::prepared::{Failure, Prepared};
use angzarr_config::Directory;
use angzarr_config::boot::{Server, Storage};
use angzarr_config::postgres::{Connection, Postgres, Tables};
use angzarr_config::secret::Secret;
use angzarr_coordinator::describe;
use angzarr_coordinator::model::StoreId;
use angzarr_stores::postgres::{self, OpenError};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use uuid::Uuid;

/// What to do with the tables.
#[derive(Debug, Subcommand)]
pub enum Store {
    /// Makes the tables, or migrates them to the format of this version; does nothing if they have it.
    Migrate(Database),
    /// Checks that the tables have the format of this version, and changes nothing.
    Verify(Database),
}

/// Which store.
#[derive(Debug, Clone, Args)]
pub struct Database {
    /// The database, such as postgres://user@host/shop.
    #[arg(
        long,
        env = "ANGZARR_STORE_URL",
        hide_env_values = true,
        value_name = "URL",
        required_unless_present = "storage",
        conflicts_with = "storage",
        value_parser = secret
    )]
    url: Option<Secret>,
    /// The password, instead of one in the URL.
    #[arg(
        long,
        env = "ANGZARR_STORE_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD",
        conflicts_with = "storage",
        value_parser = secret
    )]
    password: Option<Secret>,
    /// The schema that holds the tables.
    #[arg(
        long,
        default_value = "angzarr",
        value_name = "NAME",
        conflicts_with = "storage"
    )]
    schema: String,
    /// The same as a document: what a boot document has under `storage`.
    #[arg(long, value_name = "DOCUMENT")]
    storage: Option<String>,
    /// Fails if the database holds another store, and changes nothing in it then.
    #[arg(long, value_name = "ID")]
    store_id: Option<Uuid>,
    /// The same, with the id that a directory of the store holds, if it holds one.
    #[arg(long, value_name = "FILE", conflicts_with = "store_id")]
    directory: Option<PathBuf>,
    /// Also writes what became of it into a file, as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Database {
    fn settings(&self) -> Result<Postgres> {
        let storage = match (&self.storage, &self.url) {
            (Some(document), _) => Storage::parse(document).context("read --storage")?,
            (None, Some(url)) => Storage::Server(Box::new(Server::Postgres(Postgres {
                schema: self.schema.clone(),
                ..Postgres::new(Connection::Url {
                    url: Secret::new(self.with_password(url)?),
                })
            }))),
            (None, None) => bail!("--url or --storage is needed"),
        };
        match storage {
            Storage::File(_) => {
                bail!("a file is migrated when it is opened; there is nothing to do")
            }
            Storage::Server(server) => match *server {
                Server::Postgres(settings) => Ok(settings),
            },
        }
    }

    /// The store that must be there.
    fn expected(&self) -> Result<Option<StoreId>> {
        let Some(file) = &self.directory else {
            return Ok(self.store_id.map(StoreId));
        };
        let text = std::fs::read_to_string(file);
        let text = text.with_context(|| format!("read {}", file.display()))?;
        let directory = Directory::parse(&text);
        let directory = directory.with_context(|| format!("read {}", file.display()))?;
        Ok(directory.store_id.map(StoreId))
    }

    fn with_password(&self, url: &Secret) -> Result<String> {
        let Some(password) = &self.password else {
            return Ok(url.reveal().to_owned());
        };
        // A reason could repeat what is secret.
        let mut url = url::Url::parse(url.reveal())
            .ok()
            .context("--url is not a URL; write postgres://user@host/database")?;
        ensure!(
            url.set_password(Some(password.reveal())).is_ok(),
            "--url has no host; write postgres://user@host/database"
        );
        Ok(url.into())
    }
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

/// Makes, migrates or checks the tables, and says what became of it.
///
/// # Errors
/// A sentence for the user.
pub async fn prepare(what: Store, out: &mut dyn fmt::Write) -> Result<()> {
    let (database, tables) = match what {
        Store::Migrate(database) => (database, Tables::Migrate),
        Store::Verify(database) => (database, Tables::Verify),
    };
    let settings = database.settings()?;
    let settings = Postgres { tables, ..settings };
    let prepared = postgres::prepare(&settings, database.expected()?).await;
    if let Some(file) = &database.report {
        let report = match &prepared {
            Ok(prepared) => Prepared::Ready {
                store_id: prepared.identity.store_id.to_string(),
                format: prepared.format,
            },
            Err(error) => Prepared::failed(failure(error), describe(error)),
        };
        let text = serde_json::to_string(&report).context("write the report")?;
        std::fs::write(file, text).with_context(|| format!("write {}", file.display()))?;
    }
    let prepared = prepared?;
    let (id, format) = (prepared.identity.store_id, prepared.format);
    let schema = &settings.schema;
    writeln!(
        out,
        "schema {schema} has format {format} and holds the store {id}"
    )?;
    Ok(())
}

fn failure(error: &OpenError) -> Failure {
    match error {
        OpenError::Unreachable { .. } => Failure::Unreachable,
        OpenError::Outdated { .. } => Failure::Outdated,
        OpenError::OtherStore { .. } => Failure::OtherStore,
        OpenError::File { .. }
        | OpenError::Connection { .. }
        | OpenError::Refused { .. }
        | OpenError::SettingsDropped { .. }
        | OpenError::NotDurable { .. }
        | OpenError::Newer { .. }
        | OpenError::NotAStore { .. } => Failure::Refused,
    }
}
