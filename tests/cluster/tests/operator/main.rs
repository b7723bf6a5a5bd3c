//! What the operator makes of resources on a real API server. No node runs there: a test says of pods that they are ready.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a test panics with its reason"
)]

mod chart;
mod conditions;
mod events;
mod faults;
mod gitops;
mod grants;
mod hostile;
mod http;
mod injection;
mod instances;
mod lake;
mod leader;
mod objects;
mod plans;
mod probe;
mod reasons;
mod record;
mod refusals;
mod rights;
mod rollouts;
mod silent;
mod tables;
mod tap;
mod why;
mod wire;
mod wishes;
mod world;
