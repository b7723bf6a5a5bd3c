//! What `kubectl get` shows of each kind.

use serde_json::{Value, json};

use crate::Kind;

const DOMAIN: Column = ("Domain", "string", ".spec.domain");
const SOURCES: Column = ("Sources", "string", ".status.sources");
const STORAGE: Column = ("Storage", "string", ".spec.storage.type");
const BUS: Column = ("Bus", "string", ".spec.bus.type");
const READY: Column = (
    "Ready",
    "string",
    r#".status.conditions[?(@.type=="Ready")].status"#,
);
const REASON: Column = (
    "Reason",
    "string",
    r#".status.conditions[?(@.type=="Ready")].reason"#,
);
const PODS: Column = ("Pods", "string", ".status.pods");
const STORE: Column = ("Store", "string", ".spec.eventStoreRef.name");
const LAG: Column = ("Lag", "string", ".status.lag");
const USED_BY: Column = ("Used By", "integer", ".status.components");
const AGE: Column = ("Age", "date", ".metadata.creationTimestamp");

/// Heading, type and place of a value.
type Column = (&'static str, &'static str, &'static str);

/// The columns of a kind, as a definition has them.
pub(crate) fn columns(kind: Kind) -> Value {
    let columns: &[Column] = match kind {
        Kind::EventStore => &[STORAGE, BUS, READY, REASON, USED_BY, AGE],
        Kind::Aggregate => &[DOMAIN, READY, REASON, PODS, STORE, AGE],
        Kind::Projector | Kind::Saga => &[SOURCES, READY, REASON, PODS, STORE, LAG, AGE],
        Kind::ProcessManager => &[DOMAIN, SOURCES, READY, REASON, PODS, STORE, LAG, AGE],
    };
    let columns = columns
        .iter()
        .map(|(name, shape, path)| json!({ "name": name, "type": shape, "jsonPath": path }));
    Value::Array(columns.collect())
}
