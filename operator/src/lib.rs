//! The operator and command line of Angzarr.
//!
//! [`local`] runs resources as processes on one machine.

pub mod local;
