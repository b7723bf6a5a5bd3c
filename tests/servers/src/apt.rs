//! Packages of Debian that tests need.

use std::process::{Command, Stdio};

/// Installs a package; a new machine needs the package lists first.
///
/// # Panics
/// When that fails.
pub fn install(package: &str) {
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
