//! The laws of the store ports, one trial for each law and store.

use angzarr_coordinator::testkit::store::{LAWS, Law};
use angzarr_tests::stores::{MODEL, STORES, Store, runtime};
use libtest_mimic::Trial;

fn trial(store: Store, law: &'static Law) -> Trial {
    Trial::test(format!("store::{}::{}", store.name, law.name), move || {
        runtime().block_on(async { law.check(store.open().await).await });
        Ok(())
    })
}

pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    let stores = STORES.iter().chain([&MODEL]);
    stores.flat_map(|store| LAWS.iter().map(|law| trial(*store, law)))
}
