//! From configuration to adapters: one exhaustive match.

use std::sync::Arc;

use angzarr_config::boot::Storage;
use angzarr_coordinator::feed::Heads;
use angzarr_coordinator::port::backlog::Backlog;
use angzarr_coordinator::port::catalog::Catalog;
use angzarr_coordinator::port::leases::Leases;
use angzarr_coordinator::port::log::Log;
use angzarr_coordinator::port::progress::Progress;
use angzarr_stores::Instrumented;
use angzarr_stores::postgres::PostgresStore;
use angzarr_stores::sqlite::SqliteStore;
use anyhow::Context;

/// The ports of one open store.
#[derive(Clone)]
pub struct Store {
    /// Appends and reads.
    pub log: Arc<dyn Log>,
    /// What is in it.
    pub catalog: Arc<dyn Catalog>,
    /// How far consumers got.
    pub progress: Arc<dyn Progress>,
    /// What waits for consumers.
    pub backlog: Arc<dyn Backlog>,
    /// Who may act.
    pub leases: Arc<dyn Leases>,
}

/// Opens the configured store and measures it. Where others append to it, too, what they append is announced to `heads`.
///
/// # Errors
/// The adapter's sentence on why it cannot be used.
pub async fn store(storage: &Storage, heads: &Heads) -> anyhow::Result<Store> {
    match storage {
        Storage::Sqlite { path } => {
            let store = SqliteStore::open(path).context(
                "storage.path must name a store that no other process has open, or a new file in a folder that exists and may be written",
            )?;
            Ok(measured(store, "sqlite"))
        }
        Storage::Postgres(settings) => {
            let opened = PostgresStore::open(settings.clone(), heads.clone());
            Ok(measured(opened.await?, "postgres"))
        }
    }
}

fn measured<S>(store: Arc<S>, kind: &'static str) -> Store
where
    S: Log + Catalog + Progress + Backlog + Leases + 'static,
{
    let store = Instrumented::new(store, kind);
    Store {
        log: store.clone(),
        catalog: store.clone(),
        progress: store.clone(),
        backlog: store.clone(),
        leases: store,
    }
}
