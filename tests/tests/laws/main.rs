//! The contract suites of the ports: every law is checked for every adapter, and every store is compared with the model.
//!
//! Each law and adapter is a separate trial, so that one failure hides no other: `store::sqlite::NAME`, `bus::direct::NAME`, `model::sqlite::NAME`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a test panics with its reason"
)]

mod bus;
mod model;
mod store;

use angzarr_servers::postgres::Server;
use libtest_mimic::Arguments;

fn main() {
    let trials = store::trials().chain(bus::trials()).chain(model::trials());
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials.collect());
    Server::end_shared();
    conclusion.exit();
}
