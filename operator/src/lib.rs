//! The operator of Angzarr and its command line.
//!
//! ```text
//! files ─▶ manifest ──┐                      ┌▶ local: processes on this machine
//!                     ├▶ validate ─▶ plan ───┼▶ render: the objects of a cluster, as text
//! API server ─▶ controller (watches)         └▶ controller: applied to a cluster, and reported
//!                     └▶ graph: the routing, drawn and analysed
//! pods of an API server ──▶ injection (webhook): what the pods of other workloads get
//! status of a cluster ──▶ why: walks from a resource to the cause of its state
//! ```
//!
//! A `resource` is what a file or an API server holds, `index` what all of them declare together,
//! and `model` what `validate` resolves and `plan` reads.

mod cli;
pub mod controller;
mod digest;
pub mod graph;
pub mod index;
mod injection;
mod local;
pub mod manifest;
mod model;
pub mod plan;
pub mod render;
pub mod resource;
pub mod validate;
pub mod why;

pub use cli::main;
pub use model::{Key, Role, System};
