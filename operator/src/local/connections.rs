//! How stores on servers are reached: the Secrets of `local.yaml`, as a cluster mounts them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use angzarr_config::secret::Secret;
use anyhow::{Context, Result};

use crate::model::{Key, Storage, System};

/// Writes the Secret by which each component reaches a store on a server into a folder with a file for each key, which only we read; returns the folders.
pub(super) fn write(
    system: &System,
    secrets: &BTreeMap<String, BTreeMap<String, Secret>>,
    data: &Path,
) -> Result<BTreeMap<Key, PathBuf>> {
    let mut folders = BTreeMap::new();
    for (key, component) in &system.components {
        let store = system.stores[&component.store].of_component(component);
        let Storage::Server(server) = &store.storage else {
            continue;
        };
        let name = server.secret();
        let secret = secrets.get(name).with_context(|| {
            let store = &component.store.name;
            let who = match component.connection {
                Some(_) => format!("{}/{}", key.kind, key.name),
                None => format!("EventStore {store}"),
            };
            format!("local.yaml has no Secret {name}, which {who} names; add it under secrets, such as {name}: {{uri: ...}}")
        })?;
        let folder = data.join(&key.namespace).join("secrets").join(name);
        write_secret(&folder, secret).with_context(|| format!("write {}", folder.display()))?;
        folders.insert(key.clone(), folder);
    }
    Ok(folders)
}

/// Whether a folder holds a Secret already; sidecars that run may read it at any time.
fn is_written(folder: &Path, secret: &BTreeMap<String, Secret>) -> std::io::Result<bool> {
    if !folder.exists() {
        return Ok(false);
    }
    let mut known = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        known.insert(name, fs::read(entry.path())?);
    }
    let wanted = secret.iter();
    let wanted = wanted.map(|(part, value)| (part.clone(), value.reveal().as_bytes().to_vec()));
    Ok(wanted.collect::<BTreeMap<_, _>>() == known)
}

fn write_secret(folder: &Path, secret: &BTreeMap<String, Secret>) -> std::io::Result<()> {
    if is_written(folder, secret)? {
        return Ok(());
    }
    // What was there before may have other keys.
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    for (part, value) in secret {
        let mut file = fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.join(part))?;
        file.write_all(value.reveal().as_bytes())?;
    }
    Ok(())
}
