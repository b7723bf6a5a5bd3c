//! The files of a folder.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use angzarr_config::Mistake;

use super::{Found, read_text};

/// The largest file that is read. Ten thousand resources fit in.
const MOST_BYTES: u64 = 16 << 20;

/// Reads a file, or all `*.yaml` and `*.yml` of a folder in the order of their names.
///
/// # Errors
/// Every mistake in every file.
pub fn read(path: &Path) -> Result<Found, Vec<Mistake>> {
    let Listing { files, notices } = list(path).map_err(|error| {
        let message = format!("cannot be read ({error}); name a file or folder of resources");
        vec![of_file(path, message)]
    })?;
    if files.is_empty() {
        return Err(vec![of_file(path, "holds no *.yaml file")]);
    }
    let mut found = Found {
        notices,
        ..Found::default()
    };
    let mut mistakes = Vec::new();
    for file in files {
        let text = text(&file).map_err(|message| vec![of_file(&file, message)]);
        match text.and_then(|text| read_text(&file, &text)) {
            Ok(Found { resources, notices }) => {
                found.resources.extend(resources);
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

/// A mistake of a file as a whole.
pub(super) fn of_file(file: &Path, message: impl Into<String>) -> Mistake {
    Mistake::new("", message).of(file.display().to_string())
}

/// The files of a path.
#[derive(Debug, Default)]
struct Listing {
    /// Those that hold resources.
    files: Vec<PathBuf>,
    /// What was passed over, a sentence each.
    notices: Vec<String>,
}

fn list(path: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    if !fs::metadata(path)?.is_dir() {
        listing.files.push(path.to_owned());
        return Ok(listing);
    }
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if !matches!(extension, Some("yaml" | "yml")) {
            continue;
        }
        match left_by_program(&file) {
            Some(what) => listing
                .notices
                .push(format!("{} is passed over: it is {what}", file.display())),
            None => listing.files.push(file),
        }
    }
    listing.files.sort();
    listing.notices.sort();
    Ok(listing)
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

/// The text of a file, or a sentence that says why it cannot be read. Pipes and devices are not opened, since reading them may block forever.
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
