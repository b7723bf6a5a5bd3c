//! What pods need besides themselves: an identity, a volume and a PodMonitor.

use std::collections::BTreeMap;

use angzarr_crds::{AccessMode, Switch};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, ServiceAccount, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::{Value, json};

use super::pod::plain;
use super::workload::has_own_account;
use super::{Scope, names};
use crate::model::{Storage, Workload};

/// An account without a token, unless the pods name one of their own.
pub(super) fn build_service_account(scope: &Scope) -> Option<ServiceAccount> {
    let is_wanted = match &scope.component.workload {
        Workload::Template(template) => !has_own_account(&template.spec),
        Workload::Existing(_) => false,
    };
    is_wanted.then(|| ServiceAccount {
        metadata: scope.metadata(scope.key.base_name()),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    })
}

/// The claim of the volume with the component's file.
pub(super) fn build_volume(scope: &Scope) -> Option<PersistentVolumeClaim> {
    match scope.store.storage {
        Storage::File => {}
        Storage::Server(_) => return None,
    }
    let declared = &scope.component.volume;
    Some(PersistentVolumeClaim {
        metadata: scope.metadata(names::data(scope.key)),
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec![access_mode(declared.access_mode).to_owned()]),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([(
                    "storage".to_owned(),
                    Quantity(declared.size.0.clone()),
                )])),
                ..VolumeResourceRequirements::default()
            }),
            storage_class_name: declared.storage_class_name.clone(),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    })
}

fn access_mode(mode: AccessMode) -> &'static str {
    match mode {
        AccessMode::ReadWriteOnce => "ReadWriteOnce",
        AccessMode::ReadWriteOncePod => "ReadWriteOncePod",
    }
}

/// How Prometheus finds the pods, where the cluster knows that kind.
pub(super) fn build_pod_monitor(scope: &Scope) -> Option<Value> {
    let is_wanted = match scope.component.monitoring.pod_monitor {
        Switch::Auto => scope.installation.has_pod_monitors,
        Switch::Disabled => false,
    };
    is_wanted.then(|| {
        json!({
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PodMonitor",
            "metadata": plain(&scope.metadata(scope.key.base_name())),
            "spec": {
                "selector": plain(&names::label_selector(scope.key)),
                "podMetricsEndpoints": [{
                    "port": "admin",
                    "path": "/metrics",
                    "interval": scope.component.monitoring.interval.to_string(),
                }],
            },
        })
    })
}
