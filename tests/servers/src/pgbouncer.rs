//! PgBouncer before a database, from its package.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use crate::apt;
use crate::free_port;
use crate::postgres::{Database, as_server_user, give_to_server_user};

const PROGRAM: &str = "/usr/sbin/pgbouncer";

/// A pooler before one database, until it is dropped.
pub struct PgBouncer {
    /// The port at which clients connect.
    pub port: u16,
    running: Child,
    _folder: tempfile::TempDir,
}

impl PgBouncer {
    /// Starts a pooler in a mode (`session` or `transaction`) that drops the startup parameters with these names.
    ///
    /// # Panics
    /// When it cannot be installed or started.
    pub fn start(database: &Database, mode: &str, dropped: &str) -> Self {
        if !Path::new(PROGRAM).exists() {
            apt::install("pgbouncer");
        }
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let (server, name) = (&database.server, &database.name);
        let config = format!(
            "[databases]\n{name} = host=127.0.0.1 port={} user={} password='{}'\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\nignore_startup_parameters = {dropped}\n",
            server.port(),
            server.user(),
            server.password(),
        );
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, config).unwrap();
        give_to_server_user(folder.path()).unwrap();
        let running = as_server_user()
            .arg(PROGRAM)
            .arg("--quiet")
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            port,
            running,
            _folder: folder,
        }
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.running.kill();
        let _ = self.running.wait();
    }
}
