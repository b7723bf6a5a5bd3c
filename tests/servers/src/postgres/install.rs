//! The programs and the data folder of the server.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt;

/// The folder where Debian installs the programs, one folder for each version.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// The prefix of the folders of servers; the process id of the test follows.
pub(super) const FOLDER: &str = "angzarr-postgres-";
/// The owner of the databases.
pub(super) const USER: &str = "angzarr";
/// The password of the user, with characters that a URL must escape.
pub(super) const PASSWORD: &str = "a pass/word: with @ signs";

/// The server refuses to run as root, so that root runs it as the user of its package.
pub(crate) fn as_server_user() -> Command {
    let mut command = Command::new("setpriv");
    if rustix::process::geteuid().is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command
}

/// The programs of the newest version; installed if there are none.
pub(super) fn find_programs() -> PathBuf {
    let newest = || {
        let versions = fs::read_dir(PROGRAMS).ok()?;
        let programs = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
        programs
            .filter(|programs| programs.join("postgres").exists())
            .max()
    };
    newest().unwrap_or_else(|| {
        apt::install("postgresql");
        newest().expect("the package has the programs")
    })
}

pub(super) fn initialise(programs: &Path, folder: &Path, port: u16, settings: &[&str]) {
    fs::create_dir(folder).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let password = folder.join("password");
    fs::write(&password, PASSWORD).unwrap();
    give_to_server_user(folder).unwrap();
    let made = as_server_user()
        .arg(programs.join("initdb"))
        .args([
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
            "--username",
            USER,
        ])
        .args(["--auth-host=scram-sha-256", "--auth-local=trust"])
        .arg("--pwfile")
        .arg(&password)
        .arg(folder.join("data"))
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "initdb: {made:?}");
    let mut conf = format!(
        "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nfsync = on\nfull_page_writes = on\nsynchronous_commit = on\nmax_connections = 300\n"
    );
    for line in settings {
        conf.push_str(line);
        conf.push('\n');
    }
    let file = folder.join("data/postgresql.conf");
    let usual = fs::read_to_string(&file).unwrap();
    fs::write(&file, usual + &conf).unwrap();
}

/// Makes the user of the server the owner of a folder and its content.
pub fn give_to_server_user(folder: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let id = |flag: &str| {
        let asked = Command::new("id")
            .args([flag, "postgres"])
            .output()
            .unwrap();
        let text = String::from_utf8(asked.stdout).unwrap();
        text.trim()
            .parse::<u32>()
            .expect("the package created the user postgres")
    };
    let (user, group) = (id("-u"), id("-g"));
    chown(folder, Some(user), Some(group))?;
    for entry in fs::read_dir(folder)? {
        chown(entry?.path(), Some(user), Some(group))?;
    }
    Ok(())
}

/// Removes the folders of tests that were killed.
pub(super) fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(FOLDER)?.split('-').next());
        if let Some(owner) = owner
            && !Path::new("/proc").join(owner).exists()
        {
            // Another test may also remove it.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
