//! Random histories are applied to the model of a store and to each real store; all results must be equal.
//!
//! `ANGZARR_CASES` is the number of histories for each store, `ANGZARR_SEED` the seed; a failure prints both, with the shortest failing history.

mod consumers;
mod log;
mod operation;
mod pair;
mod words;

use angzarr_tests::parameter;
use angzarr_tests::stores::{STORES, Store, runtime};
use libtest_mimic::{Failed, Trial};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use pair::Pair;

fn compare(store: Store) -> Result<(), Failed> {
    let cases = u32::try_from(parameter("ANGZARR_CASES", 64)).unwrap();
    let seed = parameter("ANGZARR_SEED", rand::random_range(0..1_000_000));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let runtime = runtime();
    let compared = TestRunner::new_with_rng(config, random)
        .run(&operation::histories(), |history| {
            runtime.block_on(async { Pair::new(store.open().await).run(&history).await })
        });
    compared.map_err(|error| format!("ANGZARR_SEED={seed} ANGZARR_CASES={cases}: {error}").into())
}

pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    STORES.iter().map(|store| {
        let name = format!(
            "model::{}::behaves_like_the_model_in_every_history",
            store.name
        );
        Trial::test(name, move || compare(*store))
    })
}
