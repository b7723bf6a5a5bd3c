//! A real Kubernetes for tests: built from its modules, started on this machine and stopped with its owner.
//!
//! ```text
//!   tools ─▶ programs, built once and cached     certificates ─▶ who is who, new for each run
//!                 │                                   │
//!                 └────────────▶ plane ◀──────────────┘
//!             etcd, API server, controller manager on free ports of loopback
//!                               │
//!                 kubectl, and a client for each test
//! ```
//!
//! One [`ControlPlane`] serves all tests of a binary, each in a namespace of its own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a test panics with its reason"
)]

mod certificates;
mod folder;
mod kubeconfig;
mod plane;
mod process;
mod tools;
mod wait;

pub use plane::ControlPlane;
pub use tools::{built, gitops, repository};
pub use wait::until;
