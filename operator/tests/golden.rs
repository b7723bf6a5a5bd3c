//! What a cluster gets, compared with what it got before: each folder under `golden` holds resources as people write them and the objects that
//! they lead to. `make golden` writes the objects again; the difference is to be read like code.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says why and ends"
)]

use std::fs;
use std::path::{Path, PathBuf};

use angzarr_config::{Boot, Directory, Routing};
use angzarr_operator::index::Sight;
use angzarr_operator::manifest;
use angzarr_operator::plan::{Installation, Plan, plan};
use angzarr_operator::render::{objects, yaml};
use angzarr_operator::validate::validate_seeing;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    ConfigMap, PersistentVolumeClaim, PodTemplate, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Set to write the objects instead of comparing them.
const REWRITE: &str = "ANGZARR_GOLDEN";

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

fn planned(case: &Path) -> Plan {
    let found = manifest::read(&case.join("resources"));
    let found = found.map_err(manifest::all).unwrap();
    let sight = Sight {
        namespaces: found.namespaces,
        ..Sight::default()
    };
    let system = validate_seeing(&found.resources, sight);
    let system = system.map_err(manifest::all).unwrap();
    let installation = Installation {
        sidecar_image: "registry.example/sidecar:9".to_owned(),
        has_pod_monitors: case.ends_with("monitored"),
    };
    plan(&system, &installation)
}

#[test]
fn resources_lead_to_the_objects_of_their_case() {
    let is_rewritten = std::env::var_os(REWRITE).is_some();
    let mut different = Vec::new();
    for case in cases() {
        let file = case.join("objects.yaml");
        let text = yaml(&planned(&case)).unwrap();
        if is_rewritten {
            fs::write(&file, &text).unwrap();
        }
        if fs::read_to_string(&file).unwrap_or_default() != text {
            different.push(case.file_name().unwrap().to_owned());
        }
    }
    assert!(
        different.is_empty(),
        "{different:?} lead to other objects; run `make golden` and read the difference"
    );
}

#[test]
fn a_cluster_reads_every_object_as_it_is_written() {
    for case in cases() {
        // What a user writes into a pod may be newer than every type.
        let is_ours_alone = !case.ends_with("own-pod");
        for object in objects(&planned(&case)) {
            let read = read_again(&object);
            assert!(!is_ours_alone || read == object, "{object:#}");
        }
    }
}

fn read_again(object: &Value) -> Value {
    match object["kind"].as_str().unwrap() {
        "ConfigMap" => typed::<ConfigMap>(object),
        "Deployment" => typed::<Deployment>(object),
        "Job" => typed::<Job>(object),
        "HorizontalPodAutoscaler" => typed::<HorizontalPodAutoscaler>(object),
        "NetworkPolicy" => typed::<NetworkPolicy>(object),
        "PersistentVolumeClaim" => typed::<PersistentVolumeClaim>(object),
        "PodDisruptionBudget" => typed::<PodDisruptionBudget>(object),
        "PodTemplate" => typed::<PodTemplate>(object),
        "Service" => typed::<Service>(object),
        "ServiceAccount" => typed::<ServiceAccount>(object),
        // No type of Kubernetes itself.
        "PodMonitor" => object.clone(),
        other => panic!("{other} is of no known kind"),
    }
}

fn typed<T: DeserializeOwned + Serialize>(object: &Value) -> Value {
    let typed: T = serde_json::from_value(object.clone()).unwrap();
    serde_json::to_value(typed).unwrap()
}

#[test]
fn sidecars_read_every_document() {
    for case in cases() {
        let mut boots = 0;
        for object in objects(&planned(&case)) {
            let files = object["data"].as_object();
            for (file, text) in files.into_iter().flatten() {
                let text = text.as_str().unwrap();
                match file.as_str() {
                    "boot.json" => {
                        Boot::parse(text).unwrap();
                        boots += 1;
                    }
                    "routing.json" => drop(Routing::parse(text).unwrap()),
                    "directory.json" => drop(Directory::parse(text).unwrap()),
                    other => panic!("{other} is no document"),
                }
            }
        }
        assert!(boots > 0, "{}", case.display());
    }
}

#[test]
fn variables_refer_to_earlier_ones() {
    let mut references = 0;
    for case in cases() {
        for (container, _) in objects(&planned(&case)).iter().flat_map(containers) {
            let env = container["env"].as_array().into_iter().flatten();
            let mut known: Vec<&str> = Vec::new();
            for variable in env {
                let name = variable["name"].as_str().unwrap();
                let value = variable["value"].as_str().unwrap_or_default();
                for other in value.split("$(").skip(1) {
                    let other = other.split(')').next().unwrap();
                    assert!(known.contains(&other), "{name} needs {other} of {known:?}");
                    references += 1;
                }
                assert!(!known.contains(&name), "{name} is there twice");
                known.push(name);
            }
        }
    }
    assert!(references > 2, "no case refers to a variable");
}

/// The containers of an object's pods with the pod of each.
fn containers(object: &Value) -> Vec<(&Value, &Value)> {
    let places = ["/spec/template/spec", "/template/spec"];
    let pods = places.into_iter().filter_map(|place| object.pointer(place));
    pods.flat_map(|pod| {
        let lists = ["initContainers", "containers"].map(|key| pod[key].as_array());
        lists
            .into_iter()
            .flatten()
            .flatten()
            .map(move |it| (it, pod))
    })
    .collect()
}

#[test]
fn names_are_unique_and_short_enough() {
    for case in cases() {
        let mut seen = std::collections::BTreeSet::new();
        for object in objects(&planned(&case)) {
            let metadata = &object["metadata"];
            let name = metadata["name"].as_str().unwrap().to_owned();
            assert!(name.len() <= 63 || object["kind"] == "ConfigMap", "{name}");
            let full = format!("{}/{}/{name}", object["kind"], metadata["namespace"]);
            assert!(seen.insert(full.clone()), "{full} stands twice");
        }
    }
}
