//! Writes the definitions of all kinds into a folder.

use std::{fs, path::PathBuf};

use angzarr_crds::{Kind, file_name, yaml};
use anyhow::Context;

fn main() -> anyhow::Result<()> {
    let folder: PathBuf = std::env::args_os()
        .nth(1)
        .context("name the folder to write to, like: crds crds/")?
        .into();
    for kind in Kind::ALL {
        let path = folder.join(file_name(kind));
        let text = yaml(kind).with_context(|| format!("write {kind} as YAML"))?;
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}
