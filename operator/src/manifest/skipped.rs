//! Files beside the resources that are not read.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use angzarr_crds::GROUP;

/// The beginning of a file that tells whether it looks like resources, in bytes.
const BEGINNING: u64 = 64 << 10;

/// Whether a file of this name holds resources.
pub(super) fn is_read(file: &Path) -> bool {
    let extension = file.extension().and_then(OsStr::to_str);
    matches!(extension, Some("yaml" | "yml" | "json")) && left_by_program(file).is_none()
}

/// A notice for each of the files and folders that somebody may expect to be read.
pub(super) fn notices(others: &[PathBuf]) -> Vec<String> {
    let mut notices: Vec<_> = others.iter().filter_map(|path| notice(path)).collect();
    notices.sort();
    notices
}

fn notice(path: &Path) -> Option<String> {
    let shown = path.display();
    if let Some(what) = left_by_program(path) {
        return Some(format!("{shown} is skipped: it is {what}"));
    }
    if path.is_dir() {
        let holds = holds_resources(path);
        return holds.then(|| {
            format!(
                "{shown} is skipped: it holds resources, and folders in the folder are not read"
            )
        });
    }
    looks_like_resources(path).then(|| {
        format!("{shown} is skipped: it looks like resources, which are read from *.yaml, *.yml and *.json")
    })
}

/// What a file is that a program and not a person has put beside the resources.
fn left_by_program(file: &Path) -> Option<&'static str> {
    let name = file.file_name()?.as_encoded_bytes();
    if name.starts_with(b".#") {
        return Some("the lock of an editor");
    }
    name.starts_with(b"._")
        .then_some("the attributes that macOS keeps of another file")
}

/// Whether a folder that is not hidden has a file of resources.
fn holds_resources(folder: &Path) -> bool {
    let name = folder.file_name().map(OsStr::as_encoded_bytes);
    if name.is_none_or(|name| name.starts_with(b".")) {
        return false;
    }
    // A folder that cannot be read is not known to hold any.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files = entries.map(|entry| entry.path());
    files.any(|file| is_read(&file) && looks_like_resources(&file))
}

/// Whether a text begins like a resource, after comments, and names our group. Notes that quote a resource begin otherwise.
fn looks_like_resources(file: &Path) -> bool {
    // Pipes and devices may never answer.
    if !fs::metadata(file).is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    let mut bytes = Vec::new();
    let read = fs::File::open(file).and_then(|it| it.take(BEGINNING).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().map(str::trim_end);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#') && *line != "---");
    let begins = first.is_some_and(|line| {
        let starts = ["apiVersion:", "kind:", "metadata:", "spec:", "items:", "{"];
        starts.iter().any(|start| line.starts_with(start))
    });
    read.is_ok() && begins && text.contains(&format!("{GROUP}/"))
}
