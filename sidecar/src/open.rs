//! From configuration to adapters: one exhaustive match.

use std::sync::Arc;
use std::time::Duration;

use angzarr_config::boot::{Server, Sqlite, Storage};
use angzarr_coordinator::feed::Heads;
use angzarr_coordinator::port::store::Store;
use angzarr_stores::Instrumented;
use angzarr_stores::postgres::PostgresStore;
use angzarr_stores::sqlite::{OpenError, SqliteStore};
use anyhow::Context;
use tokio::time::{Instant, sleep};

use crate::lifecycle::Lifecycle;

/// How often a file that another process has open is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Opens the configured store and measures it. Where others append to it as well, what they append is announced to `heads`. What it waits for is
/// noted in `lifecycle`.
///
/// # Errors
/// The adapter's sentence on why it cannot be used.
pub async fn store(
    storage: &Storage,
    heads: &Heads,
    lifecycle: &Lifecycle,
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
                let opened = PostgresStore::open(settings.clone(), heads.clone());
                Ok(Store::of(Instrumented::new(opened.await?, "postgres")))
            }
        },
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
