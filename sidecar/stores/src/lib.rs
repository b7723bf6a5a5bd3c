//! The stores of Angzarr: adapters of the coordinator's store ports, and what measures them.

mod instrumented;
pub mod postgres;
pub mod sqlite;
mod stored;

pub use instrumented::Instrumented;
