//! Load with a complete history, and the guarantees checked against it.
//!
//! [`load`] sends commands, facts and reads, [`reader`] reads the log meanwhile, [`guarantees`] compares both with the stored events at the end;
//! [`history`] checks the order.

pub mod guarantees;
pub mod history;
pub mod load;
pub mod reader;
