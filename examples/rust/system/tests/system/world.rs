//! The state of one scenario: names for roots, the last book of commands, and its reply.

use std::collections::{HashMap, VecDeque};

use angzarr_proto::v1::{CommandBook, CommandResponse, EventPage};
use anyhow::{Context, ensure};
use cucumber::event::ScenarioFinished;
use cucumber::gherkin::Step;
use shop_contract::inventory_root;
use shop_system::{Client, System};
use tokio::sync::{RwLock, RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard};
use tonic::Status;
use uuid::Uuid;

/// The system that the scenarios of this process test; it is taken out at the end for cleanup.
static SYSTEM: RwLock<Option<System>> = RwLock::const_new(None);

/// Sets the tested system.
pub(crate) async fn set_system(system: System) {
    *SYSTEM.write().await = Some(system);
}

/// Takes the system out.
pub(crate) async fn take_system() -> anyhow::Result<System> {
    SYSTEM.write().await.take().context("no system was started")
}

/// The running shop.
pub(crate) async fn system() -> anyhow::Result<RwLockReadGuard<'static, System>> {
    let system = RwLockReadGuard::try_map(SYSTEM.read().await, Option::as_ref);
    system.ok().context("no system was started")
}

/// The running shop, for a scenario that runs alone.
pub(crate) async fn system_alone() -> anyhow::Result<RwLockMappedWriteGuard<'static, System>> {
    let system = RwLockWriteGuard::try_map(SYSTEM.write().await, Option::as_mut);
    system.ok().context("no system was started")
}

/// A client of a sidecar that owns no orders, so that these are routed.
pub(crate) async fn client() -> anyhow::Result<Client> {
    Ok(Client::new(system().await?.channel("customer")?))
}

/// One scenario.
#[derive(Debug, Default, cucumber::World)]
pub(crate) struct World {
    names: HashMap<String, Uuid>,
    /// What was sent last.
    pub(crate) sent: Option<CommandBook>,
    /// The reply. Checked parts are removed from it.
    pub(crate) answer: Option<Answer>,
}

/// The reply.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The command was executed.
    Done {
        /// The events that no step has checked.
        events: VecDeque<EventPage>,
        /// The rest of the reply.
        response: Box<CommandResponse>,
    },
    /// It was refused.
    Refused(Status),
}

impl From<Result<CommandResponse, Status>> for Answer {
    fn from(result: Result<CommandResponse, Status>) -> Self {
        match result {
            Ok(mut response) => Self::Done {
                events: response.events.take().unwrap_or_default().pages.into(),
                response: Box::new(response),
            },
            Err(status) => Self::Refused(status),
        }
    }
}

impl World {
    /// The id of a name, a new one for each scenario.
    pub(crate) fn id(&mut self, name: &str) -> Uuid {
        *self
            .names
            .entry(name.to_owned())
            .or_insert_with(Uuid::new_v4)
    }

    /// The root of a name: that of an inventory is derived from the id of its product.
    pub(crate) fn root(&mut self, domain: &str, name: &str) -> [u8; 16] {
        let id = self.id(name);
        match domain {
            "inventory" => inventory_root(&id.to_string()),
            _ => id.into_bytes(),
        }
    }

    /// The step with ids instead of the names, which are written as `@name`.
    pub(crate) fn resolve(&mut self, step: &Step) -> Step {
        let mut step = step.clone();
        for row in step.table.iter_mut().flat_map(|table| &mut table.rows) {
            for cell in row {
                *cell = self.fill(cell);
            }
        }
        step
    }

    fn fill(&mut self, text: &str) -> String {
        let mut parts = text.split('@');
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part
                .find(|letter: char| !letter.is_alphanumeric())
                .unwrap_or(part.len());
            let (name, rest) = part.split_at(end);
            if name.is_empty() {
                filled.push('@');
            } else {
                filled.push_str(&self.id(name).to_string());
            }
            filled.push_str(rest);
        }
        filled
    }

    /// Fails if something was refused and no step has checked it.
    pub(crate) fn require_nothing_refused(&self) -> anyhow::Result<()> {
        let is_refused = matches!(self.answer, Some(Answer::Refused(_)));
        ensure!(
            !is_refused,
            "an earlier command had the reply {:?}",
            self.answer
        );
        Ok(())
    }
}

/// Fails a scenario that ends with a refusal that no step has checked.
pub(crate) async fn check_unseen(finished: &ScenarioFinished, world: Option<&mut World>) {
    if !matches!(finished, ScenarioFinished::StepPassed) {
        return;
    }
    let answer = world.and_then(|world| world.answer.as_ref());
    assert!(
        !matches!(answer, Some(Answer::Refused(_))),
        "the scenario did not check {answer:?}"
    );
}
