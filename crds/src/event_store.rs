//! The EventStore: where events live and how they travel.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Bus, Connection, Delivery, EventStoreStatus, NamedSecretRef, rules};

/// Where events live and how they travel; components refer to it by name.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "angzarr.io",
    version = "v1alpha1",
    kind = "EventStore",
    plural = "eventstores",
    shortname = "evs",
    category = "angzarr",
    namespaced,
    status = "EventStoreStatus",
    derive = "PartialEq",
    doc = "Where events live and how they travel. Components refer to it by name; deleting it deletes no event."
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::store_identity)]
pub struct EventStoreSpec {
    /// The database that holds the events. Required; what identifies it cannot change later.
    /// Example: `{type: postgres, postgres: {connection: {secretRef: {name: shop-db}}}}`.
    pub storage: Storage,

    /// What carries events from aggregates to their readers. Required; its type cannot change.
    /// Example: `{type: direct}`.
    pub bus: Bus,

    /// Encryption between sidecars. Default: none, traffic is plaintext.
    /// Example: `{peerSecretRef: {name: shop-peers}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,

    /// Who creates and migrates the tables. Default: Angzarr itself. Example: `{policy: Auto}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub schema: SchemaSettings,

    /// How events are delivered to consumers without settings of their own. Default: that of each
    /// field. Example: `{maxAttempts: 10}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub delivery: Delivery,

    /// The namespaces whose components may use this store. Default: its own only.
    /// Example: `{from: Same}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub allowed_namespaces: AllowedNamespaces,

    /// Marks the database as restored from a backup, so that readers which are ahead of it stop
    /// with an explanation. Default: never restored. Example: `{token: "2026-01-31"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
}

/// The database: a type, and the block of that type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::storage)]
pub struct Storage {
    /// The kind of database: sqlite (each component has a file of its own), postgres, mongodb or
    /// redis (all components share one server). Required, cannot change. Example: `postgres`.
    #[serde(rename = "type")]
    pub type_: StorageType,

    /// Settings for type sqlite; the volume is set in each component. Default: `{}`.
    /// Example: `{}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqlite: Option<Sqlite>,

    /// Settings for type postgres, required with it. No default.
    /// Example: `{connection: {secretRef: {name: shop-db}}, schema: events}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<Postgres>,

    /// Settings for type mongodb, required with it. No default.
    /// Example: `{connection: {secretRef: {name: shop-mongo}}, database: events}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mongodb: Option<Mongodb>,

    /// Settings for type redis, required with it. No default.
    /// Example: `{connection: {secretRef: {name: shop-redis}}, prefix: events}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<Redis>,
}

/// The kinds of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StorageType {
    /// A file for each component.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MongoDB, or a database with its protocol.
    Mongodb,
    /// Redis with persistence.
    Redis,
}

/// Settings of SQLite; there are none yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sqlite {}

/// A PostgreSQL database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Postgres {
    /// How to reach the server. Required. Example: `{secretRef: {name: shop-db}}`.
    pub connection: Connection,

    /// The database on the server. Cannot change. Default: the one that the Secret names.
    /// Example: `shop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub database: Option<String>,

    /// The schema that holds the tables. Cannot change. Default: `angzarr`. Example: `events`.
    #[serde(default = "angzarr")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z_][a-z0-9_]*$"))]
    pub schema: String,
}

/// A MongoDB database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mongodb {
    /// How to reach the server or replica set. Required.
    /// Example: `{secretRef: {name: shop-mongo}}`.
    pub connection: Connection,

    /// The database that holds the collections. Cannot change. Default: `angzarr`.
    /// Example: `events`.
    #[serde(default = "angzarr")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z0-9_-]+$"))]
    pub database: String,
}

/// A Redis database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Redis {
    /// How to reach the server. Required. Example: `{secretRef: {name: shop-redis}}`.
    pub connection: Connection,

    /// The prefix of all keys. Cannot change. Default: `angzarr`. Example: `events`.
    #[serde(default = "angzarr")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z0-9_.:-]+$"))]
    pub prefix: String,
}

fn angzarr() -> String {
    "angzarr".to_owned()
}

/// Encryption between sidecars.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// A Secret with tls.crt and tls.key, in the namespace of each component; with ca.crt too,
    /// both sides authenticate each other. Required. Example: `{name: shop-peers}`.
    pub peer_secret_ref: NamedSecretRef,
}

/// Who manages tables and indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SchemaSettings {
    /// Auto creates and migrates the tables, by a Job of the operator and by any sidecar that needs them. Verify lets a
    /// Job check them and report what is missing, and no sidecar changes them. External runs no Job, and no sidecar
    /// changes them either. A sidecar that finds its tables missing or too old waits for them. SQLite files always
    /// migrate when they are opened. Default: Auto. Example: `Verify`.
    pub policy: SchemaPolicy,
}

/// How tables are managed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SchemaPolicy {
    /// Created and migrated.
    #[default]
    Auto,
    /// Checked.
    Verify,
    /// Not checked.
    External,
}

/// Whose components may use a store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = rules::allowed_namespaces)]
pub struct AllowedNamespaces {
    /// Same allows the store's own namespace, All every namespace, Selector those whose labels
    /// match the selector. Default: Same. Example: `All`.
    pub from: AllowedFrom,

    /// Which namespaces are allowed, by their labels. Only with from Selector, which needs it. No
    /// default. Example: `{matchLabels: {team: checkout}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// How allowed namespaces are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AllowedFrom {
    /// The store's own.
    #[default]
    Same,
    /// Every one.
    All,
    /// By labels.
    Selector,
}

/// A restore from a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// Any text; a new text means that the database was restored again. Required.
    /// Example: `2026-01-31`.
    #[schemars(length(min = 1, max = 63))]
    pub token: String,
}
