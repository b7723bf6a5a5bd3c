//! The gRPC contract of Angzarr as Rust types, clients and servers.
//!
//! ```text
//! angzarr/**/*.proto ── build.rs ──┬─▶ v1, internal::v1      messages, clients, servers
//!                                  └─▶ FILE_DESCRIPTOR_SET   for gRPC reflection and the contract tests
//! ```
//!
//! The `.proto` files are the source and the manual; nothing here is written by hand. [`v1`] is the public contract,
//! [`internal::v1`] is what sidecars speak among themselves.

/// The package tree of the `.proto` files; generated code refers to other packages through it.
pub mod angzarr {
    /// The public contract.
    #[allow(
        missing_docs,
        clippy::all,
        clippy::too_many_lines,
        clippy::allow_attributes_without_reason,
        clippy::wildcard_imports,
        reason = "generated: the comments of the .proto files are the documentation"
    )]
    pub mod v1 {
        include!(concat!(env!("OUT_DIR"), "/angzarr.v1.rs"));
    }

    /// What is not for users.
    pub mod internal {
        /// What sidecars speak among themselves.
        #[allow(
            missing_docs,
            clippy::all,
            clippy::too_many_lines,
            clippy::allow_attributes_without_reason,
            clippy::wildcard_imports,
            reason = "generated: the comments of the .proto files are the documentation"
        )]
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/angzarr.internal.v1.rs"));
        }
    }
}

pub use angzarr::{internal, v1};

/// The encoded `google.protobuf.FileDescriptorSet` of all files and what they import, comments included.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/angzarr.bin"));
