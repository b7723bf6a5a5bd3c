//! The stores of Angzarr: adapters of the coordinator's store ports.

pub mod sqlite;
