//! The sidecar: the pipeline of `angzarr-coordinator` behind gRPC, beside the user's logic.
//!
//! ```text
//!  settings ─▶ run ─▶ open (store), routes (where others are), logic (clients), telemetry, lifecycle, health, admin
//!               │
//!  client ─▶ grpc ─▶ places ─┬▶ executor of an own domain ─▶ store      reactions ─▶ projectors, here or elsewhere
//!                            └▶ forward ─▶ sidecar of another domain
//!  own consumers ─▶ bus ─▶ logic ─▶ dispatch ─▶ places
//! ```
//!
//! Modules import downwards only, in this order: `run`; `grpc`, `admin`; `targets`; `dispatch`, `projectors`, `telemetry`, `health`; `acting`, `places`;
//! `aggregates`, `routes`, `logic`; `forward`, `refusal`, `trailers`, `transport`, `lifecycle`.

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
pub mod places;
pub mod process;
pub mod projectors;
pub mod refusal;
pub mod routes;
pub mod routing_file;
pub mod run;
pub mod settings;
pub mod targets;
pub mod telemetry;
pub mod trailers;
pub mod transport;
