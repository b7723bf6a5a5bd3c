//! The stores that the suites run on: a new one is a line in [`STORES`].

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use angzarr_coordinator::feed::Heads;
use angzarr_coordinator::port::store::Store as Ports;
use angzarr_coordinator::testkit::store::{Bench, Model, Sharing};
use angzarr_servers::postgres::{Database, Server};
use angzarr_stores::Instrumented;
use angzarr_stores::postgres::PostgresStore;
use angzarr_stores::sqlite::SqliteStore;
use async_trait::async_trait;
use tokio::runtime::Runtime;

type Opening = Pin<Box<dyn Future<Output = Box<dyn Bench>> + Send>>;

/// A kind of store.
#[derive(Clone, Copy)]
pub struct Store {
    /// Its name in trials.
    pub name: &'static str,
    open: fn() -> Opening,
}

impl Store {
    /// Opens an empty one.
    pub async fn open(&self) -> Box<dyn Bench> {
        (self.open)().await
    }
}

/// The stores that are compared with the model.
pub const STORES: &[Store] = &[
    Store {
        name: "sqlite",
        open: || Box::pin(async { Box::new(Sqlite::new()) as Box<dyn Bench> }),
    },
    Store {
        name: "postgres",
        open: || Box::pin(async { Box::new(Postgres::new().await) as Box<dyn Bench> }),
    },
];

/// The reference, which also keeps the laws.
pub const MODEL: Store = Store {
    name: "model",
    open: || Box::pin(async { Box::new(Model::new()) as Box<dyn Bench> }),
};

/// A runtime for one trial.
pub fn runtime() -> Runtime {
    let mut building = tokio::runtime::Builder::new_multi_thread();
    building.worker_threads(2).enable_all().build().unwrap()
}

/// A store in a file of a folder of its own, measured as in a sidecar.
struct Sqlite {
    folder: tempfile::TempDir,
    store: Option<Arc<Instrumented<SqliteStore>>>,
}

impl Sqlite {
    fn new() -> Self {
        let mut bench = Self {
            folder: tempfile::tempdir().unwrap(),
            store: None,
        };
        bench.open();
        bench
    }

    fn open(&mut self) {
        let file: PathBuf = self.folder.path().join("store.db");
        let store = SqliteStore::open(&file).unwrap();
        self.store = Some(Instrumented::new(store, "sqlite"));
    }
}

#[async_trait]
impl Bench for Sqlite {
    fn ports(&self) -> Ports {
        Ports::of(Arc::clone(self.store.as_ref().unwrap()))
    }

    async fn reopen(&mut self) {
        let store = self.store.take().unwrap();
        assert_eq!(Arc::strong_count(&store), 1, "the law dropped its ports");
        drop(store);
        self.open();
    }

    fn sharing(&self) -> Sharing {
        Sharing::OneProcess
    }
}

/// A PostgreSQL store in a new database, with the metrics of a sidecar.
struct Postgres {
    database: Database,
    store: Option<Arc<Instrumented<PostgresStore>>>,
}

impl Postgres {
    async fn new() -> Self {
        let mut bench = Self {
            database: Server::shared().await.database().await,
            store: None,
        };
        bench.open().await;
        bench
    }

    async fn open(&mut self) {
        let opened = PostgresStore::open(self.database.settings(), Heads::default());
        self.store = Some(Instrumented::new(opened.await.unwrap(), "postgres"));
    }
}

#[async_trait]
impl Bench for Postgres {
    fn ports(&self) -> Ports {
        Ports::of(Arc::clone(self.store.as_ref().unwrap()))
    }

    async fn reopen(&mut self) {
        let store = self.store.take().unwrap();
        assert_eq!(Arc::strong_count(&store), 1, "the law dropped its ports");
        drop(store);
        self.open().await;
    }

    fn sharing(&self) -> Sharing {
        Sharing::Everyone
    }
}
