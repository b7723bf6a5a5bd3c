//! The directory: who owns which domain of an EventStore. All sidecars of a namespace read the same one, so that each is a gateway.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::endpoint::Endpoint;
use crate::parse::{self, Error};
use crate::routing::{SCHEMA_VERSION, check_version};

/// Who owns which domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Directory {
    /// The version of the document; this release reads 1.
    pub schema_version: u32,
    /// The domains, with the gRPC endpoints of the sidecars that own them.
    #[serde(default)]
    pub owners: BTreeMap<String, Vec<Endpoint>>,
    /// The id of the store, once it is known; default is any. A sidecar that finds another one does not work with it.
    #[serde(default)]
    pub store_id: Option<Uuid>,
}

impl Default for Directory {
    /// Without owners.
    fn default() -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            owners: BTreeMap::new(),
            store_id: None,
        }
    }
}

impl Directory {
    /// Reads a directory from YAML or JSON.
    ///
    /// # Errors
    /// [`Error`] names every unknown key, or the first value that is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let directory: Self = parse::read(text)?;
        check_version(directory.schema_version)?;
        Ok(directory)
    }
}
