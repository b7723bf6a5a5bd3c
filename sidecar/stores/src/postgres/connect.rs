//! From settings to one open connection, with the promises of the server checked.

use std::path::Path;
use std::time::Duration;

use angzarr_config::postgres::{Connection, Keys, Postgres};
use angzarr_coordinator::model::StoreIdentity;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection as _, Row};
use tokio::time::{Instant, timeout};

use super::error::{Fault, OpenError};
use crate::stored::{Columns, column, read_identity};

/// How long opening a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A server without a client for that long, in seconds, gives up what the client held.
const KEEP_ALIVE: &str = "5";

/// Opens a connection whose sessions have our settings. What the settings name is read again.
pub(super) async fn connect(settings: &Postgres) -> Result<PgConnection, Fault> {
    let options = options(settings)?;
    let connecting = async {
        let mut conn = PgConnection::connect_with(&options).await?;
        check_settings(&mut conn, settings).await?;
        Ok(conn)
    };
    within(CONNECT_WITHIN, connecting).await
}

/// Waits for the database, but not longer than that.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let done = timeout(limit, work).await;
    done.unwrap_or(Err(Fault::TimedOut(limit)))
}

/// Checks that the session has the settings that were asked for. They travel together, so one of them shows whether something on the way dropped
/// them; without the schema, another store would be read and written.
async fn check_settings(conn: &mut PgConnection, settings: &Postgres) -> Result<(), Fault> {
    // Without a prepared statement, which a pooler may give to another session.
    let shown = sqlx::raw_sql("SHOW search_path").fetch_one(conn).await?;
    let found: String = shown.try_get(0)?;
    if found.trim_matches('"') == settings.schema {
        return Ok(());
    }
    Err(Fault::Open(OpenError::SettingsDropped {
        server: server(settings),
        schema: settings.schema.clone(),
        found,
    }))
}

/// Where the server is looked for, for people.
pub(super) fn server(settings: &Postgres) -> String {
    match options(settings) {
        Ok(options) => format!("{}:{}", options.get_host(), options.get_port()),
        Err(_) => "an unknown address".to_owned(),
    }
}

pub(super) fn options(settings: &Postgres) -> Result<PgConnectOptions, OpenError> {
    let mut options = match &settings.connection {
        Connection::Url { url } => parse(url.reveal(), "the URL")?,
        Connection::Folder { path, keys } => from_folder(path, keys)?,
    };
    if let Some(database) = &settings.database {
        options = options.database(database);
    }
    let statement = settings.statement_timeout.as_millis();
    Ok(options
        .application_name("angzarr")
        .disable_statement_logging()
        .options(SESSION)
        .options([
            ("search_path", settings.schema.clone()),
            ("statement_timeout", format!("{statement}ms")),
            ("lock_timeout", format!("{}ms", statement / 2)),
            (
                "idle_in_transaction_session_timeout",
                format!("{statement}ms"),
            ),
        ]))
}

/// What every session is set to. Each of our statements is a look-up by index: a plan that was made while a table was small must not scan it once
/// it is large.
const SESSION: [(&str, &str); 13] = [
    ("default_transaction_isolation", "read committed"),
    ("client_min_messages", "warning"),
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
    ("max_parallel_workers_per_gather", "0"),
    ("tcp_keepalives_idle", KEEP_ALIVE),
    ("tcp_keepalives_interval", KEEP_ALIVE),
    ("tcp_keepalives_count", "3"),
    ("timezone", "UTC"),
];

fn parse(url: &str, what: &str) -> Result<PgConnectOptions, OpenError> {
    let is_ours = url.starts_with("postgres://") || url.starts_with("postgresql://");
    // The reason may repeat parts of the URL.
    let parsed = is_ours.then(|| url.parse().ok()).flatten();
    parsed.ok_or_else(|| OpenError::Connection {
        what: what.to_owned(),
        fix: "write postgres://user:password@host:port/database",
    })
}

fn from_folder(folder: &Path, keys: &Keys) -> Result<PgConnectOptions, OpenError> {
    let read = |named: &Option<String>, usual: &[&str]| read_part(folder, named, usual);
    let mut options = match read(&keys.uri, &["uri", "url"])? {
        Some(uri) => parse(&uri, &format!("the URL in {}", folder.display()))?,
        None => {
            let host = read(&keys.host, &["host"])?.ok_or_else(|| OpenError::Connection {
                what: format!("the folder {}", folder.display()),
                fix: "it has neither a file uri nor a file host",
            })?;
            let mut options = PgConnectOptions::new_without_pgpass()
                .host(&host)
                .port(5432);
            if let Some(port) = read(&keys.port, &["port"])? {
                options = options.port(port.parse().map_err(|_| OpenError::Connection {
                    what: format!("the port in {}", folder.display()),
                    fix: "write a number",
                })?);
            }
            options
        }
    };
    if let Some(user) = read(&keys.username, &["username", "user"])? {
        options = options.username(&user);
    }
    if let Some(password) = read(&keys.password, &["password"])? {
        options = options.password(&password);
    }
    if let Some(database) = read(&keys.database, &["dbname", "database"])? {
        options = options.database(&database);
    }
    if let Some(ca) = read(&keys.ca, &["ca.crt"])? {
        options = options
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert_from_pem(ca.into_bytes());
    }
    Ok(options)
}

/// Reads a file of the folder without the white space around it: the named one, which must be there, or else the first usual one that is.
fn read_part(
    folder: &Path,
    named: &Option<String>,
    usual: &[&str],
) -> Result<Option<String>, OpenError> {
    let names: Vec<&str> = named
        .as_deref()
        .map_or_else(|| usual.to_vec(), |name| vec![name]);
    for name in names {
        let path = folder.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => return Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {}
            Err(source) => return Err(OpenError::File { path, source }),
        }
    }
    Ok(None)
}

/// Checks that the server keeps what it acknowledges, and that it is a primary.
pub(super) async fn check_durable(
    conn: &mut PgConnection,
    settings: &Postgres,
) -> Result<(), Fault> {
    const ASKED: &str = "SELECT pg_is_in_recovery(), current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit')";
    let found = sqlx::query(ASKED).fetch_one(conn).await?;
    if found.try_get(0)? {
        return Err(Fault::Standby);
    }
    for (at, setting) in [
        (1, "fsync"),
        (2, "full_page_writes"),
        (3, "synchronous_commit"),
    ] {
        let value: String = found.try_get(at)?;
        if value == "off" {
            return Err(Fault::Open(OpenError::NotDurable {
                server: server(settings),
                setting,
                found: value,
            }));
        }
    }
    Ok(())
}

/// The server's clock, as it was read at a moment of ours.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerClock {
    /// Microseconds since 1970.
    shown: i64,
    /// When the answer was here: the server's clock had moved on by then.
    at: Instant,
}

impl ServerClock {
    /// What the server's clock shows at a moment, at least.
    pub(super) fn at(&self, moment: Instant) -> i64 {
        let since = moment.saturating_duration_since(self.at).as_micros();
        let before = self.at.saturating_duration_since(moment).as_micros();
        self.shown
            .saturating_add(column(since))
            .saturating_sub(column(before))
    }
}

/// Reads the server's clock.
pub(super) async fn read_clock(conn: &mut PgConnection) -> Result<ServerClock, Fault> {
    const CLOCK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let shown = sqlx::query_scalar(CLOCK).fetch_one(conn).await?;
    let at = Instant::now();
    Ok(ServerClock { shown, at })
}

/// Checks that the database is still the one that was opened.
pub(super) async fn check_identity(
    conn: &mut PgConnection,
    opened: StoreIdentity,
) -> Result<(), Fault> {
    let found = sqlx::query("SELECT store_id, incarnation FROM format WHERE id = 1")
        .fetch_optional(conn)
        .await?;
    match found {
        Some(found) if read_identity(&mut Columns::of(&found))? == opened => Ok(()),
        _ => Err(Fault::Replaced),
    }
}
