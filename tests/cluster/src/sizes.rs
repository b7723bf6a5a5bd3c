//! How large an image is that a node pulls.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::images::Buildah;

/// The layers of an image, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// As a registry has them that gets them compressed by gzip, at its best level.
    pub compressed: u64,
    /// As a node keeps them, as archives.
    pub unpacked: u64,
}

/// Builds the image of the last stage of a Dockerfile, such as that of the sidecar, with a program that is built already.
///
/// # Panics
/// When it cannot be built.
pub fn image_sizes(name: &str, program: &Path) -> Sizes {
    let folder = tempfile::tempdir().unwrap();
    let stage = folder.path().join("stage");
    fs::create_dir_all(stage.join("out")).unwrap();
    let file = program.file_name().unwrap();
    fs::copy(program, stage.join("out").join(file)).unwrap();
    let buildah = Buildah(folder.path());
    let image = buildah.last_stage(name, &stage);
    let [packed, plain] = ["packed", "plain"].map(|name| folder.path().join(name));
    let best = ["--compression-format=gzip", "--compression-level=9"];
    buildah.push_with(&best, &image, &format!("oci:{}:it", packed.display()));
    // It has the layers as a node does.
    buildah.push(&image, &format!("docker-archive:{}", plain.display()));
    Sizes {
        compressed: layers(&manifest(&packed)),
        unpacked: fs::metadata(&plain).unwrap().len(),
    }
}

fn manifest(folder: &Path) -> Value {
    let index = read(&folder.join("index.json"));
    let digest = index["manifests"][0]["digest"].as_str().unwrap();
    read(&folder.join("blobs").join(digest.replace(':', "/")))
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// The sum of the sizes of the layers of a manifest.
fn layers(manifest: &Value) -> u64 {
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers.map(|layer| layer["size"].as_u64().unwrap()).sum()
}
