//! How large an image is that a node pulls.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::images::Buildah;

/// The layers of an image, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// As a registry has them, compressed by gzip.
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
    let [packed, plain] = ["oci", "dir"].map(|kind| folder.path().join(kind));
    buildah.push(&image, &format!("oci:{}:it", packed.display()));
    buildah.push(&image, &format!("dir:{}", plain.display()));
    Sizes {
        compressed: layers(&manifest_of_oci(&packed)),
        unpacked: layers(&read(&plain.join("manifest.json"))),
    }
}

fn manifest_of_oci(folder: &Path) -> Value {
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
