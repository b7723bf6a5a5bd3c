//! What is said of stores: their tables, their identity, and who may use them.

use super::Type::{Ready, Reconciling, ReferencesResolved, SchemaReady, Stalled};
use super::Value::{False, True};
use super::{Entry, fine, trouble};

pub(super) const MIGRATED: Entry = fine(
    &[(SchemaReady, True)],
    "A Job has made or migrated the tables.",
);
pub(super) const VERIFIED: Entry = fine(
    &[(SchemaReady, True)],
    "A Job has found the tables as the sidecars need them.",
);
pub(super) const SCHEMA_PENDING: Entry = trouble(
    &[(Reconciling, True), (SchemaReady, False), (Ready, False)],
    "The Job that prepares the tables has not completed. Sidecars that find their tables work nevertheless; the others wait.",
    "Wait. If it takes long, look at the Job that the message names with `kubectl describe job` and at its pod: the Secret of the connection may be missing, or the server away. Delete the Job to have it run again at once.",
);
pub(super) const SCHEMA_OUTDATED: Entry = trouble(
    &[(Stalled, True), (SchemaReady, False)],
    "The tables are missing or too old, and `schema.policy` lets nothing change them. Sidecars that need them wait.",
    "Apply them with the command in the message, or set `spec.schema.policy` to Auto. The Job looks again by itself, within five minutes, and at once if you delete it.",
);
pub(super) const SCHEMA_FAILED: Entry = trouble(
    &[(Stalled, True), (SchemaReady, False)],
    "The tables could not be prepared, for the reason in the message.",
    "Mend what the message says, such as a right that the user of the connection lacks. The Job tries again by itself, within five minutes, and at once if you delete it.",
);
pub(super) const STORE_IDENTITY_CHANGED: Entry = trouble(
    &[(Stalled, True)],
    "The connection leads to another store than the one that `status.storeId` of the EventStore names, or to none. No sidecar that starts works with it.",
    "Correct the Secret of the connection. If the other store is meant, set the annotation `angzarr.io/store-id` of the EventStore to its id.",
);

pub(super) const REFERENCE_NOT_PERMITTED: Entry = trouble(
    &[(Stalled, True), (ReferencesResolved, False)],
    "The EventStore is in another namespace and does not allow this one. Pods that run go on as they are; nothing of the component is applied, and no other component of the store knows it.",
    "Ask whoever provides the EventStore to add the namespace to its `spec.allowedNamespaces`, as the message says.",
);
pub(super) const NAMESPACE_NOT_WATCHED: Entry = trouble(
    &[(Stalled, True), (ReferencesResolved, False)],
    "The operator looks at one namespace only, so neither stores elsewhere nor components elsewhere are known to it. Of an EventStore that allows other namespaces only ReferencesResolved says so, and its own namespace is served.",
    "Install the operator with `scope: cluster`, or keep an EventStore and its components in one namespace.",
);
