//! The laws of the store ports, one trial for each law and store.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says why and ends"
)]

use std::path::PathBuf;
use std::sync::Arc;

use angzarr_coordinator::testkit::store::{Bench, LAWS, Law, Ports};
use angzarr_stores::sqlite::SqliteStore;
use async_trait::async_trait;
use libtest_mimic::{Arguments, Trial};

/// A store in a file of a folder of its own.
struct Sqlite {
    folder: tempfile::TempDir,
    store: Option<Arc<SqliteStore>>,
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
        self.store = Some(SqliteStore::open(&file).unwrap());
    }
}

#[async_trait]
impl Bench for Sqlite {
    fn ports(&self) -> Ports {
        let store = self.store.clone().unwrap();
        Ports {
            log: store.clone(),
            catalog: store.clone(),
            progress: store.clone(),
            backlog: store.clone(),
            leases: store,
        }
    }

    async fn reopen(&mut self) {
        let store = self.store.take().unwrap();
        assert_eq!(Arc::strong_count(&store), 1, "the law dropped its ports");
        drop(store);
        self.open();
    }
}

fn check(law: &Law) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(law.check(Box::new(Sqlite::new())));
}

fn main() {
    let trials = LAWS.iter().map(|law| {
        Trial::test(format!("sqlite::{}", law.name), move || {
            check(law);
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}
