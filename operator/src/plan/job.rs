//! The Job that prepares the tables of a store on a server.
//!
//! # Design
//! Its pod restarts in place, with the growing pauses of the kubelet, until the tables are as the policy wants them: so what a person mends is noticed,
//! and a failure leaves one pod with one message instead of many. It may be asked to end at any time, and so holds up no namespace that goes.

use angzarr_crds::SchemaPolicy;
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, PodSpec, PodTemplateSpec, SecretVolumeSource, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::documents::build_server;
use super::pod::plain;
use super::{Installation, config, names, sidecar};
use crate::digest::digits;
use crate::model::{Server, Storage, Store, StoreKey};

/// How often the pod is restarted: always. The Job controller wants a number.
const RESTARTS: i32 = 1_000_000;
/// How long a completed Job is left for whoever wants to read its log, in seconds.
const KEPT: i32 = 3_600;
/// How long the pod may take to end, in seconds.
const GRACE: i64 = 5;
/// How many digits of a hash make the name: with the longest name of a store it must fit a label.
const NAME_DIGITS: usize = 8;
/// How many digits of a hash say what was prepared.
const NEED_DIGITS: usize = 16;
/// Where the kubelet reads what the container leaves.
const REPORT: &str = "/dev/termination-log";

/// What prepares the tables of a store.
#[derive(Debug, Clone, PartialEq)]
pub struct Preparing {
    /// A hash over what makes it necessary again: the storage, the policy and the image.
    pub need: String,
    /// The Job.
    pub object: Job,
}

/// Plans the Job of a store that has tables, unless somebody else looks after them. It leaves a database alone that holds another store than the directory
/// names.
pub fn plan_job(key: &StoreKey, store: &Store, installation: &Installation) -> Option<Preparing> {
    let Storage::Server(server) = &store.storage else {
        return None;
    };
    let word = match store.policy {
        SchemaPolicy::Auto => "migrate",
        SchemaPolicy::Verify => "verify",
        SchemaPolicy::External => return None,
    };
    let folder = sidecar::CONNECTION_FOLDER.as_ref();
    let storage = plain(&build_server(server, store.policy, folder)).to_string();
    let directory = format!("{}/{}", sidecar::ROUTING_FOLDER, config::DIRECTORY);
    let words = ["/angzarr-sidecar", "store", word];
    let flags = [
        "--storage",
        &storage,
        "--directory",
        &directory,
        "--report",
        REPORT,
    ];
    let command = words.iter().chain(&flags).map(|it| (*it).to_owned());
    let spec = build_spec(key, server, &installation.sidecar_image, command.collect());
    let need = digits(&plain(&spec).to_string(), NEED_DIGITS);
    Some(Preparing {
        object: Job {
            metadata: ObjectMeta {
                name: Some(names::store_job(key, &need[..NAME_DIGITS])),
                ..names::store_job_metadata(key)
            },
            spec: Some(spec),
            ..Job::default()
        },
        need,
    })
}

fn build_volumes(key: &StoreKey, server: &Server) -> Vec<Volume> {
    let connection = Volume {
        name: sidecar::CONNECTION_VOLUME.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(server.secret().to_owned()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    };
    let directory = Volume {
        name: sidecar::ROUTING_VOLUME.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: names::directory(key),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    };
    vec![connection, directory]
}

fn build_spec(key: &StoreKey, server: &Server, image: &str, command: Vec<String>) -> JobSpec {
    let container = Container {
        name: names::PREPARING.to_owned(),
        image: Some(image.to_owned()),
        command: Some(command),
        resources: Some(sidecar::build_resources(&Default::default())),
        security_context: Some(sidecar::restricted()),
        volume_mounts: Some(vec![
            sidecar::mount(sidecar::CONNECTION_VOLUME, sidecar::CONNECTION_FOLDER, true),
            sidecar::mount(sidecar::ROUTING_VOLUME, sidecar::ROUTING_FOLDER, true),
        ]),
        ..Container::default()
    };
    let pod = PodSpec {
        containers: vec![container],
        restart_policy: Some("OnFailure".to_owned()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(GRACE),
        volumes: Some(build_volumes(key, server)),
        ..PodSpec::default()
    };
    JobSpec {
        backoff_limit: Some(RESTARTS),
        ttl_seconds_after_finished: Some(KEPT),
        template: PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: names::store_job_metadata(key).labels,
                ..ObjectMeta::default()
            }),
            spec: Some(pod),
        },
        ..JobSpec::default()
    }
}
