//! The tables of a store, apart from a sidecar that uses them.

use angzarr_config::postgres::Postgres;
use angzarr_coordinator::model::{StoreId, StoreIdentity};
use sqlx::Connection as _;

use super::error::OpenError;
use super::schema;

/// A store whose tables can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prepared {
    /// Which store it is.
    pub identity: StoreIdentity,
    /// The format of its tables.
    pub format: i32,
}

/// Makes, migrates or checks the tables of a store, as its settings say, and goes away again.
///
/// # Errors
/// [`OpenError`], a sentence that says what to do.
pub async fn prepare(
    settings: &Postgres,
    expected: Option<StoreId>,
) -> Result<Prepared, OpenError> {
    let opened = schema::open(settings, expected).await?;
    let prepared = Prepared {
        identity: opened.identity,
        format: opened.format,
    };
    // A server ends the session of a connection that is gone as well.
    let _ = opened.conn.close().await;
    Ok(prepared)
}
