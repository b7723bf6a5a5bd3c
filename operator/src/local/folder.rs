//! The data folder: what processes and other programs read there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use angzarr_config::directory::Directory;
use anyhow::{Context, Result};
use serde::Serialize;

use crate::model::Key;
use crate::plan::Documents;

/// Where in a component's folder the documents about others are.
const ROUTING: &str = "routing";

/// The data folder.
pub(super) struct Folder {
    pub(super) path: PathBuf,
}

/// What other programs read of a running system, in the file `addresses.json`.
#[derive(Serialize)]
struct Addresses<'a> {
    components: Vec<Address<'a>>,
}

/// Where one component is reached.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Address<'a> {
    pub(super) kind: &'a str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) grpc: String,
    pub(super) admin: String,
    /// The further ports of its logic, by name.
    pub(super) ports: &'a BTreeMap<String, u16>,
}

impl Folder {
    /// Makes the folder, if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("make the folder {}", path.display()))?;
        let path = path.canonicalize().context("find the data folder")?;
        Ok(Self { path })
    }

    /// The folder of a component.
    pub(super) fn of(&self, key: &Key) -> PathBuf {
        self.path.join(&key.namespace).join(key.base_name())
    }

    pub(super) fn boot(&self, key: &Key) -> PathBuf {
        self.of(key).join("boot.json")
    }

    pub(super) fn routing(&self, key: &Key) -> PathBuf {
        self.of(key).join(ROUTING)
    }

    /// Writes what a component's sidecar reads.
    pub(super) fn write_documents(
        &self,
        key: &Key,
        documents: &Documents,
        directory: &Directory,
    ) -> Result<()> {
        let routing = self.routing(key);
        fs::create_dir_all(&routing)
            .with_context(|| format!("make the folder {}", routing.display()))?;
        self.write(&self.boot(key), &documents.boot)?;
        self.write(&routing.join("directory.json"), directory)?;
        self.write(&routing.join("routing.json"), &documents.routing)
    }

    /// Writes where everything is reached.
    pub(super) fn write_addresses<'a>(
        &self,
        components: impl Iterator<Item = Address<'a>>,
    ) -> Result<()> {
        let addresses = Addresses {
            components: components.collect(),
        };
        self.write(&self.path.join("addresses.json"), &addresses)
    }

    /// Writes a file in the folder as a whole: whoever reads it meanwhile sees the old one or the new one.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn write(&self, file: &Path, content: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(content)
            .with_context(|| format!("write {}", file.display()))?;
        let fresh = file.with_extension("new");
        fs::write(&fresh, text).with_context(|| format!("write {}", fresh.display()))?;
        fs::rename(&fresh, file).with_context(|| format!("write {}", file.display()))
    }
}
