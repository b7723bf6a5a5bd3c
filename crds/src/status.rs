//! What the operator reports.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator reports about a component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ComponentStatus {
    /// The generation that was reconciled last. Default: -1, not reconciled yet. Example: `3`.
    pub observed_generation: i64,

    /// The conditions, by type; `Ready` names in its own
    /// observedGeneration the generation that serves. Default: empty.
    /// Example: `[{type: Ready, status: "True", reason: Serving}]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,

    /// The identity that the component's store was given once, here only with SQLite, where each
    /// component has a store of its own. Default: unset until it is known.
    /// Example: `0f8fad5b-d9cb-469f-a165-70867728950e`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub store_id: Option<String>,

    /// Where clients reach the component inside the cluster. Default: unset until there is a
    /// Service. Example: `order-agg.shop.svc:9000`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub address: Option<String>,

    /// The label selector of the component's pods, for the scale subresource. Default: unset
    /// until there are pods. Example: `angzarr.io/kind=Aggregate,angzarr.io/component=order`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub selector: Option<String>,

    /// How many pods there are, for the scale subresource. Default: 0. Example: `3`.
    #[schemars(range(min = 0))]
    pub replicas: i32,

    /// Ready and wanted pods, for the column. Default: unset. Example: `2/3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub pods: Option<String>,

    /// The source domains, for the column; unset for an aggregate. Default: unset.
    /// Example: `cart,order`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub sources: Option<String>,

    /// About how many events a consumer is behind, rounded to powers of ten so that the status changes rarely;
    /// unset for an aggregate. Default: unset. Example: `<10`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub lag: Option<String>,
}

impl Default for ComponentStatus {
    fn default() -> Self {
        Self {
            observed_generation: -1,
            conditions: Vec::new(),
            store_id: None,
            address: None,
            selector: None,
            replicas: 0,
            pods: None,
            sources: None,
            lag: None,
        }
    }
}

/// What the operator reports about an EventStore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EventStoreStatus {
    /// The generation that was reconciled last. Default: -1, not reconciled yet. Example: `3`.
    pub observed_generation: i64,

    /// The conditions, by type. Default: empty.
    /// Example: `[{type: SchemaReady, status: "True", reason: Migrated}]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,

    /// The identity that the store was given once; a sidecar refuses a store with another one. The annotation
    /// `angzarr.io/store-id` of the EventStore sets it to another one.
    /// Default: unset until it is known, and with SQLite, where each component has its own.
    /// Example: `0f8fad5b-d9cb-469f-a165-70867728950e`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub store_id: Option<String>,

    /// What the tables were last prepared for: a hash over the storage, the policy and the sidecar's image. Another one
    /// is prepared by a Job first. Default: unset until a Job has completed. Example: `3c9d1f02ab`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub prepared: Option<String>,

    /// The components that use this store, in order of their names, the first 100.
    /// Default: empty. Example: `[{kind: Aggregate, namespace: shop, name: order}]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub used_by: Vec<UsedBy>,

    /// How many components use this store, also beyond the first 100. Default: 0. Example: `7`.
    #[schemars(range(min = 0))]
    pub components: i32,
}

impl Default for EventStoreStatus {
    fn default() -> Self {
        Self {
            observed_generation: -1,
            conditions: Vec::new(),
            store_id: None,
            prepared: None,
            used_by: Vec::new(),
            components: 0,
        }
    }
}

/// A component that uses a store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsedBy {
    /// The kind of the component. Required. Example: `Saga`.
    #[schemars(length(max = 63))]
    pub kind: String,

    /// The namespace of the component. Required. Example: `shop`.
    #[schemars(length(max = 63))]
    pub namespace: String,

    /// The name of the component. Required. Example: `loyalty-earn`.
    #[schemars(length(max = 253))]
    pub name: String,
}
