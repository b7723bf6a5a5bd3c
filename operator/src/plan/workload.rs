//! The pods: a Deployment of ours, or what is injected into the pods of a workload that exists.

use angzarr_crds::Strategy;
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Map, Value};

use super::pod::{self, Bare, plain, set_absent};
use super::{Scope, injection, names};
use crate::model::{Scale, Storage, Template, Workload};

/// Plans the pods, which read the boot document of the given ConfigMap. They are JSON, since the user's part may hold what no type here knows.
pub(super) fn build(scope: &Scope, boot: &str) -> Value {
    match &scope.component.workload {
        Workload::Template(template) => build_deployment(scope, template, boot),
        Workload::Existing(existing) => injection::build(scope, existing, boot),
    }
}

fn build_deployment(scope: &Scope, template: &Template, boot: &str) -> Value {
    let mut spec = template.spec.clone();
    let has_token = take_account(scope, &mut spec);
    pod::spread(scope, &mut spec);
    let bare = Bare {
        metadata: &template.metadata,
        spec,
        logic: template.logic,
        has_token,
    };
    let rollout = &scope.component.rollout;
    let deployment = Deployment {
        metadata: scope.metadata(scope.key.base_name()),
        spec: Some(DeploymentSpec {
            replicas: match scope.component.scale {
                Scale::Fixed(pods) => Some(pods),
                // An autoscaler owns the number.
                Scale::Auto(_) => None,
            },
            selector: names::label_selector(scope.key),
            strategy: Some(build_strategy(scope)),
            // An API server drops a zero, which a plain `kubectl apply` would then set again and again.
            min_ready_seconds: Some(rollout.min_ready_seconds).filter(|seconds| *seconds > 0),
            progress_deadline_seconds: Some(rollout.progress_deadline_seconds),
            revision_history_limit: Some(rollout.revision_history_limit),
            template: PodTemplateSpec::default(),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    };
    let mut whole = plain(&deployment);
    whole["spec"]["template"] = pod::build(scope, bare, boot);
    whole
}

/// Gives the pods the account without a token, unless they have one of their own; returns whether they get the token of that.
fn take_account(scope: &Scope, spec: &mut Map<String, Value>) -> bool {
    if has_own_account(spec) {
        return spec.get("automountServiceAccountToken") != Some(&Value::Bool(false));
    }
    set_absent(spec, "serviceAccountName", scope.key.base_name().into());
    spec.insert("automountServiceAccountToken".to_owned(), false.into());
    false
}

/// Whether pods name an account, by the field of today or the one of before.
pub(super) fn has_own_account(spec: &Map<String, Value>) -> bool {
    ["serviceAccountName", "serviceAccount"]
        .iter()
        .any(|key| spec.get(*key).is_some_and(|account| !account.is_null()))
}

fn build_strategy(scope: &Scope) -> DeploymentStrategy {
    let strategy = match scope.store.storage {
        // The file has one user.
        Storage::File => Strategy::Recreate,
        Storage::Server(_) => scope.component.rollout.strategy,
    };
    match strategy {
        Strategy::Recreate => DeploymentStrategy {
            type_: Some("Recreate".to_owned()),
            rolling_update: None,
        },
        Strategy::RollingUpdate => DeploymentStrategy {
            type_: Some("RollingUpdate".to_owned()),
            rolling_update: Some(RollingUpdateDeployment {
                max_unavailable: Some(IntOrString::Int(0)),
                max_surge: Some(IntOrString::String("25%".to_owned())),
            }),
        },
    }
}
