//! The operator of Angzarr and its command line.
//!
//! ```text
//! files ─▶ manifest ─▶ validate ─▶ plan (pure) ─▶ local: processes on this machine
//! ```
//!
//! [`model`] holds what validate resolves and plan reads.

pub mod cli;
pub mod local;
pub mod manifest;
pub mod model;
pub mod plan;
pub mod validate;
