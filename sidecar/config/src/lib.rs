//! The configuration documents that the operator writes and the sidecar reads.
//!
//! ```text
//! resources ─▶ operator ─▶ boot (restart needed) ──────▶ sidecar
//!                       ├▶ routing (reloaded while running) ─▶ sidecar
//!                       └▶ directory (likewise; one for many) ─▶ sidecar
//! a file by hand (pitch) ─▶ boot + routing
//! ```
//!
//! All types are plain data: reading files and the environment is left to the binaries.

pub mod boot;
pub mod directory;
pub mod endpoint;
pub mod handwritten;
mod nearest;
mod parse;
pub mod postgres;
pub mod routing;
pub mod secret;

pub use boot::Boot;
pub use directory::Directory;
pub use nearest::nearest;
pub use parse::{Error, Mistake, read, read_value};
pub use routing::Routing;
