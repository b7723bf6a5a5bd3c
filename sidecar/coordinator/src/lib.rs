//! The event-sourcing pipeline and its ports, without any driver.
//!
//! ```text
//! command ─▶ turn of the root ─▶ load ─▶ logic ─▶ append (batched) ─▶ reply
//!                                                   │
//!                                                   └▶ feed ─▶ bus ─▶ consumer ─▶ logic ─▶ progress + outgoing work ─▶ commands
//! ```
//!
//! [`model`] holds the words, [`port`] what is needed from outside, [`command`] the way of a command,
//! [`query`] the way of a query, [`feed`] the log as subscribers see it, [`consumer`] the way of an event through a consumer,
//! [`reaction`] what a command waits for.

pub mod batcher;
pub mod budget;
pub mod command;
pub mod consumer;
pub mod fail_point;
pub mod feed;
pub mod histories;
pub mod model;
pub mod port;
pub mod query;
pub mod reaction;
pub mod retry;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
mod turns;
pub mod write_queue;

/// An error with its causes, in one line: the texts of both, divided by colons.
pub fn describe(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        line.push_str(": ");
        line.push_str(&inner.to_string());
        cause = inner.source();
    }
    line
}
