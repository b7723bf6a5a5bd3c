//! One child: started, logged, restarted when it ends, stopped when asked.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::console::Console;
use super::images;
use super::shim;
use super::stage::{self, Part, Stage, Start};
use crate::model::Key;

/// The pause before the first restart; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long a sidecar may take to drain and end.
const SIDECAR_GRACE: Duration = Duration::from_secs(30);
/// How long logic may take to end.
const LOGIC_GRACE: Duration = Duration::from_secs(5);

/// A child that ran this long starts again with the first pause.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// This program, even if its file was replaced meanwhile.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// A child to be kept running.
pub(super) struct Process {
    pub(super) key: Key,
    pub(super) part: Part,
    /// Its name on the terminal.
    pub(super) name: String,
    /// How long it may take to end after SIGTERM.
    pub(super) grace: Duration,
}

/// What all children share.
pub(super) struct Keeper {
    pub(super) stage: Stage,
    pub(super) console: Console,
}

impl Process {
    pub(super) fn new(key: &Key, part: Part) -> Self {
        let title = stage::title(key);
        let (name, grace) = match part {
            Part::Sidecar => (title, SIDECAR_GRACE),
            Part::Logic => (format!("{title}/logic"), LOGIC_GRACE),
        };
        Self {
            key: key.clone(),
            part,
            name,
            grace,
        }
    }

    /// Keeps the child running until `stop` is done, then ends it: SIGTERM first, SIGKILL to its process group after the grace.
    pub(super) async fn run(&self, keeper: &Keeper, stop: impl Future<Output = ()>) {
        let console = &keeper.console;
        tokio::pin!(stop);
        let mut pause = FIRST_PAUSE;
        loop {
            let started = Instant::now();
            let said = match self.start(keeper) {
                Ok(mut child) => {
                    let logs = tokio::spawn(self.follow(&mut child, console));
                    tokio::select! {
                        ended = child.wait() => {
                            drain(logs).await;
                            said(ended)
                        }
                        () = self.logic_moved(&keeper.stage) => {
                            self.end(child, console).await;
                            drain(logs).await;
                            continue;
                        }
                        () = &mut stop => {
                            self.end(child, console).await;
                            return drain(logs).await;
                        }
                    }
                }
                Err(error) => format!("did not start: {error:#}"),
            };
            if started.elapsed() > HEALTHY_AFTER {
                pause = FIRST_PAUSE;
            }
            console.line(&self.name, &format!("{said}; starts again in {pause:?}"));
            tokio::select! {
                () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                () = &mut stop => return,
            }
        }
    }

    fn start(&self, keeper: &Keeper) -> Result<Child> {
        let Start { command, has_moved } = keeper.stage.start(&self.key, self.part)?;
        if has_moved {
            let addresses = keeper.stage.addresses(&self.key);
            let line = format!("another program has taken its port; it moved to {addresses}");
            keeper.console.line(&self.name, &line);
        }
        let child = spawn(&command).context("run the program")?;
        if self.part == Part::Sidecar {
            keeper.stage.note_start(&self.key);
        }
        Ok(child)
    }

    /// A sidecar reads only when it starts where its logic is.
    async fn logic_moved(&self, stage: &Stage) {
        match self.part {
            Part::Sidecar => stage.moved(&self.key).await,
            Part::Logic => std::future::pending().await,
        }
    }

    fn follow(&self, child: &mut Child, console: &Console) -> impl Future<Output = ()> + use<> {
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (console, name) = (console.clone(), self.name.clone());
        async move {
            let follow_out = async {
                if let Some(out) = out {
                    console.follow(&name, out).await;
                }
            };
            let follow_err = async {
                if let Some(err) = err {
                    console.follow(&name, err).await;
                }
            };
            tokio::join!(follow_out, follow_err);
        }
    }

    async fn end(&self, mut child: Child, console: &Console) {
        let Some(group) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) else {
            return;
        };
        // A group that is gone already needs no signal.
        let _ = kill_process_group(group, Signal::TERM);
        if timeout(self.grace, child.wait()).await.is_err() {
            console.line(
                &self.name,
                &format!("did not end within {:?}; killed", self.grace),
            );
        }
        let _ = kill_process_group(group, Signal::KILL);
        let _ = child.wait().await;
    }
}

fn spawn(command: &images::Command) -> std::io::Result<Child> {
    Command::new(OWN_PROGRAM)
        .arg(shim::NAME)
        .arg(std::process::id().to_string())
        .arg(&command.program)
        .args(&command.arguments)
        .current_dir(&command.folder)
        .envs(&command.env)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Shows what a child wrote before it ended; its own children may keep the pipes open, so not for ever.
async fn drain(mut logs: JoinHandle<()>) {
    if timeout(Duration::from_secs(1), &mut logs).await.is_err() {
        logs.abort();
    }
}

fn said(ended: std::io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) => format!("ended with {status}"),
        Err(error) => format!("ended: {error}"),
    }
}
