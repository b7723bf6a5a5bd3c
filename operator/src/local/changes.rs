//! What another declaration changes among the processes.

use std::collections::BTreeMap;

use angzarr_config::Boot;

use super::images::Command;
use super::stage::Part;
use crate::model::Key;

/// What a component runs, as far as only another start changes it.
#[derive(PartialEq)]
pub(super) struct Performance {
    pub(super) boot: Boot,
    pub(super) logic: Command,
}

/// What has to change among the processes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// The components that run no longer.
    pub(super) removed: Vec<Key>,
    /// The components that run from now on.
    pub(super) added: Vec<Key>,
    /// The processes that have to start again.
    pub(super) restarted: Vec<(Key, Part)>,
    /// What is skipped or replaced from now on, a sentence each.
    pub(super) notices: Vec<String>,
}

impl Changes {
    /// What has to change from one performance to another.
    pub(super) fn between(
        before: &BTreeMap<Key, Performance>,
        after: &BTreeMap<Key, Performance>,
    ) -> Self {
        let missing_in = |other: &BTreeMap<Key, Performance>, these: &BTreeMap<Key, _>| {
            let keys = these.keys().filter(|key| !other.contains_key(*key));
            keys.cloned().collect::<Vec<_>>()
        };
        let mut restarted = Vec::new();
        for (key, new) in after {
            let Some(old) = before.get(key) else {
                continue;
            };
            if old.boot != new.boot {
                restarted.push((key.clone(), Part::Sidecar));
            }
            if old.logic != new.logic {
                restarted.push((key.clone(), Part::Logic));
            }
        }
        Self {
            removed: missing_in(after, before),
            added: missing_in(before, after),
            restarted,
            notices: Vec::new(),
        }
    }
}
