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
    let files = list(path).map_err(|error| {
        let message = format!("cannot be read ({error}); name a file or folder of resources");
        vec![of_file(path, message)]
    })?;
    if files.is_empty() {
        return Err(vec![of_file(path, "holds no *.yaml file")]);
    }
    let mut found = Found::default();
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

fn list(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml")) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
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
