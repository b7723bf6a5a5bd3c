//! Compiles the `.proto` files of the shop to Rust and to one encoded descriptor set, without `protoc`.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const SOURCES: &str = "../../proto";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed={SOURCES}");
    let mut files = Vec::new();
    collect_protos(Path::new(SOURCES), &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new([SOURCES]).map_err(io::Error::other)?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(&files).map_err(io::Error::other)?;

    let out_dir = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set"))?;
    fs::write(
        PathBuf::from(out_dir).join("shop.bin"),
        compiler.encode_file_descriptor_set(),
    )?;
    prost_build::Config::new()
        .btree_map(["."])
        .enable_type_names()
        .type_name_domain(["."], "type.googleapis.com")
        .include_file("packages.rs")
        .compile_fds(compiler.file_descriptor_set())
}

/// Adds the `.proto` files of a folder and of those below it, and tells cargo to watch them.
fn collect_protos(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_protos(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            println!("cargo:rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
    Ok(())
}
