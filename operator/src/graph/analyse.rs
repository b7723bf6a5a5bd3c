//! Finds what the graph shows before anything runs: readers that wait for nothing, cycles, and how far one event reaches.

use std::collections::{BTreeMap, BTreeSet};

use angzarr_config::boot::Mode;
use angzarr_config::nearest;

use super::short_name;
use crate::model::{Key, Role, StoreKey, System};

fn title(key: &Key) -> String {
    format!("{}/{}/{}", key.namespace, key.kind, key.name)
}

/// Returns what is worth knowing about a system's graph, a sentence each.
pub fn analyse(system: &System) -> Vec<String> {
    let ways = Ways::new(system);
    let mut findings = unheard(system);
    findings.extend(ways.cycles());
    findings.extend(ways.widest());
    findings
}

/// How many declared types a finding lists.
const SHOWN: usize = 5;

/// Returns a sentence for each event type that a consumer waits for and the contract of its domain does not list: it may never come.
pub fn unheard(system: &System) -> Vec<String> {
    let mut findings = Vec::new();
    for (key, component) in &system.components {
        for source in component.reads().iter().flat_map(|reads| &reads.sources) {
            let (emits, domain) = (
                emitted(system, &component.store, &source.domain),
                &source.domain,
            );
            for name in &source.event_types {
                if !emits.is_empty() && !emits.contains(name) {
                    let consumer = title(key);
                    let hint = meant(name, emits);
                    findings.push(format!(
                        "{consumer} waits for {name}, which contract.events of {domain} does not list; {hint}"
                    ));
                }
            }
        }
    }
    findings
}

/// Which declared type may be meant: one whose name without the package is the same or similar. Packages are alike and say little.
fn meant(name: &str, emits: &[String]) -> String {
    let names: Vec<_> = emits.iter().map(|it| short_name(it)).collect();
    if let Some(near) = nearest(short_name(name), &names) {
        let meant = emits.iter().find(|it| short_name(it) == near);
        return format!("did you mean {}?", meant.map_or(near, String::as_str));
    }
    let mut shown = emits.iter().take(SHOWN).cloned().collect::<Vec<_>>();
    if emits.len() > SHOWN {
        shown.push(format!("and {} more", emits.len() - SHOWN));
    }
    format!("it lists {}", shown.join(", "))
}

/// The event types that a domain declares; empty where it declares none.
fn emitted<'a>(system: &'a System, store: &StoreKey, domain: &str) -> &'a [String] {
    let owner = system.index.owner(store, domain);
    match owner.map(|key| &system.components[key].role) {
        Some(Role::Aggregate { emits, .. }) => emits,
        Some(Role::Projector { .. } | Role::Saga { .. }) | None => &[],
    }
}

/// Which components an event or a command leads to: from owners by the events of their domain, from sagas by their commands.
struct Ways<'a> {
    system: &'a System,
    next: BTreeMap<&'a Key, Vec<&'a Key>>,
}

impl<'a> Ways<'a> {
    fn new(system: &'a System) -> Self {
        let mut next: BTreeMap<&Key, Vec<&Key>> = BTreeMap::new();
        for (key, component) in &system.components {
            for source in component.reads().iter().flat_map(|reads| &reads.sources) {
                if let Some(owner) = system.index.owner(&component.store, &source.domain) {
                    next.entry(owner).or_default().push(key);
                }
            }
            for target in component.targets() {
                let owner = system.index.owner(&component.store, target);
                next.entry(key).or_default().extend(owner);
            }
        }
        Self { system, next }
    }

    fn next(&self, key: &Key) -> &[&'a Key] {
        self.next.get(key).map_or(&[], Vec::as_slice)
    }

    /// One cycle for each group of components that lead to each other: the shortest through its first saga.
    fn cycles(&self) -> Vec<String> {
        let mut known: BTreeSet<&Key> = BTreeSet::new();
        let mut findings = Vec::new();
        for key in self.system.components.keys() {
            if self.saga_mode(key).is_none() || known.contains(key) {
                continue;
            }
            let Some(way) = self.way_back(key) else {
                continue;
            };
            known.extend(way.iter().copied());
            let sagas = way
                .iter()
                .filter_map(|key| Some((title(key), self.saga_mode(key)?)));
            let (names, modes): (Vec<_>, Vec<_>) = sagas.unzip();
            let kind = if modes.contains(&Mode::Async) {
                "a cycle, which must end by the logic's own rules"
            } else {
                "a synchronous cycle, which a cascade leaves at maxCascadeDepth only"
            };
            findings.push(format!("{}: {kind}", names.join(" → ")));
        }
        findings
    }

    fn saga_mode(&self, key: &Key) -> Option<Mode> {
        match self.system.components[key].role {
            Role::Saga { mode, .. } => Some(mode),
            Role::Aggregate { .. } | Role::Projector { .. } => None,
        }
    }

    /// The shortest way from a component back to it.
    fn way_back(&self, from: &'a Key) -> Option<Vec<&'a Key>> {
        let mut before: BTreeMap<&Key, &Key> = BTreeMap::new();
        let mut front = vec![from];
        while !front.is_empty() {
            let mut reached = Vec::new();
            for at in front {
                for to in self.next(at) {
                    if *to == from {
                        return Some(walk_back(&before, from, at));
                    }
                    if !before.contains_key(to) {
                        before.insert(to, at);
                        reached.push(*to);
                    }
                }
            }
            front = reached;
        }
        None
    }

    /// The domain whose events have the most readers, and how many components one event can set to work.
    fn widest(&self) -> Option<String> {
        let owners = self
            .system
            .components
            .iter()
            .filter(|(_, component)| matches!(component.role, Role::Aggregate { .. }));
        let measured = owners.map(|(owner, _)| (self.next(owner).len(), owner));
        // Of equal ones the first is named.
        let (readers, owner) = measured.rev().max_by_key(|(readers, _)| *readers)?;
        let (name, reached) = (title(owner), self.reached(owner));
        (readers > 0).then(|| format!("an event of {name} reaches the most: {readers} readers, {reached} components including those that their commands lead to"))
    }

    fn reached(&self, from: &'a Key) -> usize {
        let mut seen = BTreeSet::from([from]);
        let mut front = vec![from];
        while let Some(at) = front.pop() {
            for to in self.next(at) {
                if seen.insert(*to) {
                    front.push(to);
                }
            }
        }
        seen.len() - 1
    }
}

fn walk_back<'a>(
    before: &BTreeMap<&'a Key, &'a Key>,
    from: &'a Key,
    last: &'a Key,
) -> Vec<&'a Key> {
    let mut way = vec![last];
    let mut at = last;
    while at != from {
        at = before[at];
        way.push(at);
    }
    way.reverse();
    way
}
