//! What the pods of a workload that exists get when they are admitted: a PodTemplate, which runs nothing.
//!
//! # Design
//! Whoever injects reads it, a policy of the API server or the operator's webhook. It is a PodTemplate since an expression of a policy cannot read JSON
//! out of a ConfigMap. Its annotation `angzarr.io/injection` names component and content; the same text on the user's workload rolls its pods, and on a
//! pod it says what was injected.

use std::collections::BTreeMap;

use angzarr_crds::Metadata;
use k8s_openapi::api::core::v1::{PodTemplate, PodTemplateSpec};
use serde_json::{Map, Value, json};

use super::pod::{self, Bare, plain};
use super::{Scope, config, names, sidecar};
use crate::model::Existing;

/// Plans it. The container stands in for the logic: an API server wants one, and it carries what is added to the logic.
pub(super) fn build(scope: &Scope, existing: &Existing, boot: &str) -> Value {
    let container = existing.container.as_deref().unwrap_or("logic");
    // Namespaces with a profile of the Pod Security Standards warn of PodTemplates that do not keep it.
    let stand_in = json!([{
        "name": container,
        "image": scope.installation.sidecar_image,
        "securityContext": plain(&sidecar::restricted()),
    }]);
    let asked = names::injection(scope.key);
    let own = Metadata {
        labels: BTreeMap::from([(names::INJECT.to_owned(), asked.clone())]),
        annotations: BTreeMap::new(),
    };
    let bare = Bare {
        metadata: &own,
        spec: Map::from_iter([("containers".to_owned(), stand_in)]),
        logic: 0,
        has_token: true,
    };
    let mut template = pod::build(scope, bare, boot);
    // Labels that the resource gives all objects win over those of the pod.
    template["metadata"]["labels"][names::INJECT] = asked.clone().into();
    let mut metadata = scope.metadata(scope.key.base_name());
    let labels = metadata.labels.get_or_insert_default();
    labels.insert(names::INJECT.to_owned(), asked);
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.remove(names::CONTAINER);
    if let Some(container) = &existing.container {
        annotations.insert(names::CONTAINER.to_owned(), container.clone());
    }
    let mut whole = plain(&PodTemplate {
        metadata,
        template: Some(PodTemplateSpec::default()),
    });
    whole["template"] = template;
    stamp(&mut whole);
    whole
}

/// Names component and content in it; does nothing to another workload.
pub(super) fn stamp(workload: &mut Value) {
    let metadata = &workload["metadata"];
    let label = metadata["labels"][names::INJECT].as_str();
    let Some(asked) = label.filter(|_| workload["kind"] == "PodTemplate") else {
        return;
    };
    let container = &metadata["annotations"][names::CONTAINER];
    let hash = config::hash(&(container, &workload["template"]));
    let stamp = names::stamp(asked, &hash);
    workload["metadata"]["annotations"][names::INJECTION] = stamp.into();
}
