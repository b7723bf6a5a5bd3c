//! The graph of the routing: which domains there are, who reads them, who commands them; drawn and analysed.
//!
//! ```text
//! aggregate ──events──▶ projector
//!     ▲   └──events──▶ saga ──commands──▶ aggregate
//! ```

mod analyse;

use std::fmt::Write;

use angzarr_config::boot::Mode;

use crate::model::{Component, Key, Role, StoreKey, System};

pub use analyse::{analyse, unheard};

/// Draws a system as a Mermaid flowchart, with the findings as comments above it.
pub fn draw(system: &System) -> String {
    let mut text = String::new();
    for finding in analyse(system) {
        line(&mut text, &format!("%% {finding}"));
    }
    line(&mut text, "flowchart LR");
    for (index, store) in system.stores.keys().enumerate() {
        let StoreKey { namespace, name } = store;
        let title = format!("EventStore {namespace}/{name}");
        line(&mut text, &format!("  subgraph store{index}[\"{title}\"]"));
        for (key, component) in &system.components {
            if component.store == *store {
                line(&mut text, &format!("    {}", node(key, &component.role)));
            }
        }
        line(&mut text, "  end");
    }
    for (key, component) in &system.components {
        for edge in edges(system, key, component) {
            line(&mut text, &format!("  {edge}"));
        }
    }
    text
}

fn line(text: &mut String, line: &str) {
    // Writing into a String does not fail.
    let _ = writeln!(text, "{line}");
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

/// What a component reads, and what it commands. A thick line is one that callers can wait for.
fn edges(system: &System, key: &Key, component: &Component) -> Vec<String> {
    let arrow = match component.role {
        Role::Projector {
            mode: Mode::Sync, ..
        }
        | Role::Saga {
            mode: Mode::Sync, ..
        } => "==>",
        Role::Aggregate { .. } | Role::Projector { .. } | Role::Saga { .. } => "-->",
    };
    let owner = |domain: &str| system.index.owner(&component.store, domain).map(id);
    let mut edges = Vec::new();
    for source in component.reads().iter().flat_map(|reads| &reads.sources) {
        if let Some(owner) = owner(&source.domain) {
            let types = short_names(&source.event_types);
            edges.push(format!("{owner} {arrow}{types} {}", id(key)));
        }
    }
    for target in component.targets() {
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
    let short: Vec<_> = types.iter().map(|name| short_name(name)).collect();
    format!("|{}|", short.join("<br/>"))
}

/// A type without its package.
fn short_name(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}
