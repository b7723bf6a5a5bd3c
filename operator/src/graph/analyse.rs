//! What the graph shows before anything runs: readers that wait for nothing, circles, and how far one event reaches.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use angzarr_config::boot::Mode;

use crate::model::{Component, Key, Role, StoreKey, System};

/// Something about a graph that is worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A consumer waits for an event type that its domain says it does not emit.
    NobodyEmits {
        /// The consumer.
        consumer: Key,
        /// The domain.
        domain: String,
        /// The event type.
        event_type: String,
    },
    /// Sagas lead from a domain back to it.
    Circle {
        /// The sagas, in the order of the way.
        way: Vec<Key>,
        /// Whether callers of a cascade wait for each of them.
        is_synchronous: bool,
    },
    /// The domain whose events lead to the most.
    WidestReach {
        /// The owner of the domain.
        owner: Key,
        /// How many consumers read it.
        readers: usize,
        /// How many components one event can set to work, sagas' commands followed.
        reached: usize,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NobodyEmits {
                consumer,
                domain,
                event_type,
            } => write!(
                f,
                "{} waits for {event_type}, which the contract of {domain} does not list",
                title(consumer)
            ),
            Self::Circle {
                way,
                is_synchronous,
            } => {
                let way: Vec<_> = way.iter().map(title).collect();
                let kind = if *is_synchronous {
                    "a synchronous circle, which a cascade leaves at maxCascadeDepth only"
                } else {
                    "a circle, which must end by the logic's own rules"
                };
                write!(f, "{}: {kind}", way.join(" → "))
            }
            Self::WidestReach {
                owner,
                readers,
                reached,
            } => write!(
                f,
                "an event of {} reaches the most: {readers} readers, {reached} components with what their commands lead to",
                title(owner)
            ),
        }
    }
}

fn title(key: &Key) -> String {
    format!("{}/{}/{}", key.namespace, key.kind, key.name)
}

/// Everything that is worth knowing about a system's graph.
pub fn analyse(system: &System) -> Vec<Finding> {
    let ways = Ways::new(system);
    let mut findings = unheard(system);
    findings.extend(ways.circles());
    findings.extend(ways.widest());
    findings
}

fn unheard(system: &System) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, component) in &system.components {
        for source in component.reads().iter().flat_map(|reads| &reads.sources) {
            let emits = emitted(system, &component.store, &source.domain);
            let missing = source
                .event_types
                .iter()
                .filter(|name| !emits.is_empty() && !emits.contains(name));
            findings.extend(missing.map(|event_type| Finding::NobodyEmits {
                consumer: key.clone(),
                domain: source.domain.clone(),
                event_type: event_type.clone(),
            }));
        }
    }
    findings
}

/// What a domain says it emits; empty where it says nothing.
fn emitted<'a>(system: &'a System, store: &StoreKey, domain: &str) -> &'a [String] {
    let owner = system.owner(store, domain);
    match owner.map(|key| &system.components[key].role) {
        Some(Role::Aggregate { emits, .. }) => emits,
        Some(Role::Projector { .. } | Role::Saga { .. }) | None => &[],
    }
}

/// Who is set to work by whom: owners by the events of their domain, sagas by their commands.
struct Ways<'a> {
    system: &'a System,
    next: BTreeMap<&'a Key, Vec<&'a Key>>,
}

impl<'a> Ways<'a> {
    fn new(system: &'a System) -> Self {
        let mut next: BTreeMap<&Key, Vec<&Key>> = BTreeMap::new();
        for (key, component) in &system.components {
            for source in component.reads().iter().flat_map(|reads| &reads.sources) {
                if let Some(owner) = system.owner(&component.store, &source.domain) {
                    next.entry(owner).or_default().push(key);
                }
            }
            for target in targets(component) {
                let owner = system.owner(&component.store, target);
                next.entry(key).or_default().extend(owner);
            }
        }
        Self { system, next }
    }

    fn next(&self, key: &Key) -> &[&'a Key] {
        self.next.get(key).map_or(&[], Vec::as_slice)
    }

    /// One circle for each group of components that lead to each other: the shortest through its first saga.
    fn circles(&self) -> Vec<Finding> {
        let mut told: BTreeSet<&Key> = BTreeSet::new();
        let mut findings = Vec::new();
        for (key, component) in &self.system.components {
            if !matches!(component.role, Role::Saga { .. }) || told.contains(key) {
                continue;
            }
            let Some(way) = self.way_back(key) else {
                continue;
            };
            told.extend(way.iter().copied());
            let sagas: Vec<_> = way
                .into_iter()
                .filter(|key| matches!(self.system.components[*key].role, Role::Saga { .. }))
                .collect();
            findings.push(Finding::Circle {
                is_synchronous: sagas.iter().all(|key| {
                    matches!(
                        self.system.components[*key].role,
                        Role::Saga {
                            mode: Mode::Sync,
                            ..
                        }
                    )
                }),
                way: sagas.into_iter().cloned().collect(),
            });
        }
        findings
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

    fn widest(&self) -> Option<Finding> {
        let owners = self
            .system
            .components
            .iter()
            .filter(|(_, component)| matches!(component.role, Role::Aggregate { .. }));
        let measured = owners.map(|(owner, _)| (self.next(owner).len(), owner));
        // Of equal ones the first is named.
        let (readers, owner) = measured.rev().max_by_key(|(readers, _)| *readers)?;
        (readers > 0).then(|| Finding::WidestReach {
            owner: owner.clone(),
            readers,
            reached: self.reached(owner),
        })
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

fn targets(component: &Component) -> &[String] {
    match &component.role {
        Role::Saga { targets, .. } => targets,
        Role::Aggregate { .. } | Role::Projector { .. } => &[],
    }
}
