//! The control plane of the tests themselves.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use angzarr_cluster::{ControlPlane, until};

/// A cluster in a process of its own, and its folder.
fn start() -> (Child, PathBuf) {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_dev-cluster"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = BufReader::new(owner.stdout.take().unwrap()).lines();
    let line = printed.next().unwrap().unwrap();
    let kubeconfig = Path::new(line.strip_prefix("export KUBECONFIG=").unwrap());
    (owner, kubeconfig.parent().unwrap().to_owned())
}

/// The processes whose arguments name the folder.
fn users_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.contains(folder)).collect()
}

async fn is_gone(folder: &Path) {
    until("the end of a cluster", async || {
        let left = users_of(folder);
        match left.is_empty() && !folder.exists() {
            true => Ok(()),
            false => Err(format!("{} {left:?}", folder.display())),
        }
    })
    .await;
}

#[tokio::test]
async fn a_killed_owner_leaves_neither_processes_nor_files() {
    let (mut owner, folder) = start();
    assert!(users_of(&folder).len() >= 3);
    owner.kill().unwrap();
    owner.wait().unwrap();
    is_gone(&folder).await;
}

#[tokio::test]
async fn an_owner_that_ends_leaves_neither_processes_nor_files() {
    let (mut owner, folder) = start();
    drop(owner.stdin.take());
    assert!(owner.wait().unwrap().success());
    is_gone(&folder).await;
}

#[tokio::test]
async fn what_no_role_allows_is_forbidden() {
    let plane = ControlPlane::shared().await;
    let ask = |who: &str| {
        let asked = ["auth", "can-i", "create", "aggregates", "--as", who];
        String::from_utf8(plane.try_kubectl(&asked, "").stdout).unwrap()
    };
    assert_eq!(ask("system:serviceaccount:default:default"), "no\n");
}
