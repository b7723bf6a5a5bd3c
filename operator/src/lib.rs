//! The operator of Angzarr and its command line.
//!
//! ```text
//! files ─▶ manifest ─▶ validate ─┬▶ plan (pure) ─┬▶ local: processes on this machine
//!                                │               └▶ render: the objects of a cluster, as text
//!                                └▶ graph: the routing, drawn and analysed
//! ```
//!
//! `model` holds what `validate` resolves and `plan` reads.

mod cli;
pub mod controller;
pub mod graph;
pub mod index;
mod local;
pub mod manifest;
mod model;
pub mod plan;
pub mod render;
pub mod resource;
pub mod validate;

pub use cli::main;
pub use model::{Key, Role, System};
