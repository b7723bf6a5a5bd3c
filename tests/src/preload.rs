//! Libraries in C that are preloaded into a sidecar and intercept system calls.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds `preload/NAME.c` into a folder.
///
/// # Panics
/// When it cannot be built; it needs a C compiler.
pub fn build(name: &str, folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("preload")
        .join(name)
        .with_extension("c");
    let library = folder.join(format!("lib{name}.so"));
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"])
        .args([Path::new("-o"), &library, &source, Path::new("-ldl")])
        .status();
    let built = built.expect("a C compiler is needed: cc");
    assert!(built.success(), "{} is built", source.display());
    library
}
