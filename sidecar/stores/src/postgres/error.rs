//! Driver errors as ours, recognised by SQLSTATE.

use std::path::PathBuf;
use std::sync::Arc;

use angzarr_coordinator::model::StoreId;
use angzarr_coordinator::port::store::Error;

use crate::stored::Corrupt;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file of the connection cannot be read.
    #[error("read {path}, which says how to reach the database")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The connection's folder or URL does not say enough.
    #[error("{what} cannot be used to reach the database; {fix}")]
    Connection {
        /// Where it stands.
        what: String,
        /// What to write.
        fix: &'static str,
    },
    /// The server did not answer in time.
    #[error("the database at {server} did not answer")]
    Unreachable {
        /// Where it was looked for.
        server: String,
        /// Why not.
        #[source]
        source: Arc<sqlx::Error>,
    },
    /// The server refuses us, or we do not trust it.
    #[error("the database at {server} cannot be used: {message}")]
    Refused {
        /// Where it is.
        server: String,
        /// Why not.
        message: String,
    },
    /// Something between us and the server dropped the settings of the session.
    #[error(
        "the database at {server} did not take the settings of the session: its search_path is {found} instead of {schema}; a connection pooler that ignores startup options, such as PgBouncer with ignore_startup_parameters, cannot be used: connect to PostgreSQL itself"
    )]
    SettingsDropped {
        /// Where it is.
        server: String,
        /// The schema that was asked for.
        schema: String,
        /// The search path of the session.
        found: String,
    },
    /// A setting of the server would lose what was acknowledged.
    #[error(
        "the database at {server} has {setting} = {found}, which loses acknowledged events in a crash; set it to on"
    )]
    NotDurable {
        /// Where it is.
        server: String,
        /// The setting.
        setting: &'static str,
        /// Its value.
        found: String,
    },
    /// It was written by a newer version that this one cannot read.
    #[error(
        "the store in schema {schema} at {server} has format {version}, which needs a version of Angzarr that reads format {min_reader}; this one reads format {ours}"
    )]
    Newer {
        /// Where it is.
        server: String,
        /// The schema of the tables.
        schema: String,
        /// Its format.
        version: i32,
        /// The format that a reader must know.
        min_reader: i32,
        /// The format that this version knows.
        ours: i32,
    },
    /// Its tables are missing or too old, and whoever opened it may not change them.
    #[error(
        "the store in schema {schema} at {server} has {}, and format {ours} is needed; apply it as a user who may create tables, with `angzarr-sidecar store migrate --url postgres://USER@{server}/DATABASE --schema {schema}`", held(.version)
    )]
    Outdated {
        /// Where it is.
        server: String,
        /// The schema of the tables.
        schema: String,
        /// Its format; 0 where there are no tables.
        version: i32,
        /// The format that this version needs.
        ours: i32,
    },
    /// It is not the store that it should be.
    #[error(
        "schema {schema} at {server} holds {}, and the store {expected} is expected; correct the address or the credentials that lead there", whose(.found)
    )]
    OtherStore {
        /// Where it is.
        server: String,
        /// The schema of the tables.
        schema: String,
        /// The store that is there, if there is one.
        found: Option<StoreId>,
        /// The store that should be there.
        expected: StoreId,
    },
    /// The schema holds something else.
    #[error(
        "schema {schema} at {server} holds tables that are not of Angzarr; name another schema"
    )]
    NotAStore {
        /// Where it is.
        server: String,
        /// The schema.
        schema: String,
    },
}

fn held(version: &i32) -> String {
    match version {
        0 => "no tables".to_owned(),
        version => format!("tables of format {version}"),
    }
}

fn whose(found: &Option<StoreId>) -> String {
    match found {
        Some(found) => format!("the store {found}"),
        None => "no store".to_owned(),
    }
}

/// What stops a statement.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The driver or the server failed.
    #[error(transparent)]
    Driver(#[from] sqlx::Error),
    /// No answer came in time.
    #[error("the database did not answer within {0:?}")]
    TimedOut(std::time::Duration),
    /// A connection could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database at the address is another one than before.
    #[error("the database was restored or replaced while the store was open")]
    Replaced,
    /// The server only reads, for now.
    #[error("the server is a standby; the connection waits for the primary")]
    Standby,
    /// A row holds what it must not hold.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

/// What a SQLSTATE means to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The connection or the server went away, or the transaction lost against another; the same statement may succeed at once.
    Lost,
    /// It took too long.
    Slow,
    /// There is no room.
    Full,
    /// A value is not one that the server can keep.
    Value,
    /// The store is not what it should be.
    Broken,
}

/// Codes are listed in the server's manual, in the appendix on error codes.
fn meaning(code: &str) -> Meaning {
    match code {
        "53100" => Meaning::Full,
        // Cancelled by statement_timeout, refused by lock_timeout.
        "57014" | "55P03" => Meaning::Slow,
        // Data exceptions, among them text with NUL; a value too large for an index.
        "54000" => Meaning::Value,
        _ if code.starts_with("22") => Meaning::Value,
        // A prepared statement or cursor that is there twice or not at all: of the session, not of the store.
        "26000" | "34000" | "42P03" | "42P05" => Meaning::Lost,
        // Corrupt data or index; a unique or other constraint broken; tables, functions or columns that are not there.
        "XX001" | "XX002" => Meaning::Broken,
        _ if code.starts_with("23") || code.starts_with("42") => Meaning::Broken,
        _ => Meaning::Lost,
    }
}

impl Fault {
    /// Whether the same statement may succeed on another connection at once.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Driver(sqlx::Error::Database(error)) => error
                .code()
                .is_none_or(|code| meaning(&code) == Meaning::Lost),
            Self::Driver(error) => !is_ours(error),
            Self::Open(_) | Self::Standby => true,
            Self::TimedOut(_) | Self::Replaced | Self::Corrupt(_) => false,
        }
    }

    /// Whether the connection can be used again.
    pub(super) fn leaves_connection(&self) -> bool {
        match self {
            Self::Driver(sqlx::Error::Database(_)) => !self.is_lost(),
            Self::Driver(error) => is_ours(error),
            Self::Corrupt(_) => true,
            Self::TimedOut(_) | Self::Open(_) | Self::Standby | Self::Replaced => false,
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Driver(sqlx::Error::Database(error)) => {
                match error.code().map_or(Meaning::Lost, |code| meaning(&code)) {
                    Meaning::Lost | Meaning::Slow => {
                        Self::Unavailable(Arc::new(sqlx::Error::Database(error)))
                    }
                    Meaning::Full => Self::Full(Arc::new(sqlx::Error::Database(error))),
                    Meaning::Value => Self::Unstorable(error.message().to_owned()),
                    Meaning::Broken => Self::Corrupt(error.message().to_owned()),
                }
            }
            Fault::Driver(error) if is_ours(&error) => Self::Corrupt(error.to_string()),
            Fault::Replaced => Self::Fatal(Arc::new(fault)),
            Fault::Driver(_) | Fault::TimedOut(_) | Fault::Open(_) | Fault::Standby => {
                Self::Unavailable(Arc::new(fault))
            }
            Fault::Corrupt(corrupt) => corrupt.into(),
        }
    }
}

/// Whether an error arose from reading a row, not from talking to the server.
fn is_ours(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::RowNotFound
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_decide_what_is_tried_again() {
        let cases = [
            ("57P01", Meaning::Lost),
            ("57P03", Meaning::Lost),
            ("08006", Meaning::Lost),
            ("53300", Meaning::Lost),
            ("40P01", Meaning::Lost),
            ("28P01", Meaning::Lost),
            ("57014", Meaning::Slow),
            ("55P03", Meaning::Slow),
            ("53100", Meaning::Full),
            ("22021", Meaning::Value),
            ("54000", Meaning::Value),
            ("23505", Meaning::Broken),
            ("42P01", Meaning::Broken),
            ("XX002", Meaning::Broken),
            ("42P05", Meaning::Lost),
            ("26000", Meaning::Lost),
        ];
        for (code, expected) in cases {
            assert_eq!(meaning(code), expected, "{code}");
        }
    }
}
