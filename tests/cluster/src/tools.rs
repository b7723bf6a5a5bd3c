//! The programs of a cluster, built or downloaded once for all checkouts of a machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use angzarr_servers::apt;

/// The root of the checkout.
pub fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

/// A program of this workspace, which cargo has built next to the running one.
///
/// # Panics
/// When it is not built.
pub fn built(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    // A test is one folder deeper than a program.
    let folders = own.ancestors().skip(1);
    let mut programs = folders.filter(|folder| !folder.ends_with("deps"));
    let program = programs.next().unwrap().join(name);
    assert!(
        program.exists(),
        "{name} is not built; run `cargo build --workspace`"
    );
    program
}

/// The folder of the programs of Kubernetes.
pub(crate) fn kubernetes() -> PathBuf {
    prepare("build.sh", "kubernetes")
}

/// The program that says what GitOps tools make of the status of objects.
///
/// # Panics
/// When it cannot be built.
pub fn gitops() -> PathBuf {
    prepare("build.sh", "gitops")
}

/// The program of Helm.
///
/// # Panics
/// When it cannot be built.
pub fn helm() -> PathBuf {
    prepare("build.sh", "helm")
}

/// The store of the API server.
pub(crate) fn etcd() -> PathBuf {
    prepare("debian.sh", "etcd-server").join("usr/bin/etcd")
}

/// The folder of the programs of containerd.
pub(crate) fn containerd() -> PathBuf {
    prepare("debian.sh", "containerd").join("usr/bin")
}

/// The server of names.
pub(crate) fn coredns() -> PathBuf {
    prepare("build.sh", "coredns")
}

/// A path that a package of Debian installs, without a server that would be started.
pub(crate) fn installed(path: &str, package: &str) -> PathBuf {
    if !Path::new(path).exists() {
        apt::install(package);
    }
    path.into()
}

/// Runs a script of `tests/tools`, which prints a path.
fn prepare(script: &str, name: &str) -> PathBuf {
    let script = repository().join("tests/tools").join(script);
    let ran = Command::new(&script)
        .arg(name)
        .stderr(std::process::Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    assert!(
        ran.status.success(),
        "{name}, which the tests need, is missing; {} says why",
        script.display()
    );
    String::from_utf8(ran.stdout).unwrap().trim().into()
}
