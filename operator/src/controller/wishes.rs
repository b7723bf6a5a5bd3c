//! What people ask of the operator by annotations of a resource.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Stops all writes to the objects of the resource while it is `true`.
const PAUSED: &str = "angzarr.io/paused";
/// Another value than before asks for a look at each object of the resource, whatever is known of it.
const REQUESTED_AT: &str = "angzarr.io/requested-at";

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) is_paused: bool,
    requested_at: Option<String>,
}

impl Wishes {
    /// Reads the annotations of a resource.
    pub(super) fn read(metadata: &ObjectMeta) -> Self {
        let annotation = |name: &str| metadata.annotations.as_ref()?.get(name);
        Self {
            is_paused: annotation(PAUSED).is_some_and(|it| it == "true"),
            requested_at: annotation(REQUESTED_AT).cloned(),
        }
    }

    /// Whether a look was asked for since.
    pub(super) fn asks_since(&self, before: &Self) -> bool {
        self.requested_at.is_some() && self.requested_at != before.requested_at
    }
}
