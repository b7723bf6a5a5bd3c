//! What runs on a node.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a test panics with its reason"
)]

mod existing;
mod grants;
mod harness;
mod load;
#[path = "../owner/mod.rs"]
mod owner;
mod place;
mod pods;
mod release;
mod shop;
mod story;
