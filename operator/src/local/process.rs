//! One child: started, logged, restarted when it ends or has to, stopped when asked.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::console::Console;
use super::guard;
use super::images;
use super::opener::Gate;
use super::restarts::Restarts;
use super::stage::{self, Part, Stage, Start};
use crate::model::Key;

/// The pause before the first restart; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long a sidecar may take to drain and end.
const SIDECAR_GRACE: Duration = Duration::from_secs(30);
/// How long logic may take to end.
const LOGIC_GRACE: Duration = Duration::from_secs(5);
/// How long a child may take to end after it was killed.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// A child that ran this long starts again with the first pause.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// A child to be kept running.
pub(super) struct Process {
    pub(super) key: Key,
    pub(super) part: Part,
    /// Its name on the terminal.
    pub(super) name: String,
    /// How long it may take to end after SIGTERM.
    pub(super) grace: Duration,
}

/// What all children and those who keep them share.
pub(super) struct Keeper {
    /// Who runs, and how.
    pub(super) stage: Stage,
    /// Where lines go.
    pub(super) console: Console,
    /// When clients are let in.
    pub(super) gate: Gate,
}

/// A child with its guard. Dropped, it is killed with everything that it started: the guard sees the end of the pipe.
struct Guarded {
    child: Child,
    pipe: ChildStdin,
    group: Pid,
}

/// Why a child is not waited for any longer.
enum Event {
    Ended(std::io::Result<ExitStatus>),
    Restart(&'static str),
    Stop,
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

    /// Keeps the child running until `stop` is done, then ends it: SIGTERM first, SIGKILL to all that descends from it after the grace.
    pub(super) async fn run(
        &self,
        keeper: &Keeper,
        restarts: &Restarts,
        stop: impl Future<Output = ()>,
    ) {
        let console = &keeper.console;
        tokio::pin!(stop);
        let mut pause = FIRST_PAUSE;
        loop {
            let started = Instant::now();
            let said = match self.start(keeper).await {
                Ok(mut guarded) => {
                    let logs = tokio::spawn(self.follow(&mut guarded.child, console));
                    let event = tokio::select! {
                        ended = guarded.child.wait() => Event::Ended(ended),
                        why = restarts.wanted(self.part) => Event::Restart(why),
                        () = &mut stop => Event::Stop,
                    };
                    match event {
                        Event::Ended(ended) => {
                            guarded.end_rest();
                            drain(logs).await;
                            said(ended)
                        }
                        Event::Restart(why) => {
                            console.line(&self.name, &format!("{why}; starts again"));
                            self.end(guarded, console).await;
                            drain(logs).await;
                            continue;
                        }
                        Event::Stop => {
                            self.end(guarded, console).await;
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
                _ = restarts.wanted(self.part) => pause = FIRST_PAUSE,
                () = &mut stop => return,
            }
        }
    }

    async fn start(&self, keeper: &Keeper) -> Result<Guarded> {
        let Start { command, has_moved } = keeper.stage.start(&self.key, self.part)?;
        if has_moved {
            let addresses = keeper.stage.addresses(&self.key);
            let line = format!("another program has taken its port; it moved to {addresses}");
            keeper.console.line(&self.name, &line);
        }
        spawn(&command).await.context("run the program")
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

    async fn end(&self, guarded: Guarded, console: &Console) {
        let Guarded {
            mut child,
            pipe,
            group,
        } = guarded;
        // A group that is gone already needs no signal.
        let _ = kill_process_group(group, Signal::TERM);
        if timeout(self.grace, child.wait()).await.is_err() {
            console.line(
                &self.name,
                &format!("did not end within {:?}; killed", self.grace),
            );
        }
        drop(pipe);
        let _ = timeout(KILL_GRACE, child.wait()).await;
        let _ = kill_process_group(group, Signal::KILL);
        let _ = child.wait().await;
    }
}

impl Guarded {
    /// Ends what is left of the group of a child that has ended; there is something only if its guard was killed.
    fn end_rest(&self) {
        let _ = kill_process_group(self.group, Signal::KILL);
    }
}

async fn spawn(command: &images::Command) -> Result<Guarded> {
    let mut child = Command::new(guard::OWN_PROGRAM)
        .arg(guard::NAME)
        .arg(&command.program)
        .args(&command.arguments)
        .current_dir(&command.folder)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start a process in {}", command.folder.display()))?;
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let group = group.context("find the process")?;
    let mut pipe = child.stdin.take().context("reach the process")?;
    // The environment of the program may hold what other users of this machine must not see among its arguments.
    let mut environment = serde_json::to_vec(&command.env).context("write the environment")?;
    environment.push(b'\n');
    pipe.write_all(&environment)
        .await
        .context("hand over the environment")?;
    Ok(Guarded { child, pipe, group })
}

/// Shows what a child wrote before it ended; its own children may keep the pipes open, so not for ever.
async fn drain(mut logs: JoinHandle<()>) {
    if timeout(Duration::from_secs(1), &mut logs).await.is_err() {
        logs.abort();
    }
}

fn said(ended: std::io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) => match status.code().and_then(guard::signal_of) {
            Some(signal) => format!("ended by signal {signal}"),
            None => format!("ended with {status}"),
        },
        Err(error) => format!("ended: {error}"),
    }
}
