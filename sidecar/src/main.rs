//! The sidecar.

fn main() {}
