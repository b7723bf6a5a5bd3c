//! What the data folder holds of components as they ran before: a resource with another name, or with another domain, would start an empty
//! history beside it without a word.

use std::fs;
use std::path::{Path, PathBuf};

use angzarr_config::Mistake;
use angzarr_crds::{Kind, validate_cel};
use anyhow::{Context, Result};
use serde_json::Value;

use super::declared::Declared;
use super::folder::Folder;
use crate::manifest::{Written, all};
use crate::model::{Key, Storage};
use crate::resource::{Resource, Spec};

/// The resource as it ran last, in the folder of its component.
const RESOURCE: &str = "resource.json";
/// The file of events and progress, in the same folder.
pub(super) const STORE: &str = "store.db";

/// A component that ran before.
struct Kept {
    folder: PathBuf,
    kind: Kind,
    namespace: String,
    name: String,
    resource: Value,
}

/// Validates what is declared against what ran before; returns a notice for each component that is declared no longer.
///
/// # Errors
/// Each change that an API server would refuse, and each aggregate whose events are kept under another name; or a file that cannot be read.
pub(super) fn validate(folder: &Folder, declared: &Declared) -> Result<Vec<String>> {
    let kept = read(&folder.path)?;
    let (mut mistakes, mut notices) = (Vec::new(), Vec::new());
    let mut left: Vec<_> = kept.iter().collect();
    left.retain(|kept| {
        let is_same = |written: &&Written| kept.is_of(&written.resource);
        let Some(written) = declared.resources.iter().find(is_same) else {
            return true;
        };
        mistakes.extend(kept.refuse_changes(written));
        false
    });
    for kept in left {
        match kept.successor(folder, declared) {
            Some(written) => mistakes.push(kept.refuse_name(folder, written)),
            None => notices.push(kept.notice()),
        }
    }
    if mistakes.is_empty() {
        Ok(notices)
    } else {
        Err(all(mistakes))
    }
}

/// Keeps the resource of a component that runs now.
///
/// # Errors
/// The file cannot be written.
pub(super) fn keep(folder: &Folder, key: &Key, declared: &Declared) -> Result<()> {
    let mut resources = declared.resources.iter();
    let written = resources.find(|it| it.resource.key() == *key);
    let written = written.context("find the resource")?;
    folder.write(&folder.of(key).join(RESOURCE), &value_of(&written.resource))
}

/// What is kept of every component.
fn read(data: &Path) -> Result<Vec<Kept>> {
    let mut found = Vec::new();
    for namespace in folders(data)? {
        for folder in folders(&namespace)? {
            let file = folder.join(RESOURCE);
            if file.exists() {
                found.push(Kept::read(folder, &namespace, &file)?);
            }
        }
    }
    Ok(found)
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            }
        }
        folders.sort();
        Ok(folders)
    };
    read().with_context(|| format!("read the folder {}", folder.display()))
}

impl Kept {
    fn read(folder: PathBuf, namespace: &Path, file: &Path) -> Result<Self> {
        let said = || format!("read {}", file.display());
        let resource: Value =
            serde_json::from_slice(&fs::read(file).with_context(said)?).with_context(said)?;
        let kind = resource["kind"].as_str().and_then(Kind::parse);
        let name = resource["metadata"]["name"].as_str();
        Ok(Self {
            kind: kind.context("find the kind").with_context(said)?,
            name: name.context("find the name").with_context(said)?.to_owned(),
            namespace: namespace
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            resource,
            folder,
        })
    }

    /// Whether it is kept under the name of a resource; a folder that was moved belongs to the name of the folder.
    fn is_of(&self, resource: &Resource) -> bool {
        let key = resource.key();
        key.namespace == self.namespace && self.folder.file_name() == Some(key.base_name().as_ref())
    }

    /// The changes of a resource that an API server refuses.
    fn refuse_changes(&self, written: &Written) -> Vec<Mistake> {
        let now = value_of(&written.resource);
        let mistakes = validate_cel(self.kind, &now, Some(&self.resource));
        let folder = self.folder.display();
        let told = mistakes.into_iter().map(|mistake| {
            let message = format!(
                "{}. Its data is in {folder}: to start with an empty history under the same name, stop `angzarr local` and remove that folder",
                mistake.message
            );
            written.mistake(&mistake.path, message)
        });
        told.collect()
    }

    fn domain(&self) -> Option<&str> {
        self.resource["spec"]["domain"].as_str()
    }

    /// The aggregate that would start an empty history of the domain whose events are here.
    fn successor<'a>(&self, folder: &Folder, declared: &'a Declared) -> Option<&'a Written> {
        if self.kind != Kind::Aggregate || !self.folder.join(STORE).exists() {
            return None;
        }
        declared.resources.iter().find(|written| {
            let Spec::Aggregate(aggregate) = &written.resource.spec else {
                return false;
            };
            let key = written.resource.key();
            let component = declared.system.components.get(&key);
            let store = component.and_then(|it| declared.system.stores.get(&it.store));
            store.is_some_and(|store| store.storage == Storage::File)
                && key.namespace == self.namespace
                && Some(aggregate.spec.domain.as_str()) == self.domain()
                && !folder.of(&key).join(STORE).exists()
        })
    }

    fn refuse_name(&self, folder: &Folder, written: &Written) -> Mistake {
        let (kind, name) = (self.kind, &self.name);
        let domain = self.domain().unwrap_or_default();
        let here = quote(&self.folder);
        let there = quote(&folder.of(&written.resource.key()));
        let message = format!(
            "would start with an empty history: the events of domain {domain} are kept for {kind}/{name}, which is not declared. Stop `angzarr local`; to go on with them, run `mv -T {here} {there}`; to start without them, run `rm -r {here}`"
        );
        written.mistake("metadata.name", message)
    }

    fn notice(&self) -> String {
        let (kind, name) = (self.kind, &self.name);
        let what = match self.kind {
            Kind::Aggregate => {
                let domain = self.domain().unwrap_or_default();
                format!("the events of domain {domain}, which belong to {kind}/{name}")
            }
            Kind::EventStore | Kind::Projector | Kind::Saga | Kind::ProcessManager => {
                format!("the progress of {kind}/{name}, which another name does not continue")
            }
        };
        let folder = self.folder.display();
        format!(
            "{folder} holds {what}: nothing of that name is declared; declare it again to go on with it, or remove the folder"
        )
    }
}

fn value_of(resource: &Resource) -> Value {
    let written = match &resource.spec {
        Spec::EventStore(spec) => serde_json::to_value(spec),
        Spec::Aggregate(spec) => serde_json::to_value(spec),
        Spec::Projector(spec) => serde_json::to_value(spec),
        Spec::Saga(spec) => serde_json::to_value(spec),
        Spec::ProcessManager(spec) => serde_json::to_value(spec),
    };
    written.expect("resources are plain data")
}

/// A path as a word of a shell.
fn quote(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@,".contains(&byte);
    if text.bytes().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}
