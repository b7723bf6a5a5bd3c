//! The stores of Angzarr: adapters of the coordinator's store ports, and what measures them.

mod instrumented;
pub mod sqlite;

pub use instrumented::Instrumented;
