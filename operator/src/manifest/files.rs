//! The files of a folder.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use angzarr_config::Mistake;

use super::document::read_text_in;
use super::{DEFAULT_NAMESPACE, Found, skipped};

/// The largest file that is read. Ten thousand resources fit in.
const MOST_BYTES: u64 = 16 << 20;

/// Reads a file, or all `*.yaml`, `*.yml` and `*.json` of a folder in the order of their names.
///
/// # Errors
/// Every mistake in every file.
pub fn read(path: &Path) -> Result<Found, Vec<Mistake>> {
    read_in(path, DEFAULT_NAMESPACE)
}

/// Reads as [`read`] does; resources that name no namespace are in the given one.
///
/// # Errors
/// Every mistake in every file.
pub fn read_in(path: &Path, namespace: &str) -> Result<Found, Vec<Mistake>> {
    let Listing { files, others } = list(path).map_err(|error| {
        let message = format!("cannot be read ({error}); name a file or folder of resources");
        vec![of_file(path, message)]
    })?;
    if files.is_empty() {
        let lines = skipped::notices(&others).into_iter();
        let none = of_file(path, "holds no *.yaml, *.yml or *.json file");
        let others = lines.map(|notice| Mistake::new("", notice));
        return Err([none].into_iter().chain(others).collect());
    }
    let mut found = Found {
        notices: skipped::notices(&others),
        ..Found::default()
    };
    let mut mistakes = Vec::new();
    for file in files {
        let text = text(&file).map_err(|message| vec![of_file(&file, message)]);
        match text.and_then(|text| read_text_in(&file, &text, namespace)) {
            Ok(Found {
                resources,
                namespaces,
                notices,
            }) => {
                found.resources.extend(resources);
                found.namespaces.extend(namespaces);
                found.notices.extend(notices);
            }
            Err(of_this_file) => mistakes.extend(of_this_file),
        }
    }
    if mistakes.is_empty() {
        Ok(found)
    } else {
        mistakes.sort();
        Err(mistakes)
    }
}

/// The files of a path that hold resources.
///
/// # Errors
/// The path cannot be read.
pub fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(list(path)?.files)
}

/// A mistake of a file as a whole.
pub(super) fn of_file(file: &Path, message: impl Into<String>) -> Mistake {
    Mistake::new("", message).of(file.display().to_string())
}

/// The files of a path.
#[derive(Debug, Default)]
struct Listing {
    /// Those that hold resources.
    files: Vec<PathBuf>,
    /// What else is there.
    others: Vec<PathBuf>,
}

fn list(path: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    if !fs::metadata(path)?.is_dir() {
        listing.files.push(path.to_owned());
        return Ok(listing);
    }
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        if skipped::is_read(&file) {
            listing.files.push(file);
        } else {
            listing.others.push(file);
        }
    }
    listing.files.sort();
    Ok(listing)
}

/// The text of a file; else a sentence that says why there is none. Pipes and devices are not opened: they may never answer.
fn text(file: &Path) -> Result<String, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    if !fs::metadata(file).map_err(unreadable)?.is_file() {
        return Err("is not a regular file; resources are read from files".to_owned());
    }
    let mut bytes = Vec::new();
    fs::File::open(file)
        .and_then(|opened| opened.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!(
            "has more than {} MiB; divide it into several files",
            MOST_BYTES >> 20
        ));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}
