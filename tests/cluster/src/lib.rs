//! A real Kubernetes for tests: built from its modules, started on this machine and stopped with its owner.
//!
//! ```text
//!   tools ─▶ programs, built once and cached       certificates ─▶ who is who, new for each run
//!                 │                                     │
//!                 └──────────────▶ plane ◀──────────────┘    etcd, API server, controllers
//!                                    │
//!       images ───────────────────▶ node                     containerd, kubelet, kube-proxy, CoreDNS, scheduler
//!
//!   site: a plane alone runs on free ports of loopback; with a node, all is in namespaces of its own
//! ```
//!
//! One [`ControlPlane`] or one [`Node`] serves all tests of a binary, each in a namespace of its own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a test panics with its reason"
)]

mod certificates;
mod folder;
mod images;
mod kubeconfig;
mod node;
mod plane;
mod process;
mod site;
mod sizes;
mod tools;
mod wait;

pub use node::Node;
pub use plane::ControlPlane;
pub use sizes::{Sizes, image_sizes};
pub use tools::{built, gitops, helm, repository};
pub use wait::until;
