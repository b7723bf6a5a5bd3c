//! One program of a cluster.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use angzarr_servers::lasting;

/// How much of a log a failed test shows.
const SHOWN_LINES: usize = 30;

/// A program that runs until it is dropped, or until this process ends in any way.
pub(crate) struct Process {
    name: String,
    log: PathBuf,
    id: u32,
    child: Mutex<Child>,
}

impl Process {
    /// Starts a command; its log is a file in the folder.
    pub(crate) fn start(name: &str, command: &Command, folder: &Path) -> io::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log)?;
        let mut ending = Command::new("setpriv");
        ending
            .arg("--pdeathsig=KILL")
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        for (name, value) in command.get_envs() {
            ending.env(name, value.unwrap_or_default());
        }
        let child = lasting::spawn(ending)?;
        Ok(Self {
            name: name.to_owned(),
            log,
            id: child.id(),
            child: Mutex::new(child),
        })
    }

    /// Its process id, also once it has ended.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Says why it does not run any more, if so.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.child().try_wait() {
            Ok(None) => Ok(()),
            ended => Err(format!("{} ended: {ended:?}\n{}", self.name, self.tail())),
        }
    }

    /// The last lines of its log.
    pub(crate) fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = self.child();
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }
}
