//! Prints how large the images of a release are, and fails when that of the sidecar is larger than it may be.
//!
//!     image-sizes FOLDER
//!
//! The folder has the programs, built as the Dockerfiles build them.

use std::path::PathBuf;
use std::process::ExitCode;

use angzarr_cluster::{Sizes, image_sizes};
use clap::Parser;

/// The largest image of a sidecar, in bytes as a registry has them.
const LARGEST_SIDECAR: u64 = 8_000_000;

/// Measures the images of a release.
#[derive(Debug, Parser)]
#[command(name = "image-sizes")]
struct Asked {
    /// The folder of the programs.
    folder: PathBuf,
}

fn main() -> ExitCode {
    let folder = Asked::parse().folder;
    print("operator", image_sizes("operator", &folder.join("angzarr")));
    let sidecar = image_sizes("sidecar", &folder.join("angzarr-sidecar"));
    print("sidecar", sidecar);
    if sidecar.compressed > LARGEST_SIDECAR {
        eprintln!("the image of the sidecar may have {LARGEST_SIDECAR} bytes, compressed");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn print(name: &str, sizes: Sizes) {
    let kilobytes = |bytes: u64| bytes.div_ceil(1000);
    let (compressed, unpacked) = (kilobytes(sizes.compressed), kilobytes(sizes.unpacked));
    println!("image of the {name}: {compressed} kB compressed, {unpacked} kB unpacked");
}
