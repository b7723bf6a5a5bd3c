//! From configuration to adapters: one exhaustive match.

use std::sync::Arc;

use angzarr_config::boot::Storage;
use angzarr_coordinator::port::backlog::Backlog;
use angzarr_coordinator::port::catalog::Catalog;
use angzarr_coordinator::port::leases::Leases;
use angzarr_coordinator::port::log::Log;
use angzarr_coordinator::port::progress::Progress;
use angzarr_stores::Instrumented;
use angzarr_stores::sqlite::SqliteStore;

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

/// Opens the configured store and measures it.
///
/// # Errors
/// The adapter's sentence on why it cannot be used.
pub fn store(storage: &Storage) -> anyhow::Result<Store> {
    match storage {
        Storage::Sqlite { path } => Ok(measured(SqliteStore::open(path)?, "sqlite")),
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
