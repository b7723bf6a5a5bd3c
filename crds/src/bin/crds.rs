//! Writes the definitions of all kinds into a folder, and their manual into a file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use angzarr_crds::{Kind, file_name, manual, yaml};
use anyhow::{Context, bail};

fn main() -> anyhow::Result<()> {
    let named: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [folder, page] = named.as_slice() else {
        bail!("name the folder and the page to write, like: crds crds/ docs/resources.md");
    };
    for kind in Kind::ALL {
        let text = yaml(kind).with_context(|| format!("write {kind} as YAML"))?;
        write(&folder.join(file_name(kind)), &text)?;
    }
    write(page, &manual())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}
