//! What changes on the disk while everything runs: resources, `local.yaml`, and programs.
//!
//! # Design
//! Files are looked at again and again instead of being watched by the kernel: editors, builds and links replace files in ways that such watches
//! see differently. A change counts once two looks agree, so nothing is taken that is still being written.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::declared::Source;
use crate::manifest;

/// How often files are looked at.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// The resources or `local.yaml`.
    Declared,
    /// A program.
    Program(PathBuf),
}

/// Looks at files.
#[derive(Debug)]
pub(super) struct Watch {
    source: Source,
    /// What was acted on.
    known: Look,
    last: Look,
}

/// All files at one moment; absent ones have no stamp.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Look {
    declared: BTreeMap<PathBuf, Option<Stamp>>,
    programs: BTreeMap<PathBuf, Option<Stamp>>,
}

/// Tells one content of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Watch {
    /// Takes what is declared now as known; it is to be read only then.
    pub(super) fn new(source: Source) -> Self {
        let known = Look::take(&source, [].into_iter());
        Self {
            last: known.clone(),
            source,
            known,
        }
    }

    /// Takes programs as they are now as known; they are to be started only then.
    pub(super) fn know<'a>(&mut self, programs: impl Iterator<Item = &'a PathBuf>) {
        self.known.programs = Look::take(&self.source, programs).programs;
    }

    /// Says what has changed since it was last said. Programs that are seen for the first time have not changed, nor have absent ones.
    pub(super) fn look<'a>(&mut self, programs: impl Iterator<Item = &'a PathBuf>) -> Vec<Change> {
        let now = Look::take(&self.source, programs);
        let is_stable = now == self.last;
        self.last = now.clone();
        if !is_stable {
            return Vec::new();
        }
        let mut changes = Vec::new();
        if now.declared != self.known.declared {
            self.known.declared = now.declared;
            changes.push(Change::Declared);
        }
        let mut known = BTreeMap::new();
        for (program, stamp) in now.programs {
            let before = self.known.programs.get(&program).cloned();
            if stamp.is_some() && before.as_ref().is_some_and(|before| *before != stamp) {
                changes.push(Change::Program(program.clone()));
            }
            known.insert(program, stamp.or(before.flatten()));
        }
        self.known.programs = known;
        changes
    }
}

impl Look {
    fn take<'a>(source: &Source, programs: impl Iterator<Item = &'a PathBuf>) -> Self {
        // A folder that cannot be read now is reported when it is read.
        let mut files = manifest::files(&source.folder).unwrap_or_default();
        files.push(source.local_yaml());
        let stamped = |file: &Path| (file.to_owned(), stamp(file));
        Self {
            declared: files.iter().map(|file| stamped(file)).collect(),
            programs: programs.map(|file| stamped(file)).collect(),
        }
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(file).ok()?;
    Some(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        bytes: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
    })
}
