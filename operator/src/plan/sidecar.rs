//! The sidecar's container, the same in every pod.

use angzarr_config::boot::Ports;
use angzarr_crds::{LogLevel, Quantity, Resources};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, ExecAction, HTTPGetAction,
    Lifecycle, LifecycleHandler, ObjectFieldSelector, Probe, ResourceRequirements, SeccompProfile,
    SecurityContext, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Scope, config, names, stop};
use crate::model::Storage;

/// The file of an SQLite store in the pod.
pub(super) const STORE_FILE: &str = "/var/lib/angzarr/store.db";

/// The folder in the pod with address and credentials of a store on a server.
pub(super) const CONNECTION_FOLDER: &str = "/etc/angzarr/store";

const DATA_FOLDER: &str = "/var/lib/angzarr";
const BOOT_FOLDER: &str = "/etc/angzarr/boot";
pub(super) const ROUTING_FOLDER: &str = "/etc/angzarr/routing";
const TOKEN_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

pub(super) const BOOT_VOLUME: &str = "angzarr-boot";
pub(super) const ROUTING_VOLUME: &str = "angzarr-routing";
/// The volume with the Secret of the store's server.
pub(super) const CONNECTION_VOLUME: &str = "angzarr-store";
pub(super) const DATA_VOLUME: &str = "angzarr-data";
/// The empty volume mounted over the service account token, so that the sidecar has none.
pub(super) const NO_TOKEN_VOLUME: &str = "angzarr-no-token";

/// The user and group of the sidecar, as its image has them.
pub(super) const USER: i64 = 65_532;

/// How many seconds a sidecar may take to start once nothing holds it up.
const START_SECONDS: u64 = 60;

/// The container; `hides_token` is set if the pods get a token that the sidecar must not have.
pub(super) fn build(scope: &Scope, hides_token: bool) -> Container {
    let sidecar = &scope.component.sidecar;
    let ports = Ports::default();
    Container {
        name: names::SIDECAR.to_owned(),
        image: Some(
            sidecar
                .image
                .clone()
                .unwrap_or_else(|| scope.installation.sidecar_image.clone()),
        ),
        restart_policy: Some("Always".to_owned()),
        env: Some(build_env(scope)),
        ports: Some(vec![port("grpc", ports.grpc), port("admin", ports.admin)]),
        startup_probe: Some(probe("/startz", 1, startup_failures(scope))),
        readiness_probe: Some(probe("/readyz", 2, 2)),
        liveness_probe: Some(probe("/livez", 10, 3)),
        lifecycle: Some(Lifecycle {
            pre_stop: Some(LifecycleHandler {
                exec: Some(ExecAction {
                    command: Some(vec!["/angzarr-sidecar".to_owned(), "drain".to_owned()]),
                }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        resources: Some(build_resources(&sidecar.resources)),
        security_context: Some(restricted()),
        volume_mounts: Some(build_mounts(scope, hides_token)),
        ..Container::default()
    }
}

/// The startup probe, which asks each second, must not end a sidecar that waits for its file.
fn startup_failures(scope: &Scope) -> i32 {
    let wait = match scope.store.storage {
        Storage::File => stop::file_wait(scope.component).as_secs(),
        Storage::Server(_) => 0,
    };
    i32::try_from(START_SECONDS + wait).expect("a wait is at most a day")
}

/// The hook by which another container waits until the sidecar has drained.
pub(super) fn wait_for_drain() -> LifecycleHandler {
    LifecycleHandler {
        http_get: Some(ask("/drained")),
        ..LifecycleHandler::default()
    }
}

/// Our variables and those of the resource, which win. Kubernetes resolves `$(NAME)` only if NAME comes earlier, so ours come first, except those that
/// refer to one that the resource sets.
fn build_env(scope: &Scope) -> Vec<EnvVar> {
    let further = &scope.component.sidecar.env;
    let is_further = |name: &str| further.iter().any(|variable| variable.name == name);
    let refers_to_further = |variable: &EnvVar| {
        let value = variable.value.as_deref().unwrap_or_default();
        let mut names = further.iter().map(|variable| &variable.name);
        names.any(|name| value.contains(&format!("$({name})")))
    };
    let ours = own_env(scope).into_iter();
    let ours = ours.filter(|variable| !is_further(&variable.name));
    let (last, first): (Vec<_>, Vec<_>) = ours.partition(refers_to_further);
    [first, further.clone(), last].concat()
}

fn own_env(scope: &Scope) -> Vec<EnvVar> {
    let ports = Ports::default();
    let pod_ip = EnvVar {
        name: "POD_IP".to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: "status.podIP".to_owned(),
                ..ObjectFieldSelector::default()
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    };
    vec![
        variable("ANGZARR_CONFIG", format!("{BOOT_FOLDER}/{}", config::BOOT)),
        variable("ANGZARR_ROUTING", ROUTING_FOLDER.to_owned()),
        variable(
            "ANGZARR_LOG",
            level(scope.component.sidecar.log_level).to_owned(),
        ),
        variable("ANGZARR_LOG_FORMAT", "json".to_owned()),
        pod_ip,
        variable(
            "ANGZARR_SERVICE_ENDPOINT",
            format!("http://$(POD_IP):{}", ports.grpc),
        ),
    ]
}

/// A variable with a value.
pub(super) fn variable(name: &str, value: String) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    }
}

fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}

fn port(name: &str, number: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number.into(),
        ..ContainerPort::default()
    }
}

fn ask(path: &str) -> HTTPGetAction {
    HTTPGetAction {
        path: Some(path.to_owned()),
        port: IntOrString::Int(Ports::default().admin.into()),
        ..HTTPGetAction::default()
    }
}

fn probe(path: &str, period_seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(ask(path)),
        period_seconds: Some(period_seconds),
        failure_threshold: Some(failures),
        timeout_seconds: Some(2),
        ..Probe::default()
    }
}

pub(super) fn build_resources(declared: &Resources) -> ResourceRequirements {
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Amount;
    let amounts = |declared: &std::collections::BTreeMap<String, Quantity>| {
        let amounts = declared
            .iter()
            .map(|(name, amount)| (name.clone(), Amount(amount.0.clone())));
        (!declared.is_empty()).then(|| amounts.collect())
    };
    ResourceRequirements {
        requests: amounts(&declared.requests),
        limits: amounts(&declared.limits),
        ..ResourceRequirements::default()
    }
}

/// What the restricted profile of the Pod Security Standards requires.
pub(super) fn restricted() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            ..Capabilities::default()
        }),
        read_only_root_filesystem: Some(true),
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..SecurityContext::default()
    }
}

fn build_mounts(scope: &Scope, hides_token: bool) -> Vec<VolumeMount> {
    let mut mounts = vec![
        mount(BOOT_VOLUME, BOOT_FOLDER, true),
        mount(ROUTING_VOLUME, ROUTING_FOLDER, true),
    ];
    mounts.push(match scope.store.storage {
        Storage::File => mount(DATA_VOLUME, DATA_FOLDER, false),
        Storage::Server(_) => mount(CONNECTION_VOLUME, CONNECTION_FOLDER, true),
    });
    if hides_token {
        mounts.push(mount(NO_TOKEN_VOLUME, TOKEN_FOLDER, true));
    }
    mounts
}

pub(super) fn mount(volume: &str, path: &str, is_read_only: bool) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        read_only: is_read_only.then_some(true),
        ..VolumeMount::default()
    }
}
