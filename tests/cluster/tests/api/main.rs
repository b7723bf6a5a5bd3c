//! What an API server says to the custom resources and to the objects that they lead to.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a test panics with its reason"
)]

mod definitions;
mod harness;
#[path = "../owner/mod.rs"]
mod owner;
mod rendered;
mod rules;
mod shop;
