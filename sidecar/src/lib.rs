//! The sidecar: the pipeline of `angzarr-coordinator` behind gRPC, beside the user's logic.
//!
//! ```text
//!             settings ─▶ run ─▶ open (store)  routes (who is where)  logic (clients)
//!                          │
//!  client ─▶ grpc ─▶ dispatch ─▶ executor of an own domain ─▶ store
//!              │        └──────▶ owner of another domain
//!              └──▶ query ─▶ store, or the owner
//!
//!  own consumers ─▶ bus ─▶ logic ─▶ dispatch
//! ```

pub mod acting;
pub mod admin;
pub mod aggregates;
pub mod cli;
pub mod dispatch;
pub mod forward;
pub mod grpc;
pub mod health;
pub mod lifecycle;
pub mod logic;
pub mod open;
pub mod process;
pub mod projectors;
pub mod query;
pub mod routes;
pub mod routing_file;
pub mod run;
pub mod settings;
pub mod telemetry;
pub mod transport;
