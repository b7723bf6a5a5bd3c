//! The step between us and a child: runs its program, and ends every process that the program started, also when we are killed.
//!
//! ```text
//! angzarr local ──pipe──▶ angzarr guard ──▶ program ──▶ its own children
//! ```
//!
//! # Design
//! A group of processes is not enough: `sh -c`, `npm start` and `go run` leave their servers in the group when they die, and a program may leave
//! its group. The guard is therefore the reaper of all that descends from it, so nothing can get away, and it exits when nothing is left. It
//! learns from the end of a pipe that we are gone, which holds for every way to die. When it is killed itself, the kernel kills the program, as
//! [`shim`] asked.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpgid, getpid, kill_process, set_child_subreaper, wait,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::shim;

/// The name of the subcommand.
pub(crate) const NAME: &str = "guard";

/// This very program, also when another one was put in its place meanwhile.
pub(crate) const OWN_PROGRAM: &str = "/proc/self/exe";

/// How long what a program left behind may take to end.
const LINGER: Duration = Duration::from_secs(5);
/// How often processes that are killed are looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// What is added to the number of a signal that ended the program, as a shell does.
const BY_SIGNAL: i32 = 128;

/// Runs the given program with an environment that is read from the standard input, one line of JSON, until nothing of it is left.
///
/// # Errors
/// When it cannot be started.
pub(crate) async fn run(words: &[OsString]) -> anyhow::Result<ExitCode> {
    set_child_subreaper(Some(getpid())).context("become the reaper of the program")?;
    // The whole group gets the signals of the stop; the guard outlives them.
    let mut stop = signal(SignalKind::terminate()).context("listen to SIGTERM")?;
    let _interrupt = signal(SignalKind::interrupt()).context("listen to SIGINT")?;
    let _hangup = signal(SignalKind::hangup()).context("listen to SIGHUP")?;
    let mut ended = signal(SignalKind::child()).context("listen to SIGCHLD")?;
    let input = io::stdin().as_fd().try_clone_to_owned();
    let input = pipe::Receiver::from_owned_fd(input.context("read the standard input")?);
    let mut parent = BufReader::new(input.context("read the standard input")?);
    let mut line = String::new();
    parent
        .read_line(&mut line)
        .await
        .context("read the environment")?;
    let environment = serde_json::from_str(&line).context("read the environment")?;
    let mut watched = Watched::start(words, &environment)?;
    let mut byte = [0];
    loop {
        let wakes = watched.wakes();
        tokio::select! {
            _ = ended.recv() => {}
            _ = stop.recv() => watched.is_stopping = true,
            // Whatever else arrives, the parent says nothing after the first line.
            _ = parent.read(&mut byte), if !watched.is_killing => watched.kill(),
            () = sleep_until(wakes.unwrap_or_else(Instant::now)), if wakes.is_some() => watched.kill(),
        }
        if watched.reap().context("wait for the program")? == Left::Nothing {
            return Ok(watched.code());
        }
    }
}

/// A program and all that descends from it.
struct Watched {
    program: Pid,
    /// How the program ended.
    status: Option<WaitStatus>,
    /// The group was asked to end.
    is_stopping: bool,
    is_killing: bool,
    /// When what is left is killed.
    deadline: Option<Instant>,
}

#[derive(PartialEq, Eq)]
enum Left {
    Nothing,
    Something,
}

impl Watched {
    fn start(words: &[OsString], environment: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        if words.is_empty() {
            bail!("name a program to run")
        }
        let child = Command::new(OWN_PROGRAM)
            .arg(shim::NAME)
            .arg(std::process::id().to_string())
            .args(words)
            .envs(environment)
            .stdin(Stdio::null())
            .spawn()
            .context("start the program")?;
        let program = Pid::from_raw(child.id().cast_signed()).context("find the program")?;
        Ok(Self {
            program,
            status: None,
            is_stopping: false,
            is_killing: false,
            deadline: None,
        })
    }

    fn wakes(&self) -> Option<Instant> {
        if self.is_killing {
            return Some(Instant::now() + LOOK_AGAIN);
        }
        self.deadline
    }

    /// Takes note of every process that has ended.
    fn reap(&mut self) -> io::Result<Left> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.program => {
                    self.status = Some(status);
                    self.deadline = Some(Instant::now() + LINGER);
                    self.end_rest();
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return Ok(Left::Something),
                Err(Errno::CHILD) => return Ok(Left::Nothing),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Asks what the program left behind to end. During a stop the group was asked already, and a second signal would cut its end short.
    fn end_rest(&self) {
        let group = getpgid(None).ok();
        for pid in descendants() {
            let was_asked = self.is_stopping && getpgid(Some(pid)).ok() == group;
            if !was_asked {
                // It may have ended meanwhile.
                let _ = kill_process(pid, Signal::TERM);
            }
        }
    }

    fn kill(&mut self) {
        self.is_killing = true;
        for pid in descendants() {
            // It may have ended meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// The exit code of the program; that of a shell, when a signal ended it.
    fn code(&self) -> ExitCode {
        let code = self.status.and_then(|status| {
            let signal = status.terminating_signal();
            let by_signal = signal.map(|signal| BY_SIGNAL + signal);
            status.exit_status().or(by_signal)
        });
        ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
    }
}

/// Reads an exit code of the guard: the signal that ended the program, if one did.
pub(crate) fn signal_of(code: i32) -> Option<i32> {
    Some(code - BY_SIGNAL).filter(|signal| (1..=64).contains(signal))
}

/// Every process that descends from this one.
fn descendants() -> Vec<Pid> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for (pid, parent) in processes() {
        children.entry(parent).or_default().push(pid);
    }
    let mut seen = BTreeSet::new();
    let mut next = vec![getpid().as_raw_nonzero().get()];
    while let Some(parent) = next.pop() {
        for pid in children.remove(&parent).unwrap_or_default() {
            seen.insert(pid);
            next.push(pid);
        }
    }
    seen.into_iter().filter_map(Pid::from_raw).collect()
}

/// The processes of this machine, each with its parent; one that ends meanwhile is left out.
fn processes() -> Vec<(i32, i32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let read = entries.filter_map(|entry| {
        let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat).into_owned();
        // The name before the bracket may hold anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let parent = fields.split_whitespace().nth(1)?.parse().ok()?;
        Some((pid, parent))
    });
    read.collect()
}
