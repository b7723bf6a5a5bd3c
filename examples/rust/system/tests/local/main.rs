//! `angzarr local` as people use it: real processes from a folder of resources.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says why and ends"
)]

mod desk;
mod groups;
mod history;
mod reload;
mod start;
