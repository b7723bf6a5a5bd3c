//! From configuration to adapters: one exhaustive match.

use angzarr_config::boot::{Server, Storage};
use angzarr_coordinator::feed::Heads;
use angzarr_coordinator::port::store::Store;
use angzarr_stores::Instrumented;
use angzarr_stores::postgres::PostgresStore;
use angzarr_stores::sqlite::SqliteStore;
use anyhow::Context;

/// Opens the configured store and measures it. Where others append to it as well, what they append is announced to `heads`.
///
/// # Errors
/// The adapter's sentence on why it cannot be used.
pub async fn store(storage: &Storage, heads: &Heads) -> anyhow::Result<Store> {
    match storage {
        Storage::File(file) => {
            let store = SqliteStore::open(&file.path).context(
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
