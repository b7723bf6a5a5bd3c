//! One process for each database file. The lock ends with the process, however that ends; what it says of its holder is for people only.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::OpenError;

/// The most bytes of a lock file that are read.
const NOTE_BYTES: u64 = 1 << 10;

/// Who has a database file open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The id of its process, as it sees it itself; in a pod that is often 1.
    pub process: u32,
    /// The host name; in a cluster the name of the pod.
    pub host: String,
    /// Since when, as RFC 3339.
    pub since: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            process,
            host,
            since,
        } = self;
        write!(f, "process {process} on {host}, since {since}")
    }
}

impl Holder {
    fn own() -> Self {
        let names = rustix::system::uname();
        Self {
            process: std::process::id(),
            host: names.nodename().to_string_lossy().into_owned(),
            since: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        }
    }

    /// Writes the note; [`Holder::parse`] reads it.
    fn note(&self) -> String {
        let Self {
            process,
            host,
            since,
        } = self;
        format!("{process} {host} {since}\n")
    }

    /// Reads a note; none if it is not complete, since its writer may have only just taken the lock.
    fn parse(note: &str) -> Option<Self> {
        let words: Vec<_> = note.strip_suffix('\n')?.split(' ').collect();
        let [process, host, since] = words.as_slice() else {
            return None;
        };
        let is_plain = |text: &str| !text.is_empty() && !text.contains(char::is_control);
        if !is_plain(host) {
            return None;
        }
        humantime::parse_rfc3339(since).ok()?;
        Some(Self {
            process: process.parse().ok()?,
            host: (*host).to_owned(),
            since: (*since).to_owned(),
        })
    }
}

/// Takes the lock of a database file, and notes who has it; it is held until the file is closed.
///
/// # Errors
/// [`OpenError::InUse`] when another process has it, [`OpenError::File`] when the file system refuses.
pub(super) fn take(path: &Path) -> Result<File, OpenError> {
    let beside = beside(path);
    let failed = |what| {
        let path = beside.clone();
        move |source| OpenError::File { what, path, source }
    };
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&beside)
        .map_err(failed("create the lock"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::InUse {
                path: path.to_owned(),
                holder: read_holder(&beside),
            });
        }
        Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
    }
    // On a full disk the note may fail; the store then opens without it.
    let noted = file.set_len(0);
    let _ = noted.and_then(|()| file.write_all(Holder::own().note().as_bytes()));
    Ok(file)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn read_holder(lock: &Path) -> Option<Holder> {
    let mut note = String::new();
    let file = File::open(lock).ok()?;
    file.take(NOTE_BYTES).read_to_string(&mut note).ok()?;
    Holder::parse(&note)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn database() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        (folder, path)
    }

    fn refused_for(path: &Path) -> Option<Holder> {
        match take(path) {
            Err(OpenError::InUse { holder, .. }) => holder,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_lock_names_its_holder_of_now_to_others() {
        let (_folder, path) = database();
        let longer = "9999999 a-much-longer-host-name 2026-01-31T00:00:00Z\n".repeat(2);
        fs::write(beside(&path), longer).unwrap();
        let held = take(&path).unwrap();
        let holder = refused_for(&path).unwrap();
        assert_eq!(holder.process, std::process::id());
        assert_eq!(holder.host, Holder::own().host);
        drop(held);
        assert!(take(&path).is_ok());
    }

    #[test]
    fn a_note_that_is_not_whole_names_nobody() {
        let (_folder, path) = database();
        let _held = take(&path).unwrap();
        let own = Holder::own();
        let whole = own.note();
        assert_eq!(Holder::parse(&whole), Some(own));
        let notes = [
            "",
            "\n",
            "7\n",
            &whole[..whole.len() - 1],
            "7 heron\u{7}bell 2026-01-31T00:00:00Z\n",
            "7 heron yesterday\n",
            "-7 heron 2026-01-31T00:00:00Z\n",
        ];
        for note in notes {
            fs::write(beside(&path), note).unwrap();
            assert_eq!(refused_for(&path), None, "{note:?}");
        }
        fs::write(beside(&path), [0xff; 1 << 20]).unwrap();
        assert_eq!(refused_for(&path), None);
    }
}
