//! Lets clients in: to all sidecars when all are ready for the first time, and to each that was started later. Says what is not ready, and why.
//!
//! # Design
//! A sidecar starts closed, and one that a person has closed stays so: each process is opened once, and is known by its id.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use angzarr_admin::Client;
use angzarr_admin::shape::{Life, Statusz};
use anyhow::anyhow;
use tokio::time::{Instant, sleep};

use super::process::Keeper;
use super::stage::title;
use crate::model::Key;

/// How often a sidecar is asked.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How often a sidecar is asked that is ready and open.
const LOOK_LATER: Duration = Duration::from_secs(1);
/// How long a sidecar may take to reply on its admin port.
const WITHIN: Duration = Duration::from_secs(5);
/// How long something may be not ready before it is said.
const SOON: Duration = Duration::from_secs(3);

/// Holds clients back until all components were ready.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// Those that were not ready yet.
    unready: BTreeSet<Key>,
    /// Those that clients were not let in to yet.
    closed: BTreeSet<Key>,
    is_open: bool,
    is_said: bool,
}

impl Waiting {
    /// Whether all are open for the first time.
    fn is_news(&mut self) -> bool {
        self.is_open |= self.unready.is_empty();
        let is_done = self.is_open && self.closed.is_empty();
        is_done && !std::mem::replace(&mut self.is_said, true)
    }
}

impl Gate {
    /// Waits for a component too, unless clients are in already.
    pub(super) fn add(&self, key: &Key) {
        let mut waiting = self.locked();
        if !waiting.is_open {
            waiting.unready.insert(key.clone());
            waiting.closed.insert(key.clone());
        }
    }

    /// Waits for a component no longer, since it is gone. Returns whether all that are left are open, for the first time.
    pub(super) fn remove(&self, key: &Key) -> bool {
        let mut waiting = self.locked();
        waiting.unready.remove(key);
        waiting.closed.remove(key);
        waiting.is_news()
    }

    fn note_ready(&self, key: &Key) {
        let mut waiting = self.locked();
        waiting.unready.remove(key);
        waiting.is_open |= waiting.unready.is_empty();
    }

    /// Returns whether all are open, for the first time.
    fn note_open(&self, key: &Key) -> bool {
        let mut waiting = self.locked();
        waiting.closed.remove(key);
        waiting.is_news()
    }

    fn is_open(&self) -> bool {
        self.locked().is_open
    }

    fn locked(&self) -> MutexGuard<'_, Waiting> {
        // Sets of names: a panic elsewhere leaves nothing half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches the sidecar of one component for as long as it is polled.
pub(super) async fn watch(keeper: &Keeper, key: &Key) -> ! {
    let mut watched = Watched {
        keeper,
        key,
        unready_since: Some(Instant::now()),
        shown: None,
        opened: None,
    };
    loop {
        let pause = watched.look().await;
        sleep(pause).await;
    }
}

struct Watched<'a> {
    keeper: &'a Keeper,
    key: &'a Key,
    unready_since: Option<Instant>,
    /// The reason that was shown last.
    shown: Option<String>,
    /// The process that clients were let in to.
    opened: Option<u32>,
}

impl Watched<'_> {
    /// Returns when to look again.
    async fn look(&mut self) -> Duration {
        let Some(admin) = self.keeper.stage.admin(self.key) else {
            return LOOK_LATER;
        };
        let client = Client::new(admin, WITHIN);
        let status: Result<Statusz, _> = client.get("/statusz", &[]).await;
        match status {
            Ok(status) if status.readiness.ready => {
                self.note_ready();
                if self.opened == Some(status.process) {
                    return LOOK_LATER;
                }
                if self.keeper.gate.is_open() {
                    self.open(&client, status.process).await;
                }
            }
            Ok(status) => self.note_unready(status.readiness.reasons.join("; ")),
            Err(_) => self.note_unready("its sidecar does not reply".to_owned()),
        }
        LOOK_AGAIN
    }

    fn note_ready(&mut self) {
        if self.unready_since.take().is_none() {
            return;
        }
        self.shown = None;
        self.say("ready");
        self.keeper.gate.note_ready(self.key);
    }

    fn note_unready(&mut self, reason: String) {
        let since = *self.unready_since.get_or_insert_with(Instant::now);
        if since.elapsed() < SOON || self.shown.as_ref() == Some(&reason) {
            return;
        }
        self.say(&format!("is not ready: {reason}"));
        self.shown = Some(reason);
    }

    async fn open(&mut self, client: &Client, process: u32) {
        let opened: Result<Life, _> = client.post("/open", &[]).await;
        match opened {
            Ok(_) => {
                self.opened = Some(process);
                if self.keeper.gate.note_open(self.key) {
                    self.keeper.say_ready();
                }
            }
            Err(error) => self.say(&format!("is not opened yet: {:#}", anyhow!(error))),
        }
    }

    fn say(&self, text: &str) {
        self.keeper.console.line(&title(self.key), text);
    }
}

impl Keeper {
    /// Says that clients are let in.
    pub(super) fn say_ready(&self) {
        self.console
            .line("angzarr", "all is ready; Ctrl-C stops it");
    }
}
