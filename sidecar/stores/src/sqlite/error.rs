//! Driver errors as ours, recognised by code.

use std::path::PathBuf;
use std::sync::Arc;

use angzarr_coordinator::port::store::Error;
use rusqlite::ErrorCode;

use super::lock::Holder;
use crate::stored::Corrupt;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The linked SQLite has a fault that can corrupt a store.
    #[error("SQLite {found} is too old; a store needs at least {needed}")]
    OldDriver {
        /// The version that is linked.
        found: &'static str,
        /// The oldest that is safe.
        needed: &'static str,
    },
    /// Another process has it open.
    #[error(
        "the store {path} is in use by another process{}; only one may open it",
        .holder.as_ref().map_or_else(String::new, |holder| format!(" ({holder})"))
    )]
    InUse {
        /// The database file.
        path: PathBuf,
        /// Who has it, if it says so.
        holder: Option<Holder>,
    },
    /// The file system refused.
    #[error("{what} {path}")]
    File {
        /// What was tried, as the start of a sentence.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It was written by a newer version that this one cannot read.
    #[error(
        "the store {path} has format {version}, which needs a version of Angzarr that reads format {min_reader}; this one reads format {ours}"
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its format.
        version: u32,
        /// The format that a reader must know.
        min_reader: u32,
        /// The format that this version knows.
        ours: u32,
    },
    /// It is a database of something else.
    #[error("{path} is not a store of Angzarr; give another path")]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// There is no room to bring the store up to date.
    #[error("the disk of the store {path} is full; it opens once there is room")]
    Full {
        /// The database file.
        path: PathBuf,
        /// How it was noticed.
        #[source]
        source: rusqlite::Error,
    },
    /// SQLite failed.
    #[error("open the store {path}")]
    Driver {
        /// The database file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
}

/// What stops a piece of work within a transaction.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// SQLite failed.
    #[error(transparent)]
    Driver(#[from] rusqlite::Error),
    /// A row holds what it must not hold.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

impl Fault {
    /// What it means to a reader: nothing is lost, other reads go on.
    pub(super) fn reading(self) -> Error {
        match self {
            Self::Corrupt(corrupt) => corrupt.into(),
            Self::Driver(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    Error::Corrupt(error.to_string())
                }
                _ => Error::Unavailable(Arc::new(error)),
            },
        }
    }

    /// What it means to a writer before the commit: the transaction is rolled back, but a failed write leaves the files in doubt.
    pub(super) fn writing(self) -> Error {
        let Self::Driver(error) = self else {
            return self.reading();
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Error::Full(Arc::new(error)),
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => {
                Error::Corrupt(error.to_string())
            }
            Some(ErrorCode::SystemIoFailure) => Error::Fatal(Arc::new(error)),
            _ => Self::Driver(error).reading(),
        }
    }
}

/// What a failed commit or checkpoint means. Only a full disk and a busy database leave no doubt: SQLite reports them before the record that
/// makes the transaction valid is written.
pub(super) fn committing(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full(Arc::new(error)),
        Some(ErrorCode::DatabaseBusy) => Error::Unavailable(Arc::new(error)),
        _ => Error::Fatal(Arc::new(error)),
    }
}
