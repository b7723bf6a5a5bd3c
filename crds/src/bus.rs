//! What carries events from aggregates to their readers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Connection, Duration, SecretRef, rules};

/// The bus: a type, the block of that type, and who declares its topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::bus)]
pub struct Bus {
    /// The kind of bus: direct (readers subscribe to the sidecars that own the events, no broker),
    /// rabbitmq, kafka or nats. Required, cannot change. Example: `direct`.
    #[serde(rename = "type")]
    pub type_: BusType,

    /// Settings for type direct. Default: `{}`. Example: `{}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<Direct>,

    /// Settings for type rabbitmq, required with it. No default.
    /// Example: `{connection: {secretRef: {name: shop-rabbit}}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rabbitmq: Option<Rabbitmq>,

    /// Settings for type kafka, required with it. No default.
    /// Example: `{connection: {secretRef: {name: shop-kafka}}, partitions: 24}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka: Option<Kafka>,

    /// Settings for type nats, required with it. No default.
    /// Example: `{connection: {secretRef: {name: shop-nats}}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nats: Option<Nats>,

    /// Who declares queues, topics and streams on the broker: Operator with the admin
    /// credentials, Coordinator (each sidecar what it needs), or External (not Angzarr; the
    /// topology is only checked). Default: Operator if adminSecretRef is set, else Coordinator.
    /// Example: `External`.
    // As an optional enum it would be documented by the enum's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Management")]
    pub management: Option<Management>,

    /// The Secret with credentials that may declare topology; sidecars never get it. Required
    /// with management Operator. Default: unset. Example: `{name: rabbit-admin}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_secret_ref: Option<SecretRef>,

    /// How often the topology is checked on the broker. Default: unset. Example: `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_interval: Option<Duration>,
}

/// The kinds of bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BusType {
    /// From sidecar to sidecar.
    Direct,
    /// RabbitMQ.
    Rabbitmq,
    /// Kafka, or a broker with its protocol.
    Kafka,
    /// NATS JetStream.
    Nats,
}

/// Who declares topology on a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Management {
    /// The operator, with admin credentials.
    Operator,
    /// Each sidecar, with its own credentials.
    Coordinator,
    /// Not Angzarr.
    External,
}

/// Settings of the direct bus; there are none yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Direct {}

/// A RabbitMQ broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rabbitmq {
    /// How to reach the broker. Required. Example: `{secretRef: {name: shop-rabbit}}`.
    pub connection: Connection,

    /// The prefix of the names of all exchanges and queues. Default: `angzarr`. Example: `shop`.
    #[serde(default = "prefix")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z0-9_.-]+$"))]
    pub prefix: String,

    /// How many queues the roots of one consumer are spread over, which is also how many replicas
    /// of it can work at once. Default: 4. Example: `16`.
    #[serde(default = "queues")]
    #[schemars(range(min = 1, max = 256))]
    pub queues: u16,
}

/// A Kafka cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kafka {
    /// How to reach the brokers; the key `uri` lists them, separated by commas. Required.
    /// Example: `{secretRef: {name: shop-kafka, keys: {uri: bootstrap}}}`.
    pub connection: Connection,

    /// The prefix of the names of all topics. Default: `angzarr`. Example: `shop`.
    #[serde(default = "prefix")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z0-9_.-]+$"))]
    pub prefix: String,

    /// How many partitions a new topic gets. Default: 12. Example: `24`.
    #[serde(default = "partitions")]
    #[schemars(range(min = 1, max = 1024))]
    pub partitions: u16,

    /// How many copies the brokers keep of each event. Default: 3. Example: `1`.
    #[serde(default = "copies")]
    #[schemars(range(min = 1, max = 9))]
    pub replication_factor: u16,
}

/// A NATS server with JetStream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Nats {
    /// How to reach the servers. Required. Example: `{secretRef: {name: shop-nats}}`.
    pub connection: Connection,

    /// The prefix of the names of all streams and subjects. Default: `angzarr`. Example: `shop`.
    #[serde(default = "prefix")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z0-9_-]+$"))]
    pub prefix: String,

    /// How many copies the servers keep of each event. Default: 3. Example: `1`.
    #[serde(default = "copies")]
    #[schemars(range(min = 1, max = 5))]
    pub replicas: u16,
}

fn prefix() -> String {
    "angzarr".to_owned()
}

fn queues() -> u16 {
    4
}

fn partitions() -> u16 {
    12
}

fn copies() -> u16 {
    3
}
