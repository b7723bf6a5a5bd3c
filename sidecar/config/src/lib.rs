//! The configuration documents that the operator writes and the sidecar reads.
