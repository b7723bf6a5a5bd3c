//! The user's pod with the sidecar in it. Everything the user wrote is kept, known or not; additions only fill fields that are unset.

use angzarr_crds::{Metadata, TopologySpread};
use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, EmptyDirVolumeSource,
    PersistentVolumeClaimVolumeSource, ProjectedVolumeSource, SecretVolumeSource,
    TopologySpreadConstraint, Volume, VolumeProjection,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Scope, names, sidecar, stop};
use crate::model::Storage;

/// A pod before the sidecar.
pub(super) struct Bare<'a> {
    /// Its own labels and annotations.
    pub(super) metadata: &'a Metadata,
    pub(super) spec: Map<String, Value>,
    /// The place of the logic among the containers.
    pub(super) logic: usize,
    /// Whether pods get the token of an account that is not ours.
    pub(super) has_token: bool,
}

/// The template of pods with the sidecar.
pub(super) fn build(scope: &Scope, bare: Bare, boot: &str) -> Value {
    let Bare {
        metadata,
        mut spec,
        logic,
        has_token,
    } = bare;
    let container = plain(&sidecar::build(scope, has_token));
    list(&mut spec, "initContainers").insert(0, container);
    if let Some(logic) = list(&mut spec, "containers")
        .get_mut(logic)
        .and_then(Value::as_object_mut)
    {
        equip(logic, scope.component.logic_port);
    }
    let volumes = build_volumes(scope, boot, has_token);
    list(&mut spec, "volumes").extend(volumes.iter().map(plain));
    match scope.store.storage {
        Storage::File => own_files(&mut spec),
        Storage::Server(_) => {}
    }
    let grace = stop::grace_seconds(scope.component);
    spec.insert(stop::GRACE.to_owned(), grace.into());
    json!({ "metadata": merged(scope, metadata), "spec": spec })
}

fn merged(scope: &Scope, own: &Metadata) -> Value {
    let Metadata {
        labels,
        annotations,
    } = scope.merged(own);
    if annotations.is_empty() {
        return json!({ "labels": labels });
    }
    json!({ "labels": labels, "annotations": annotations })
}

/// Spreads pods over zones and nodes, unless the user did.
pub(super) fn spread(scope: &Scope, spec: &mut Map<String, Value>) {
    let unsatisfiable = match scope.component.availability.topology_spread {
        TopologySpread::Preferred => "ScheduleAnyway",
        TopologySpread::Required => "DoNotSchedule",
        TopologySpread::Disabled => return,
    };
    if scope.component.scale.most() < 2 {
        return;
    }
    let constraint = |topology: &str| TopologySpreadConstraint {
        max_skew: 1,
        topology_key: topology.to_owned(),
        when_unsatisfiable: unsatisfiable.to_owned(),
        label_selector: Some(names::label_selector(scope.key)),
        ..TopologySpreadConstraint::default()
    };
    let constraints = [
        constraint("topology.kubernetes.io/zone"),
        constraint("kubernetes.io/hostname"),
    ];
    set_absent(spec, "topologySpreadConstraints", plain(&constraints));
}

/// The logic receives its port, and stops only after the sidecar has drained. The port comes first: Kubernetes resolves `$(PORT)` in later variables
/// only.
fn equip(logic: &mut Map<String, Value>, port: u16) {
    let env = list(logic, "env");
    if !env.iter().any(|variable| variable["name"] == "PORT") {
        env.insert(0, plain(&sidecar::variable("PORT", port.to_string())));
    }
    let lifecycle = object(logic, "lifecycle");
    set_absent(lifecycle, "preStop", plain(&sidecar::wait_for_drain()));
}

/// Gives the volume to the sidecar's group, which otherwise could not create its file.
fn own_files(spec: &mut Map<String, Value>) {
    let context = object(spec, "securityContext");
    set_absent(context, "fsGroup", sidecar::USER.into());
    set_absent(context, "fsGroupChangePolicy", "OnRootMismatch".into());
}

fn build_volumes(scope: &Scope, boot: &str, has_token: bool) -> Vec<Volume> {
    let routing = [
        names::routing(scope.key),
        names::directory_of(scope.key, &scope.component.store),
    ];
    let mut volumes = vec![
        Volume {
            name: sidecar::BOOT_VOLUME.to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: boot.to_owned(),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
        Volume {
            name: sidecar::ROUTING_VOLUME.to_owned(),
            projected: Some(ProjectedVolumeSource {
                sources: Some(routing.map(projection).into()),
                ..ProjectedVolumeSource::default()
            }),
            ..Volume::default()
        },
    ];
    volumes.push(match &scope.store.storage {
        Storage::File => Volume {
            name: sidecar::DATA_VOLUME.to_owned(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: names::data(scope.key),
                ..PersistentVolumeClaimVolumeSource::default()
            }),
            ..Volume::default()
        },
        Storage::Server(server) => Volume {
            name: sidecar::CONNECTION_VOLUME.to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(server.secret().to_owned()),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        },
    });
    if has_token {
        volumes.push(Volume {
            name: sidecar::NO_TOKEN_VOLUME.to_owned(),
            empty_dir: Some(EmptyDirVolumeSource::default()),
            ..Volume::default()
        });
    }
    volumes
}

fn projection(config_map: String) -> VolumeProjection {
    VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name: config_map,
            ..ConfigMapProjection::default()
        }),
        ..VolumeProjection::default()
    }
}

/// Sets a field that is unset.
pub(super) fn set_absent(object: &mut Map<String, Value>, key: &str, value: Value) {
    if object.get(key).is_none_or(Value::is_null) {
        object.insert(key.to_owned(), value);
    }
}

fn list<'a>(object: &'a mut Map<String, Value>, key: &str) -> &'a mut Vec<Value> {
    set_absent(object, key, Value::Array(Vec::new()));
    object[key].as_array_mut().expect("lists are validated")
}

fn object<'a>(object: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    set_absent(object, key, Value::Object(Map::new()));
    object[key].as_object_mut().expect("objects are validated")
}

/// A part of an object as JSON.
pub(crate) fn plain(part: &impl Serialize) -> Value {
    serde_json::to_value(part).expect("objects of a cluster are plain data")
}
