//! The graph of the routing: which domains there are, who reads them, who commands them; drawn, and looked at for what hurts.
//!
//! ```text
//! aggregate ──events──▶ projector
//!     ▲   └──events──▶ saga ──commands──▶ aggregate
//! ```

mod analyse;

use std::fmt::Write;

use crate::model::{Key, Role, StoreKey, System};

pub use analyse::{Finding, analyse};

/// Draws a system as a Mermaid flowchart, with what was found as comments above it.
pub fn draw(system: &System) -> String {
    let mut text = String::new();
    for finding in analyse(system) {
        line(&mut text, &format!("%% {finding}"));
    }
    line(&mut text, "flowchart LR");
    for (index, store) in system.stores.keys().enumerate() {
        line(
            &mut text,
            &format!("  subgraph store{index}[\"{}\"]", title(store)),
        );
        for (key, component) in &system.components {
            if component.store == *store {
                line(&mut text, &format!("    {}", node(key, &component.role)));
            }
        }
        line(&mut text, "  end");
    }
    for (key, component) in &system.components {
        for edge in edges(system, &component.store, key, &component.role) {
            line(&mut text, &format!("  {edge}"));
        }
    }
    text
}

fn line(text: &mut String, line: &str) {
    // Writing into a String does not fail.
    let _ = writeln!(text, "{line}");
}

fn title(store: &StoreKey) -> String {
    format!("EventStore {}/{}", store.namespace, store.name)
}

/// The name of a node: names of resources hold letters, digits and dashes only.
fn id(key: &Key) -> String {
    format!("{}_{}", key.namespace, key.base_name()).replace('-', "_")
}

/// Each kind has a shape of its own.
fn node(key: &Key, role: &Role) -> String {
    let (id, name) = (id(key), &key.name);
    match role {
        Role::Aggregate { domain, .. } => format!("{id}[(\"{name}<br/>domain {domain}\")]"),
        Role::Projector { .. } => format!("{id}[/\"{name}\"/]"),
        Role::Saga { .. } => format!("{id}{{{{\"{name}\"}}}}"),
    }
}

/// What a component reads, and what it commands. A thick line is waited for by callers who ask for it.
fn edges(system: &System, store: &StoreKey, key: &Key, role: &Role) -> Vec<String> {
    use angzarr_config::boot::Mode;
    let (reads, targets, mode) = match role {
        Role::Aggregate { .. } => return Vec::new(),
        Role::Projector { reads, mode } => (reads, &[][..], mode),
        Role::Saga {
            reads,
            targets,
            mode,
        } => (reads, targets.as_slice(), mode),
    };
    let arrow = match mode {
        Mode::Async => "-->",
        Mode::Sync => "==>",
    };
    let owner = |domain: &str| system.owner(store, domain).map(id);
    let mut edges = Vec::new();
    for source in &reads.sources {
        if let Some(owner) = owner(&source.domain) {
            let types = short_names(&source.event_types);
            edges.push(format!("{owner} {arrow}{types} {}", id(key)));
        }
    }
    for target in targets {
        if let Some(owner) = owner(target) {
            edges.push(format!("{} -.->|commands| {owner}", id(key)));
        }
    }
    edges
}

/// The event types without their packages, as the label of an arrow.
fn short_names(types: &[String]) -> String {
    if types.is_empty() {
        return String::new();
    }
    let short: Vec<_> = types
        .iter()
        .map(|name| name.rsplit('.').next().unwrap_or(name))
        .collect();
    format!("|{}|", short.join("<br/>"))
}
