//! From configuration to adapters: one exhaustive match.

use std::sync::Arc;
use std::time::Duration;

use angzarr_config::boot::{Server, Sqlite, Storage};
use angzarr_config::postgres::Postgres;
use angzarr_coordinator::feed::Heads;
use angzarr_coordinator::model::StoreId;
use angzarr_coordinator::port::store::Store;
use angzarr_stores::Instrumented;
use angzarr_stores::postgres::{self, PostgresStore};
use angzarr_stores::sqlite::{OpenError, SqliteStore};
use anyhow::Context;
use tokio::time::{Instant, sleep};

use crate::lifecycle::Lifecycle;

/// How often a file that another process has open is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How often a server store that is not as it should be is looked at.
const LOOK_AT_TABLES: Duration = Duration::from_secs(1);

/// Opens the configured store and measures it. Where others append to it as well, what they append is announced to `heads`. What it waits for is
/// noted in `lifecycle`. A store on a server has the expected id, or is not opened.
///
/// # Errors
/// The adapter's sentence on why it cannot be used.
pub async fn store(
    storage: &Storage,
    heads: &Heads,
    lifecycle: &Lifecycle,
    expected: Option<StoreId>,
) -> anyhow::Result<Store> {
    match storage {
        Storage::File(file) => {
            let store = file_store(file, lifecycle).await.context(
                "storage.path must name a store that no other process has open, or a new file in a folder that exists and may be written",
            )?;
            Ok(Store::of(Instrumented::new(store, "sqlite")))
        }
        Storage::Server(server) => match &**server {
            Server::Postgres(settings) => {
                let store = postgres_store(settings, heads, lifecycle, expected).await?;
                Ok(Store::of(Instrumented::new(store, "postgres")))
            }
        },
    }
}

/// Opens the store once its tables can be used and it is the expected one: a person mends both outside of this process, which then goes on.
async fn postgres_store(
    settings: &Postgres,
    heads: &Heads,
    lifecycle: &Lifecycle,
    expected: Option<StoreId>,
) -> Result<Arc<PostgresStore>, postgres::OpenError> {
    let mut told = String::new();
    loop {
        let opened = PostgresStore::open_expected(settings.clone(), heads.clone(), expected).await;
        let refusal = match opened {
            Err(refusal @ postgres::OpenError::OtherStore { .. }) => {
                lifecycle.note_other_store(refusal.to_string());
                refusal
            }
            Err(refusal @ postgres::OpenError::Outdated { .. }) => {
                lifecycle.note_awaited(refusal.to_string());
                refusal
            }
            opened => return opened,
        };
        let sentence = refusal.to_string();
        if told != sentence {
            tracing::error!(error = sentence, "the store is not opened before that");
            told = sentence;
        }
        sleep(LOOK_AT_TABLES).await;
    }
}

/// Opens the store in a file once no other process has it open, as long as the wait that is configured: the process that served before may still
/// drain.
async fn file_store(file: &Sqlite, lifecycle: &Lifecycle) -> Result<Arc<SqliteStore>, OpenError> {
    let began = Instant::now();
    let mut told = None;
    loop {
        let holder = match SqliteStore::open(&file.path) {
            Err(OpenError::InUse { holder, .. }) if began.elapsed() < file.wait => holder,
            opened => return opened,
        };
        let path = file.path.display();
        let whom = match &holder {
            Some(holder) => format!("another process ({holder})"),
            None => "another process".to_owned(),
        };
        if told.as_ref() != Some(&holder) {
            tracing::warn!(store = %path, within = ?file.wait, "waits for the store, which is in use by {whom}");
            told = Some(holder);
        }
        lifecycle.note_awaited(format!(
            "waits for the store {path}, which is in use by {whom}"
        ));
        sleep(LOOK_AGAIN.min(file.wait.saturating_sub(began.elapsed()))).await;
    }
}
