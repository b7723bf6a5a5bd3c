//! One `angzarr local` for each data folder: a second one would overwrite the ports and addresses of the first.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file that is locked; it holds the process id of whoever locked it.
const FILE: &str = "lock";

/// Holds a data folder until it is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// A data folder that cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Somebody else has it.
    #[error(
        "the data folder {data} is in use by another `angzarr local`{}; stop that one, or name another folder with --data",
        .holder.map_or_else(String::new, |holder| format!(", process {holder}"))
    )]
    InUse {
        /// The data folder.
        data: PathBuf,
        /// The process that has it, if it says so.
        holder: Option<u32>,
    },
    /// The file was not made or locked.
    #[error("lock {file}")]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes a data folder, if it does not exist, and locks it.
///
/// # Errors
/// [`Error::InUse`] and [`Error::File`].
pub(super) fn hold(data: &Path) -> Result<Lock, Error> {
    let path = data.join(FILE);
    let failed = |source| Error::File {
        file: path.clone(),
        source,
    };
    fs::create_dir_all(data).map_err(failed)?;
    let opened = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let mut file = opened.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(failed(error)),
        Err(TryLockError::WouldBlock) => {
            // The holder may not have written its id yet.
            let holder = fs::read_to_string(&path).ok();
            return Err(Error::InUse {
                data: data.to_owned(),
                holder: holder.and_then(|text| text.trim().parse().ok()),
            });
        }
    }
    let written = file
        .set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(failed)?;
    Ok(Lock { _file: file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_once_and_free_again_when_its_holder_leaves() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let first = hold(&data).unwrap();
        let refused = hold(&data).unwrap_err();
        let own = std::process::id();
        assert!(
            matches!(refused, Error::InUse { holder: Some(holder), .. } if holder == own),
            "{refused}"
        );
        drop(first);
        hold(&data).unwrap();
    }
}
