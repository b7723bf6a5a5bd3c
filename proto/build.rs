//! Compiles every `.proto` file below `angzarr/` to Rust and to one encoded descriptor set, without `protoc`.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const SOURCES: &str = "angzarr";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed={SOURCES}");
    let mut files = Vec::new();
    collect_protos(Path::new(SOURCES), &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new(["."]).map_err(io::Error::other)?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(&files).map_err(io::Error::other)?;

    let out_dir = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set"))?;
    fs::write(
        PathBuf::from(out_dir).join("angzarr.bin"),
        compiler.encode_file_descriptor_set(),
    )?;
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .bytes(".")
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
