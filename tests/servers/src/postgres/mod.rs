//! A PostgreSQL server for tests: started with durable settings in a temporary folder, and stopped with the test.
//!
//! `ANGZARR_POSTGRES_URL` selects another server, whose user must be allowed to create databases. It is then used instead, and cannot be crashed.

mod install;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use angzarr_config::postgres::{Connection, Postgres};
use angzarr_config::secret::Secret;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use tokio::time::{Instant, sleep};

pub use install::give_to_server_user;

use crate::{WITHIN, free_port, lasting};
pub(crate) use install::as_server_user;
use install::{FOLDER, PASSWORD, USER, find_programs, initialise, sweep};

/// The variable that selects another server.
const URL: &str = "ANGZARR_POSTGRES_URL";
/// The password as a URL holds it.
const PASSWORD_IN_URL: &str = "a%20pass%2Fword%3A%20with%20%40%20signs";

/// A server.
pub struct Server {
    own: Option<Own>,
    url: String,
}

/// A server that we started.
struct Own {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    /// The size in MiB of its folder `small`, if that is a separate disk.
    small: Option<u32>,
    running: Mutex<Option<Child>>,
}

static SHARED: Mutex<Option<Arc<Server>>> = Mutex::new(None);

impl Server {
    /// The server of this process, started if it does not run yet.
    pub async fn shared() -> Arc<Self> {
        let server = {
            let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
            let server = shared.get_or_insert_with(|| {
                let server = Self::prepare(&[], None);
                server.start();
                Arc::new(server)
            });
            Arc::clone(server)
        };
        server.ready().await;
        server
    }

    /// Stops the server of this process, if it runs and is not in use.
    pub fn end_shared() {
        SHARED.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// A server that only the caller uses and may crash; `settings` are lines of its configuration.
    ///
    /// # Panics
    /// When the environment selects another server, since tests must not crash it.
    pub async fn alone(settings: &[&str]) -> Self {
        Self::start_alone(settings, None).await
    }

    /// A server like that of [`Server::alone`], with a tablespace `small` on a separate disk of that many MiB; needs root.
    ///
    /// # Panics
    /// As [`Server::alone`] does.
    pub async fn with_small_disk(mebibytes: u32) -> Self {
        let server = Self::start_alone(&[], Some(mebibytes)).await;
        let location = server.folder().join("small");
        let create = format!("CREATE TABLESPACE small LOCATION '{}'", location.display());
        let mut conn = server.connect("postgres").await;
        conn.execute(AssertSqlSafe(create)).await.unwrap();
        server
    }

    async fn start_alone(settings: &[&str], small: Option<u32>) -> Self {
        let server = Self::prepare(settings, small);
        assert!(
            server.own.is_some(),
            "unset {URL}: the test crashes its server"
        );
        server.start();
        server.ready().await;
        server
    }

    fn prepare(settings: &[&str], small: Option<u32>) -> Self {
        if let Ok(url) = std::env::var(URL) {
            return Self { own: None, url };
        }
        static NEXT: AtomicU32 = AtomicU32::new(0);
        sweep();
        let programs = find_programs();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{FOLDER}{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let port = free_port();
        initialise(&programs, &folder, port, settings);
        Self {
            url: format!("postgres://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{port}/postgres"),
            own: Some(Own {
                folder,
                programs,
                port,
                small,
                running: Mutex::default(),
            }),
        }
    }

    /// Starts the stopped server.
    pub fn start(&self) {
        if let Some(own) = &self.own {
            let mut running = own.running();
            assert!(running.is_none(), "the server is already running");
            *running = Some(own.spawn());
        }
    }

    /// Waits until the server accepts connections.
    pub async fn ready(&self) {
        let deadline = Instant::now() + WITHIN;
        while let Err(error) = self.try_connect("postgres").await {
            assert!(
                Instant::now() < deadline,
                "the server does not accept connections: {error}"
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Kills all processes of the server, like a crash.
    pub fn kill(&self) {
        self.end(Signal::KILL);
    }

    /// Shuts the server down in immediate mode: it recovers at its next start.
    pub fn stop_immediately(&self) {
        self.end(Signal::QUIT);
    }

    /// Shuts the server down in fast mode: what runs is rolled back.
    pub fn stop(&self) {
        self.end(Signal::INT);
    }

    fn end(&self, signal: Signal) {
        let own = self.own.as_ref().expect("only an own server is ended");
        let ended = own.running().take();
        if let Some(mut child) = ended {
            send(&child, signal);
            child.wait().unwrap();
        }
    }

    /// The path of its small disk for this process.
    pub fn small_disk(&self) -> PathBuf {
        let own = self.own.as_ref().expect("the server is our own");
        let running = own.running();
        let server = running.as_ref().expect("the server runs").id();
        let seen_by_it = own.folder.join("small");
        let seen_by_it = seen_by_it.strip_prefix("/").unwrap();
        Path::new("/proc")
            .join(server.to_string())
            .join("root")
            .join(seen_by_it)
    }

    /// The port of an own server.
    pub fn port(&self) -> u16 {
        self.own.as_ref().expect("the server is our own").port
    }

    /// The folder of an own server.
    pub fn folder(&self) -> &Path {
        &self.own.as_ref().expect("the server is our own").folder
    }

    /// The password of an own server, as it is.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// The user of an own server.
    pub fn user(&self) -> &'static str {
        USER
    }

    /// Connects to a database without a store.
    pub async fn connect(&self, database: &str) -> PgConnection {
        self.try_connect(database).await.unwrap()
    }

    async fn try_connect(&self, database: &str) -> Result<PgConnection, sqlx::Error> {
        let options: PgConnectOptions = self.url.parse().unwrap();
        options.database(database).connect().await
    }

    /// Creates an empty database.
    pub async fn database(self: &Arc<Self>) -> Database {
        self.database_in("").await
    }

    /// Creates an empty database with further clauses, such as ` TABLESPACE small`.
    pub async fn database_in(self: &Arc<Self>, clauses: &str) -> Database {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("angzarr_test_{}_{number}", std::process::id());
        let mut conn = self.connect("postgres").await;
        let create = format!("CREATE DATABASE {name}{clauses}");
        conn.execute(AssertSqlSafe(create)).await.unwrap();
        Database {
            server: Arc::clone(self),
            name,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(own) = &self.own {
            self.end(Signal::QUIT);
            // The next test that starts a server removes what is left.
            let _ = fs::remove_dir_all(&own.folder);
        }
    }
}

/// A database of a test.
pub struct Database {
    /// Its server.
    pub server: Arc<Server>,
    /// Its name.
    pub name: String,
}

impl Database {
    /// A URL that reaches it, with the password.
    pub fn url(&self) -> String {
        let mut url: url::Url = self.server.url.parse().unwrap();
        url.set_path(&self.name);
        url.into()
    }

    /// The settings of a store in it.
    pub fn settings(&self) -> Postgres {
        Postgres::new(Connection::Url {
            url: Secret::new(self.url()),
        })
    }

    /// Connects to it without a store.
    pub async fn connect(&self) -> PgConnection {
        self.server.connect(&self.name).await
    }
}

impl Drop for Database {
    /// Removes it from an external server; a server of the test is removed as a whole.
    fn drop(&mut self) {
        if self.server.own.is_some() {
            return;
        }
        let (url, name) = (self.server.url.clone(), self.name.clone());
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime
                .block_on(remove(&url, &name))
                .map_err(io::Error::other)
        });
        // A test that failed may have left the server in a state in which nothing can be removed.
        if let Ok(Err(error)) = removing.join() {
            eprintln!("{} was not removed: {error}", self.name);
        }
    }
}

async fn remove(url: &str, name: &str) -> Result<(), sqlx::Error> {
    let options: PgConnectOptions = url.parse()?;
    let mut conn = options.connect().await?;
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    conn.execute(AssertSqlSafe(drop)).await?;
    Ok(())
}

impl Own {
    fn running(&self) -> MutexGuard<'_, Option<Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The command of the server, which ends with its parent. A small disk is mounted in the namespace of the server only, so that it is removed with the server.
    fn command(&self) -> Command {
        let mut server = as_server_user();
        server
            .arg("--pdeathsig=QUIT")
            .arg(self.programs.join("postgres"))
            .arg("-D")
            .arg(self.folder.join("data"));
        let Some(mebibytes) = self.small else {
            return server;
        };
        let disk = self.folder.join("small");
        fs::create_dir_all(&disk).unwrap();
        let mounting = format!(
            "mount -t tmpfs -o size={mebibytes}m small {0} && chown postgres {0} && exec \"$@\"",
            disk.display()
        );
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", &mounting, "sh"])
            .arg(server.get_program())
            .args(server.get_args());
        command
    }

    fn spawn(&self) -> Child {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .unwrap();
        let mut command = self.command();
        command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        lasting::spawn(command).expect("setpriv starts the server")
    }
}

fn send(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
}
