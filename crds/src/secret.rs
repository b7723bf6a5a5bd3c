//! References to Secrets. A resource never contains a secret value.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::form;

/// A Secret in the resource's own namespace, with the names of its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// The name of the Secret. Required. Example: `orders-db-app`.
    #[schemars(length(min = 1, max = 253), regex(pattern = form::DNS_SUBDOMAIN))]
    pub name: String,

    /// Which key of the Secret holds what. Only needed where the keys are called otherwise than
    /// database operators and service bindings call them. Default: the usual names of each part.
    /// Example: `{uri: DATABASE_URL}`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub keys: SecretKeys,
}

/// The names of keys in a Secret; each has the names that are looked for without it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretKeys {
    /// The key with a whole connection URI; it wins over the parts. Default: `uri`, then `url`.
    /// Example: `fqdn-uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = form::DATA_KEY))]
    pub uri: Option<String>,

    /// The key with the host name. Default: `host`. Example: `endpoint`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = form::DATA_KEY))]
    pub host: Option<String>,

    /// The key with the port. Default: `port`, and the server's usual port if there is none.
    /// Example: `db-port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = form::DATA_KEY))]
    pub port: Option<String>,

    /// The key with the user's name. Default: `username`, then `user`. Example: `login`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = form::DATA_KEY))]
    pub username: Option<String>,

    /// The key with the password. Default: `password`. Example: `token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = form::DATA_KEY))]
    pub password: Option<String>,

    /// The key with the name of the database. Default: `dbname`, then
    /// `database`. Example: `db`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = form::DATA_KEY))]
    pub database: Option<String>,

    /// The key with the certificate of the authority that signed the server's certificate.
    /// Default: `ca.crt`. Example: `root.pem`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = form::DATA_KEY))]
    pub ca: Option<String>,
}

/// How to reach a server and with which credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// The Secret with address and credentials, as a whole URI or in parts. Required. Sidecars
    /// read it as files and notice when it changes. Example: `{name: orders-db-app}`.
    pub secret_ref: SecretRef,
}

/// A Secret whose keys have fixed names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamedSecretRef {
    /// The name of the Secret. Required. Example: `angzarr-peer-tls`.
    #[schemars(length(min = 1, max = 253), regex(pattern = form::DNS_SUBDOMAIN))]
    pub name: String,
}
