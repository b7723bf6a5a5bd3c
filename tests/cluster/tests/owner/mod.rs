//! A cluster whose owner is a process of its own, and what is left of it afterwards.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use angzarr_cluster::until;

/// A cluster in a process of its own.
pub(crate) struct Owner {
    pub(crate) process: Child,
    folder: PathBuf,
}

impl Owner {
    /// Starts a cluster with the arguments of `dev-cluster`.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_dev-cluster"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut printed = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut line = || printed.next().unwrap().unwrap();
        let (kubeconfig, kubectl) = (line(), line());
        assert!(kubectl.starts_with("alias kubectl=/"), "{kubectl}");
        let kubeconfig = Path::new(kubeconfig.strip_prefix("export KUBECONFIG=").unwrap());
        let folder = kubeconfig.parent().unwrap().to_owned();
        Self { process, folder }
    }

    /// The processes whose arguments or control groups name the folder.
    pub(crate) fn processes(&self) -> Vec<String> {
        let folder = self.folder.file_name().unwrap().to_str().unwrap();
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let described = processes.filter_map(|entry| {
            let arguments = fs::read_to_string(entry.path().join("cmdline")).ok()?;
            let groups = fs::read_to_string(entry.path().join("cgroup")).ok()?;
            Some(arguments + &groups)
        });
        described.filter(|it| it.contains(folder)).collect()
    }

    /// The control groups of its pods.
    pub(crate) fn groups(&self) -> Vec<PathBuf> {
        let name = self.folder.file_name().unwrap();
        let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
        let inner = hierarchies.map(|entry| entry.path().join(name));
        let own = [Path::new("/sys/fs/cgroup").join(name)];
        own.into_iter()
            .chain(inner)
            .filter(|it| it.exists())
            .collect()
    }

    /// Waits until nothing is left of a cluster whose owner has ended.
    pub(crate) async fn await_nothing_left(&self) {
        until("the end of a cluster", async || {
            let (processes, groups) = (self.processes(), self.groups());
            let is_gone = processes.is_empty() && groups.is_empty() && !self.folder.exists();
            match is_gone {
                true => Ok(()),
                false => Err(format!("{:?} {processes:?} {groups:?}", self.folder)),
            }
        })
        .await;
    }
}
