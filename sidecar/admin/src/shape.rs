//! The JSON that the admin port speaks, in camel case. `angzarr-sidecar` reads it back into the same types.

use serde::{Deserialize, Serialize};

/// The answer to a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Whether it passed.
    pub ok: bool,
    /// Why it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether the sidecar is ready.
    pub ready: bool,
    /// Why it is not, a sentence each.
    pub reasons: Vec<String>,
}

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The code by its gRPC name.
    pub code: String,
    /// The sentence for the caller.
    pub error: String,
    /// Set when a root was left alone since it is not parked as the caller has seen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untouched: Option<Untouched>,
}

/// How a root differs from what the caller has seen of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Untouched {
    /// It is not parked any more.
    Gone,
    /// It is parked at another sequence.
    Changed,
}

/// The answer of `/statusz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statusz {
    /// The version of the sidecar.
    pub version: String,
    /// The id of its process.
    pub process: u32,
    /// The namespace of its components.
    pub namespace: String,
    /// Its store.
    pub store: StoreStatus,
    /// Its life.
    pub lifecycle: Life,
    /// Whether it is ready, and why not.
    pub readiness: Readiness,
    /// The routing in force; absent until its store is open.
    pub routing: Option<RoutingStatus>,
    /// What it runs; empty until its store is open.
    pub components: Vec<ComponentStatus>,
    /// Its consumers; empty until its store is open.
    pub consumers: Vec<ConsumerStatus>,
    /// The domains that its sagas command; empty until they were asked for the first time.
    #[serde(default)]
    pub targets: Vec<TargetStatus>,
}

/// A domain that sagas command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetStatus {
    /// The domain.
    pub domain: String,
    /// `reachable` or `unreachable`.
    pub state: String,
    /// Why it cannot be reached.
    pub reason: Option<String>,
}

/// Which history a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreStatus {
    /// Its id, once it is open.
    pub id: Option<String>,
    /// The id of its history, once it is open.
    pub incarnation: Option<String>,
    /// What an acknowledged write survives, once it is open: `process`, `disk` or `majority`.
    pub durability: Option<String>,
    /// Whether it answers: `opening`, `other` while there is another store where it should be, `unknown`, `reachable` or `unreachable`.
    pub state: String,
    /// Why it does not; what an opening one waits for.
    pub reason: Option<String>,
}

/// Where a sidecar is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Life {
    /// `starting`, `serving`, `draining` or `drained`.
    pub phase: String,
    /// Whether commands of clients are taken.
    pub open: bool,
}

/// The routing in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoutingStatus {
    /// Whether one was loaded.
    pub loaded: bool,
    /// The hash over its meaning.
    pub hash: String,
    /// The version of the document that it was read from.
    pub schema_version: u32,
    /// The highest version of the document that this sidecar reads.
    pub reads_schema_version: u32,
    /// Why the last document was not taken, if it was not.
    pub error: Option<String>,
}

/// A component and its logic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// `aggregate`, `projector`, `saga` or `process-manager`.
    pub kind: String,
    /// Its name; an aggregate's is its domain.
    pub name: String,
    /// Whether its logic answers: `unknown`, `reachable` or `unreachable`.
    pub logic: String,
    /// Why it does not.
    pub reason: Option<String>,
}

/// A consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerStatus {
    /// `projector`, `saga` or `process-manager`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Who acts for it: `here`, `elsewhere`, `unknown`, or `twin` for another sidecar with the address of this one.
    pub holder: String,
    /// The epoch of its lease, when it acts here.
    pub epoch: Option<u64>,
    /// The address of the sidecar that acts for it, when another does.
    pub address: Option<String>,
    /// Whether it acts, and the start of every source is stored.
    pub ready: bool,
    /// Its sources.
    pub sources: Vec<SourceStatus>,
    /// How many roots are parked.
    pub parked: u64,
    /// How many commands and facts are about to be sent.
    pub outgoing: usize,
    /// Why they wait, if they do.
    pub outgoing_waits: Option<String>,
}

/// A source of a consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// The domain.
    pub domain: String,
    /// The position where the consumer started; null before that is stored.
    pub start: Option<u64>,
    /// The position up to which everything is done.
    pub cursor: Option<u64>,
    /// The furthest position known.
    pub head: Option<u64>,
    /// How many events lie between both.
    pub lag: u64,
    /// `connecting`, `catching-up`, `live`, `paused` or `stopped`.
    pub state: String,
    /// Why it is paused or stopped.
    pub reason: Option<String>,
}

/// One page of the roots that are parked for a consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParkedPage {
    /// The consumer, as kind and name.
    pub consumer: String,
    /// The roots.
    pub roots: Vec<ParkedRoot>,
    /// What to give as `after` for the next page; null when this is the last.
    pub next: Option<String>,
}

/// A root that is parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParkedRoot {
    /// The stream as domain, edition and root, divided by slashes.
    pub stream: String,
    /// The first event of the append that failed.
    pub sequence: u32,
    /// How often the logic was asked.
    pub attempts: u32,
    /// The code of its last answer.
    pub code: String,
    /// The sentence of its last answer.
    pub error: String,
}

/// A root that was brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BroughtBack {
    /// The stream.
    pub stream: String,
    /// The sequence that the consumer handles next.
    pub next_sequence: u32,
}

/// One page of what targets refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedPage {
    /// The consumer, as kind and name.
    pub consumer: String,
    /// The refused commands and facts.
    pub refused: Vec<RefusedWork>,
    /// What to give as `after` for the next page; null when this is the last.
    pub next: Option<u64>,
}

/// A command or record that its target refused. Payloads are never shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedWork {
    /// Its id.
    pub id: String,
    /// The stream whose event caused it.
    pub trigger: String,
    /// `command` or `facts`.
    pub kind: String,
    /// The stream that it is for.
    pub target: String,
    /// The correlation id.
    pub correlation_id: String,
    /// What it holds.
    pub pages: Vec<PageSummary>,
    /// The code of the refusal.
    pub code: String,
    /// The sentence of the refusal.
    pub error: String,
}

/// One page of refused work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageSummary {
    /// The full name of its type.
    pub type_name: String,
    /// Its size in bytes.
    pub bytes: usize,
}

/// What was done with refused work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handled {
    /// The id of the work.
    pub id: String,
    /// `discarded`, or what its target replied when it was sent again.
    pub outcome: String,
}
