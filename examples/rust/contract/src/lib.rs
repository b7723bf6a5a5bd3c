//! The messages of the shop, and the code that its programs share.
//!
//! ```text
//! examples/proto/**/*.proto ── build.rs ──▶ customer, order, …    messages, one module for each package
//!
//! sidecar ── gRPC ──▶ serve ──▶ aggregate | saga ──▶ logic.rs of a program, a pure function
//!                                  └ book: the content of an Any
//! ```
//!
//! None of this is needed to write logic: it adapts the generated services of the contract to functions
//! that know nothing of gRPC.

mod aggregate;
mod book;
mod refusal;
mod saga;
mod serve;

pub use aggregate::{Aggregate, AggregateService};
pub use book::{command_to, decode, encode, inventory_root, reservation_key, type_name};
pub use generated::shop::{cart, customer, fulfillment, inventory, order, product, web};
pub use refusal::Refusal;
pub use saga::{React, SagaService};
pub use serve::{ServeError, Settings, serve, start_logs, stop_signal};

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated: the comments of the .proto files are the documentation"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/packages.rs"));
}

/// The encoded `google.protobuf.FileDescriptorSet` of the shop's messages, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/shop.bin"));
