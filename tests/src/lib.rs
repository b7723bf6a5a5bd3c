//! What needs more than one crate: contract suites, fault injection, benchmarks.
