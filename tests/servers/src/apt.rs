//! Packages of Debian that tests need.

use std::fs::File;
use std::process::{Command, Stdio};

/// What programs that change packages lock for the time of a change. The lock is on the folder, so that apt-get can lock the files in it.
const LOCKED: &str = "/var/lib/dpkg";

/// Installs a package, one at a time; a new machine needs the package lists first.
///
/// # Panics
/// When that fails.
pub fn install(package: &str) {
    // A machine without the folder has no apt-get either.
    let _lock = File::open(LOCKED).and_then(|folder| folder.lock().map(|()| folder));
    let apt_get = |words: &[&str]| {
        let ran = Command::new("apt-get")
            .args(words)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null())
            .status();
        ran.is_ok_and(|status| status.success())
    };
    let is_installed =
        apt_get(&["update"]) && apt_get(&["install", "-y", "--no-install-recommends", package]);
    assert!(
        is_installed,
        "apt-get could not install {package}, which the tests need"
    );
}
