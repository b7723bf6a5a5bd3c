//! Load whose whole history is kept, and the guarantees checked against it.
//!
//! [`load`] attempts commands, facts and reads, [`reader`] follows the log while it is written, [`guarantees`] judges both against what is there at the end;
//! [`history`] is the rule of the order.

pub mod guarantees;
pub mod history;
pub mod load;
pub mod reader;
