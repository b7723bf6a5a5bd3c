//! The buses of Angzarr: adapters of the coordinator's bus port.
//!
//! ```text
//! store ─▶ feed ─▶ direct::server ═══ gRPC: Delivery ═══▶ direct::DirectBus ─▶ consumer
//!            └──────────────── same process ────────────────────▲
//! ```

pub mod direct;
