//! What resources can say and nothing does yet: one table, which descriptions are marked by and resources refused by.
//!
//! # Design
//!
//! A field, a word or a kind that is not built is refused instead of ignored, so that nobody relies on it. A field that must be left out has no default
//! in the schema, since an API server would write it into resources; one that accepts its default does what the default says.

mod mark;

use std::fmt;

use angzarr_config::Mistake;
use serde_json::Value;

use crate::{Kind, schema};

pub(crate) use mark::mark;

/// Begins the description of everything that is not built.
pub const NOT_BUILT: &str = "Not built yet: ";

/// A field, some words of a field or a kind that is not built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unbuilt {
    /// The kinds that have the field.
    pub kinds: &'static [Kind],
    /// The path of the field; empty for the whole kind.
    pub field: &'static str,
    /// What works already.
    pub accepted: Accepted,
    /// What happens until it is built, where that is no matter of course.
    pub meanwhile: &'static str,
}

/// What can be written in a field that is not wholly built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// The field must be left out.
    Nothing,
    /// The default, which acts.
    Default,
    /// Some of its words.
    Words(&'static [&'static str]),
    /// Everything, though it has not all of its effect.
    Everything,
}

use Accepted::{Default, Everything, Nothing, Words};

const STORE: &[Kind] = &[Kind::EventStore];
const AGGREGATE: &[Kind] = &[Kind::Aggregate];
const PROJECTOR: &[Kind] = &[Kind::Projector];
const SAGA: &[Kind] = &[Kind::Saga];
const PROCESS_MANAGER: &[Kind] = &[Kind::ProcessManager];
const COMPONENTS: &[Kind] = &Kind::COMPONENTS;
const CONSUMERS: &[Kind] = &Kind::CONSUMERS;

/// Everything that is not built.
#[rustfmt::skip]
pub const UNBUILT: &[Unbuilt] = &[
    row(PROCESS_MANAGER, "", Nothing, ""),
    row(STORE, "spec.storage.type", Words(&["sqlite", "postgres"]), ""),
    row(STORE, "spec.bus.type", Words(&["direct"]), ""),
    row(STORE, "spec.bus.management", Nothing, ""),
    row(STORE, "spec.bus.adminSecretRef", Nothing, ""),
    row(STORE, "spec.bus.verifyInterval", Nothing, ""),
    row(STORE, "spec.tls", Nothing, "traffic between sidecars is plaintext"),
    row(STORE, "spec.restore", Nothing, ""),
    row(AGGREGATE, "spec.snapshots.everyEvents", Nothing, "snapshots that the logic returns are kept"),
    row(AGGREGATE, "spec.snapshots.keep", Default, ""),
    row(AGGREGATE, "spec.concurrency.mergeStrategy", Words(&["Strict"]), "a command can name AggregateHandles itself"),
    row(AGGREGATE, "spec.sync.allow", Nothing, "None and Simple are allowed, and Cascade returns UNIMPLEMENTED"),
    row(AGGREGATE, "spec.sync.maxCascadeDepth", Nothing, "Cascade returns UNIMPLEMENTED"),
    row(AGGREGATE, "spec.limits.maxCommandBytes", Default, ""),
    row(AGGREGATE, "spec.limits.commandTimeout", Default, "a caller can set a shorter deadline"),
    row(AGGREGATE, "spec.upcaster", Nothing, ""),
    row(AGGREGATE, "spec.contract.commands", Everything, "nothing reads it"),
    row(AGGREGATE, "spec.contract.descriptorRef", Nothing, ""),
    row(PROJECTOR, "spec.rebuild", Nothing, ""),
    row(SAGA, "spec.mode", Words(&["Async"]), ""),
    row(SAGA, "spec.compensation", Nothing, "a refused command is parked with its refusal"),
    row(SAGA, "spec.timeouts.prepare", Nothing, ""),
    row(CONSUMERS, "spec.startFrom.type", Words(&["Beginning", "Now"]), ""),
    row(CONSUMERS, "spec.lagThreshold", Nothing, ""),
    row(COMPONENTS, "spec.eventStoreRef.busSecretRef", Nothing, ""),
    row(COMPONENTS, "spec.logic.protocol", Words(&["Auto", "Unary"]), "Auto acts as Unary"),
    row(COMPONENTS, "spec.logic.startupTimeout", Nothing, "a pod whose logic never serves is not restarted for it"),
    row(COMPONENTS, "spec.sidecar.otel", Nothing, ""),
    row(COMPONENTS, "spec.monitoring.alerts", Nothing, "no alert rules are created"),
];

const fn row(
    kinds: &'static [Kind],
    field: &'static str,
    accepted: Accepted,
    meanwhile: &'static str,
) -> Unbuilt {
    Unbuilt {
        kinds,
        field,
        accepted,
        meanwhile,
    }
}

/// The rows of a kind.
fn rows(kind: Kind) -> impl Iterator<Item = &'static Unbuilt> {
    UNBUILT.iter().filter(move |row| row.kinds.contains(&kind))
}

/// Refuses what a resource asks for and nothing does yet; a resource as its type writes it, so that defaults are spelled in one way.
///
/// ```
/// use angzarr_crds::{Kind, refuse_unbuilt};
/// let aggregate = serde_json::json!({ "spec": { "snapshots": { "keep": 3 } } });
/// let found = refuse_unbuilt(Kind::Aggregate, &aggregate);
/// assert_eq!(
///     found[0].to_string(),
///     "spec.snapshots.keep: is not built yet; write 1 or leave it out"
/// );
/// ```
pub fn refuse_unbuilt(kind: Kind, resource: &Value) -> Vec<Mistake> {
    if rows(kind).any(|row| row.field.is_empty()) {
        let message = format!("{kind} is not built yet; remove the resource");
        return vec![Mistake::new("", message)];
    }
    rows(kind)
        .filter_map(|row| {
            let message = row.fault(kind, resource)?;
            Some(Mistake::new(row.field, message))
        })
        .collect()
}

impl Unbuilt {
    /// What is wrong with the value of the field; `None` if it works.
    fn fault(&self, kind: Kind, resource: &Value) -> Option<String> {
        let path = self.field.split('.');
        let value = path.fold(resource, |at, name| &at[name]);
        if value.is_null() {
            return None;
        }
        match self.accepted {
            Nothing => Some(self.explain("is not built yet; leave it out")),
            Default => {
                let default = &field(schema(kind), self.field)["default"];
                let plain = default.as_str().map_or(default.to_string(), str::to_owned);
                let advice = format!("is not built yet; write {plain} or leave it out");
                (value != default).then(|| self.explain(&advice))
            }
            Words(words) => {
                let word = value.as_str()?;
                let advice = format!("{word} is not built yet; write {}", listed(words, "or"));
                (!words.contains(&word)).then(|| self.explain(&advice))
            }
            Everything => None,
        }
    }

    /// The first sentence of the field's description.
    fn note(&self, schema: &Value) -> String {
        let advice = match self.accepted {
            _ if self.field.is_empty() => "this kind is refused".to_owned(),
            Nothing => "leave it out".to_owned(),
            Default => "only the default is accepted".to_owned(),
            Words(words) => {
                let missing = missing(words, schema);
                format!("{}; write {}", listed(&missing, "and"), listed(words, "or"))
            }
            Everything => "it is accepted".to_owned(),
        };
        format!("{NOT_BUILT}{}.", self.explain(&advice))
    }

    fn explain(&self, advice: &str) -> String {
        let separator = if self.meanwhile.is_empty() { "" } else { "; " };
        format!("{advice}{separator}{}", self.meanwhile)
    }
}

/// The schema of a field.
fn field<'a>(schema: &'a Value, path: &str) -> &'a Value {
    path.split('.')
        .fold(schema, |at, name| &at["properties"][name])
}

/// The words of a schema that are not among those that work.
fn missing<'a>(words: &[&str], schema: &'a Value) -> Vec<&'a str> {
    let all = schema["enum"].as_array().into_iter().flatten();
    all.filter_map(Value::as_str)
        .filter(|word| !words.contains(word))
        .collect()
}

/// Words in a sentence: `a`, `a or b`, `a, b or c`.
fn listed(words: &[impl fmt::Display], last: &str) -> String {
    let words: Vec<_> = words.iter().map(ToString::to_string).collect();
    match words.split_last() {
        Some((end, begin)) if !begin.is_empty() => format!("{} {last} {end}", begin.join(", ")),
        _ => words.concat(),
    }
}
