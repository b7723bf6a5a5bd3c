//! What the pipeline needs from the outside, one port a file.

pub mod backlog;
pub mod bus;
pub mod catalog;
pub mod clock;
pub mod leases;
pub mod log;
pub mod logic;
pub mod observer;
pub mod peers;
pub mod progress;
pub mod store;
pub mod writer;
