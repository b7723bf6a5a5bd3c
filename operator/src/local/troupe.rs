//! All components that run: each with its sidecar and its logic, started, changed and stopped together.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;

use angzarr_config::Mistake;
use anyhow::{Context, Result};
use futures::future::OptionFuture;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::changes::Changes;
use super::console::Console;
use super::declared::Declared;
use super::opener::{self, Gate};
use super::process::{Keeper, Process};
use super::programs::Lookup;
use super::restarts::Restarts;
use super::stage::{Part, Stage, title};
use crate::manifest::all;
use crate::model::Key;

/// The components that run.
pub(super) struct Troupe {
    keeper: Arc<Keeper>,
    running: BTreeMap<Key, Running>,
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Troupe {
    /// Nothing runs yet.
    pub(super) fn new(stage: Stage, console: Console) -> Self {
        Self {
            keeper: Arc::new(Keeper {
                stage,
                console,
                gate: Gate::default(),
            }),
            running: BTreeMap::new(),
        }
    }

    /// Starts every component, and says where each is reached.
    pub(super) fn start(&mut self) {
        for notice in self.keeper.stage.notices() {
            self.say(&notice);
        }
        let keys = self.keeper.stage.keys();
        for key in &keys {
            self.introduce(key);
        }
        for key in &keys {
            self.add(key);
        }
        if keys.is_empty() {
            self.say("no component runs; add one to the folder");
        }
    }

    /// The programs of all processes, each with the processes that it runs in.
    pub(super) fn programs(&self, lookup: &Lookup) -> BTreeMap<PathBuf, Vec<(Key, Part)>> {
        self.keeper.stage.programs(lookup)
    }

    /// Starts processes again whose program has changed.
    pub(super) fn renew(&self, processes: &[(Key, Part)]) {
        for (key, part) in processes {
            self.want(key, *part, "its program has changed");
        }
    }

    /// Takes over what is declared now, or says why not.
    pub(super) fn take_over(&mut self, declared: Result<Declared, Vec<Mistake>>) {
        let changes = declared
            .map_err(all)
            .and_then(|declared| self.keeper.stage.take_over(declared));
        match changes {
            Ok(changes) => self.change(&changes),
            Err(error) => {
                self.say("a change is not taken over, everything runs as before:");
                for line in format!("{error:#}").lines() {
                    self.say(line);
                }
            }
        }
    }

    fn change(&mut self, changes: &Changes) {
        let Changes {
            removed,
            added,
            restarted,
            notices,
        } = changes;
        for notice in notices {
            self.say(notice);
        }
        let is_quiet = removed.is_empty() && added.is_empty() && restarted.is_empty();
        self.say(if is_quiet {
            "a change is taken over; nothing has to start again"
        } else {
            "a change is taken over"
        });
        for key in removed {
            self.remove(key);
        }
        for key in added {
            self.introduce(key);
            self.add(key);
        }
        for (key, part) in restarted {
            match part {
                Part::Sidecar => self.want(key, *part, "its resource has changed"),
                Part::Logic => {
                    self.show_addresses(key);
                    self.want(key, *part, "its command has changed");
                }
            }
        }
    }

    fn want(&self, key: &Key, part: Part, why: &'static str) {
        if let Some(restarts) = self.keeper.stage.restarts(key) {
            restarts.want(part, why);
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(running) = self.running.get(key) {
            let line = "is not declared any more, or stopped; stops";
            self.keeper.console.line(&title(key), line);
            running.stop.cancel();
        }
        if self.keeper.gate.remove(key) {
            self.keeper.say_ready();
        }
    }

    /// Holds clients back until a component is ready, and says where it is reached.
    fn introduce(&self, key: &Key) {
        self.keeper.gate.add(key);
        self.show_addresses(key);
    }

    fn show_addresses(&self, key: &Key) {
        let addresses = self.keeper.stage.addresses(key);
        self.keeper.console.line(&title(key), &addresses);
    }

    /// Stops every component.
    ///
    /// # Errors
    /// The panic of a task.
    pub(super) async fn stop(&mut self) -> Result<()> {
        for running in self.running.values() {
            running.stop.cancel();
        }
        for running in self.running.values_mut() {
            (&mut running.task).await.context("run a component")?;
        }
        Ok(())
    }

    /// Shows a line about the whole.
    pub(super) fn say(&self, text: &str) {
        self.keeper.console.line("angzarr", text);
    }

    fn add(&mut self, key: &Key) {
        let Some(restarts) = self.keeper.stage.restarts(key) else {
            return;
        };
        let stop = CancellationToken::new();
        let performing = perform(
            Arc::clone(&self.keeper),
            key.clone(),
            restarts,
            stop.clone(),
        );
        // One that is declared again may still be stopping, and its sidecar has the store open.
        let before = self.running.remove(key).map(|running| running.task);
        let task = tokio::spawn(async move {
            if let Some(Err(error)) = OptionFuture::from(before).await {
                resume_unwind(error.into_panic());
            }
            performing.await;
        });
        self.running.insert(key.clone(), Running { stop, task });
    }
}

/// Runs a component until the stop: its logic stops when its sidecar has finished.
async fn perform(keeper: Arc<Keeper>, key: Key, restarts: Arc<Restarts>, stop: CancellationToken) {
    let (sidecar, logic) = (
        Process::new(&key, Part::Sidecar),
        Process::new(&key, Part::Logic),
    );
    let logic_stop = CancellationToken::new();
    let running = async {
        let sidecar = async {
            sidecar.run(&keeper, &restarts, stop.cancelled()).await;
            logic_stop.cancel();
        };
        let logic = logic.run(&keeper, &restarts, logic_stop.cancelled());
        tokio::join!(sidecar, logic);
    };
    let watching = async {
        tokio::select! {
            () = stop.cancelled() => {}
            never = opener::watch(&keeper, &key) => match never {},
        }
    };
    tokio::join!(running, watching);
}
