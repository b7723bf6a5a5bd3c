//! Opening the database: what the server promises, the tables, and who the store is.
//!
//! # Design
//! The tables carry two numbers: the format that they have, and the oldest reader that can use them. A change of the tables comes in two steps: one
//! release adds what the next will need and raises the format only; the next one raises the reader. So a sidecar that is one release older runs on.
//! Functions carry a number in their names and are never changed, for the same reason.

use std::sync::Arc;
use std::time::Duration;

use angzarr_config::postgres::{Postgres, Tables};
use angzarr_coordinator::model::{Incarnation, StoreId, StoreIdentity};
use angzarr_coordinator::retry::{Bound, Policy, Retries};
use sqlx::postgres::PgConnection;
use sqlx::{Acquire, Executor, PgTransaction, Row};
use tokio::time::sleep;

use super::connect::{self, ServerClock, server};
use super::error::{Fault, OpenError};
use crate::stored::{Columns, read_identity};

/// The format that this version writes and reads.
const FORMAT: i32 = 3;
/// Each step from a format to the next, with the oldest reader of what it leaves.
const STEPS: [(i32, &[&str]); 3] = [
    (
        1,
        &[
            include_str!("schema/0001_tables.sql"),
            include_str!("schema/0001_read.sql"),
        ],
    ),
    (2, &[include_str!("schema/0002_write.sql")]),
    (2, &[include_str!("schema/0003_attempts.sql")]),
];
/// How long a server that is not there is waited for.
const OPEN_WITHIN: Duration = Duration::from_secs(20);
const PAUSES: Policy = Policy::every(Duration::from_millis(250));

/// A database with our tables.
pub(super) struct Opened {
    pub(super) conn: PgConnection,
    pub(super) identity: StoreIdentity,
    pub(super) clock: ServerClock,
    /// The format of the tables.
    pub(super) format: i32,
}

/// Opens a database, and makes, migrates or checks its tables as the settings say. Nothing is changed in a database that holds another store than the
/// expected one, or none where one is expected.
pub(super) async fn open(
    settings: &Postgres,
    expected: Option<StoreId>,
) -> Result<Opened, OpenError> {
    let mut retries = Retries::new(PAUSES, Bound::Within(OPEN_WITHIN));
    loop {
        let fault = match open_once(settings, expected).await {
            Ok(opened) => return Ok(opened),
            Err(fault) => fault,
        };
        let refusal = match judge(settings, fault) {
            Judged::Refused(refusal) => return Err(refusal),
            Judged::Unreachable(refusal) => refusal,
        };
        let Some(pause) = retries.next_delay() else {
            return Err(refusal);
        };
        tracing::warn!(error = %refusal, "the database is waited for");
        sleep(pause).await;
    }
}

enum Judged {
    Refused(OpenError),
    Unreachable(OpenError),
}

/// Tells what waiting can mend from what a person must.
fn judge(settings: &Postgres, fault: Fault) -> Judged {
    let server = server(settings);
    let source = match fault {
        Fault::Open(refusal) => return Judged::Refused(refusal),
        Fault::Driver(sqlx::Error::Database(error)) => {
            let code = error.code().unwrap_or_default().into_owned();
            // The server starts or ends, has no free connection, or lost a race of two that migrate.
            let passes = ["57P", "53", "40", "55P"];
            if !passes.iter().any(|prefix| code.starts_with(prefix)) {
                let message = error.message().to_owned();
                return Judged::Refused(OpenError::Refused { server, message });
            }
            sqlx::Error::Database(error)
        }
        Fault::Driver(error) if is_distrust(&error) => {
            let message = error.to_string();
            return Judged::Refused(OpenError::Refused { server, message });
        }
        Fault::Driver(error) => error,
        other => sqlx::Error::Io(std::io::Error::other(other.to_string())),
    };
    Judged::Unreachable(OpenError::Unreachable {
        server,
        source: Arc::new(source),
    })
}

/// Whether the server did not prove who it is. The driver passes failures of a handshake on as data that makes no sense.
fn is_distrust(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(cause) => cause.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    }
}

async fn open_once(settings: &Postgres, expected: Option<StoreId>) -> Result<Opened, Fault> {
    let mut conn = connect::connect(settings).await?;
    connect::check_durable(&mut conn, settings).await?;
    let mut transaction = conn.begin().await?;
    let (format, identity) = match settings.tables {
        Tables::Migrate => migrate(&mut transaction, settings, expected).await?,
        Tables::Verify => verify(&mut transaction, settings, expected).await?,
    };
    transaction.commit().await?;
    Ok(Opened {
        clock: connect::read_clock(&mut conn).await?,
        conn,
        identity,
        format,
    })
}

/// Brings the tables to our format, unless they are newer.
async fn migrate(
    migration: &mut PgTransaction<'_>,
    settings: &Postgres,
    expected: Option<StoreId>,
) -> Result<(i32, StoreIdentity), Fault> {
    // Anyone who comes second finds the work done.
    let turn = "SELECT pg_advisory_xact_lock(hashtext('angzarr migration'), hashtext(current_setting('search_path')))";
    migration.execute(turn).await?;
    let mut version = read_version(migration, settings).await?;
    check_expected(migration, settings, version, expected).await?;
    let exists = sqlx::query("SELECT 1 FROM pg_namespace WHERE nspname = $1")
        .bind(&settings.schema)
        .fetch_optional(&mut **migration)
        .await?;
    if exists.is_none() {
        let create = "DO $$ BEGIN EXECUTE format('CREATE SCHEMA %I', current_setting('search_path')); END $$";
        migration.execute(create).await?;
    }
    for (min_reader, files) in STEPS
        .iter()
        .skip(usize::try_from(version).unwrap_or(usize::MAX))
    {
        for file in *files {
            migration.execute(*file).await?;
        }
        version += 1;
        stamp(migration, version, *min_reader).await?;
    }
    Ok((version, read_own_identity(migration).await?))
}

/// Checks that the tables have at least our format, and changes nothing.
async fn verify(
    reading: &mut PgTransaction<'_>,
    settings: &Postgres,
    expected: Option<StoreId>,
) -> Result<(i32, StoreIdentity), Fault> {
    let version = read_version(reading, settings).await?;
    check_expected(reading, settings, version, expected).await?;
    if version < FORMAT {
        return Err(Fault::Open(OpenError::Outdated {
            server: server(settings),
            schema: settings.schema.clone(),
            version,
            ours: FORMAT,
        }));
    }
    Ok((version, read_own_identity(reading).await?))
}

/// Checks that tables of a format, 0 for none, are those of the expected store.
async fn check_expected(
    reading: &mut PgTransaction<'_>,
    settings: &Postgres,
    version: i32,
    expected: Option<StoreId>,
) -> Result<(), Fault> {
    let Some(expected) = expected else {
        return Ok(());
    };
    let found = match version {
        0 => None,
        _ => Some(read_own_identity(reading).await?.store_id),
    };
    if found == Some(expected) {
        return Ok(());
    }
    Err(Fault::Open(OpenError::OtherStore {
        server: server(settings),
        schema: settings.schema.clone(),
        found,
        expected,
    }))
}

async fn read_own_identity(reading: &mut PgTransaction<'_>) -> Result<StoreIdentity, Fault> {
    let found = sqlx::query("SELECT store_id, incarnation FROM format WHERE id = 1")
        .fetch_one(&mut **reading)
        .await?;
    Ok(read_identity(&mut Columns::of(&found))?)
}

/// The format of the tables; 0 where there are none.
async fn read_version(
    migration: &mut PgTransaction<'_>,
    settings: &Postgres,
) -> Result<i32, Fault> {
    let tables = "SELECT count(*), count(*) FILTER (WHERE c.relname = 'format') FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r'";
    let found = sqlx::query(tables)
        .bind(&settings.schema)
        .fetch_one(&mut **migration)
        .await?;
    match (found.try_get::<i64, _>(0)?, found.try_get::<i64, _>(1)?) {
        (0, _) => return Ok(0),
        (_, 0) => {
            return Err(Fault::Open(OpenError::NotAStore {
                server: server(settings),
                schema: settings.schema.clone(),
            }));
        }
        _ => {}
    }
    let found = sqlx::query("SELECT version, min_reader FROM format WHERE id = 1")
        .fetch_one(&mut **migration)
        .await?;
    let (version, min_reader) = (found.try_get(0)?, found.try_get(1)?);
    if min_reader > FORMAT {
        return Err(Fault::Open(OpenError::Newer {
            server: server(settings),
            schema: settings.schema.clone(),
            version,
            min_reader,
            ours: FORMAT,
        }));
    }
    Ok(version)
}

async fn stamp(
    migration: &mut PgTransaction<'_>,
    version: i32,
    min_reader: i32,
) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO format (id, version, min_reader, store_id, incarnation) VALUES (1, $1, $2, $3, $4)
         ON CONFLICT (id) DO UPDATE SET version = excluded.version, min_reader = excluded.min_reader",
    )
    .bind(version)
    .bind(min_reader)
    .bind(StoreId::random().0)
    .bind(Incarnation::random().0)
    .execute(&mut **migration)
    .await?;
    Ok(())
}
