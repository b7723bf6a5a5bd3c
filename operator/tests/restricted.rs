//! The pods of the examples keep the restricted profile of the Pod Security Standards, with each store: examples are what people copy.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says why and ends"
)]

use std::path::{Path, PathBuf};

use angzarr_operator::manifest;
use angzarr_operator::plan::{Installation, plan};
use angzarr_operator::render::objects;
use angzarr_operator::validate::validate;
use serde_json::{Value, json};

/// The kinds of volumes that the profile allows.
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// What the profile refuses in a pod, each with its place.
fn refused(pod: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for key in ["hostNetwork", "hostPID", "hostIPC"] {
        if pod[key] == true {
            found.push(key.to_owned());
        }
    }
    for volume in listed(&pod["volumes"]) {
        let sources = volume.as_object().unwrap().keys();
        for source in sources.filter(|key| *key != "name" && !VOLUMES.contains(&key.as_str())) {
            found.push(format!("volume {}: {source}", volume["name"]));
        }
    }
    if pod["securityContext"]["runAsUser"] == 0 {
        found.push("runAsUser".to_owned());
    }
    if !listed(&pod["securityContext"]["sysctls"]).is_empty() {
        found.push("sysctls".to_owned());
    }
    for key in ["initContainers", "containers", "ephemeralContainers"] {
        for container in listed(&pod[key]) {
            for fault in faults(container, &pod["securityContext"]) {
                found.push(format!("container {}: {fault}", container["name"]));
            }
        }
    }
    found
}

fn faults(container: &Value, of_pod: &Value) -> Vec<&'static str> {
    let own = &container["securityContext"];
    let capabilities = &own["capabilities"];
    let either = |pointer: &str| {
        let set = own.pointer(pointer).filter(|it| !it.is_null());
        set.or_else(|| of_pod.pointer(pointer)).cloned()
    };
    let seccomp = either("/seccompProfile/type");
    let is_known = |kind: Value| kind == "RuntimeDefault" || kind == "Localhost";
    let mut added = listed(&capabilities["add"]).iter();
    let mut ports = listed(&container["ports"]).iter();
    let checks = [
        ("privileged", own["privileged"] != true),
        (
            "allowPrivilegeEscalation",
            own["allowPrivilegeEscalation"] == false,
        ),
        ("runAsNonRoot", either("/runAsNonRoot") == Some(true.into())),
        ("runAsUser", own["runAsUser"] != 0),
        ("seccompProfile", seccomp.is_some_and(is_known)),
        (
            "capabilities.drop",
            listed(&capabilities["drop"]).contains(&"ALL".into()),
        ),
        ("capabilities.add", added.all(|it| it == "NET_BIND_SERVICE")),
        (
            "procMount",
            own["procMount"].is_null() || own["procMount"] == "Default",
        ),
        (
            "hostPort",
            ports.all(|port| port["hostPort"].as_u64().unwrap_or_default() == 0),
        ),
        ("host", names_no_host(container)),
    ];
    let broken = checks.into_iter().filter(|(_, is_kept)| !is_kept);
    broken.map(|(name, _)| name).collect()
}

/// Whether probes and hooks ask the pod itself.
fn names_no_host(container: &Value) -> bool {
    let probes = ["startupProbe", "readinessProbe", "livenessProbe"].map(|key| &container[key]);
    let hooks = ["postStart", "preStop"].map(|key| &container["lifecycle"][key]);
    let mut all = probes.into_iter().chain(hooks);
    all.all(|it| {
        ["httpGet", "tcpSocket"]
            .iter()
            .all(|way| it[*way]["host"].is_null())
    })
}

fn listed(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn examples(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples")
        .join(path)
}

/// The pods of the shop with a store, by the names of their Deployments.
fn pods_of_shop(store: &str) -> Vec<(String, Value)> {
    let mut files = manifest::files(&examples("shop")).unwrap();
    files.retain(|file| !file.ends_with("event-store.yaml"));
    files.push(examples(store));
    let read = |file: &PathBuf| {
        manifest::read(file)
            .map_err(manifest::all)
            .unwrap()
            .resources
    };
    let resources: Vec<_> = files.iter().flat_map(read).collect();
    let system = validate(&resources).map_err(manifest::all).unwrap();
    let installation = Installation {
        sidecar_image: "registry.example/sidecar:9".to_owned(),
        has_pod_monitors: false,
    };
    let objects = objects(&plan(&system, &installation)).into_iter();
    let workloads = objects.filter(|object| object["kind"] == "Deployment");
    workloads
        .map(|it| {
            let pod = it["spec"]["template"]["spec"].clone();
            (it["metadata"]["name"].to_string(), pod)
        })
        .collect()
}

#[test]
fn every_pod_of_the_examples_keeps_the_restricted_profile() {
    for store in ["shop/event-store.yaml", "postgres/event-store.yaml"] {
        let pods = pods_of_shop(store);
        assert_eq!(pods.len(), 7, "{store}");
        for (name, pod) in pods {
            assert_eq!(refused(&pod), Vec::<String>::new(), "{name} with {store}");
        }
    }
}

#[test]
fn what_the_profile_refuses_is_found() {
    let sound = json!({
        "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
        "volumes": [{ "name": "v", "emptyDir": {} }],
        "containers": [{ "name": "egg", "ports": [{ "containerPort": 80 }], "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
        } }],
    });
    assert_eq!(refused(&sound), Vec::<String>::new());
    for (pointer, key, value) in [
        ("", "hostNetwork", json!(true)),
        ("", "containers", json!([{ "name": "bare" }])),
        ("", "initContainers", json!([{ "name": "bare" }])),
        ("/securityContext", "runAsUser", json!(0)),
        ("/securityContext", "runAsNonRoot", json!(false)),
        (
            "/securityContext",
            "seccompProfile",
            json!({ "type": "Unconfined" }),
        ),
        ("/volumes/0", "hostPath", json!({ "path": "/" })),
        ("/containers/0/ports/0", "hostPort", json!(80)),
        (
            "/containers/0/securityContext",
            "runAsNonRoot",
            json!(false),
        ),
        ("/containers/0/securityContext", "privileged", json!(true)),
        (
            "/containers/0/securityContext",
            "allowPrivilegeEscalation",
            json!(null),
        ),
        (
            "/containers/0/securityContext/capabilities",
            "add",
            json!(["SYS_ADMIN"]),
        ),
        (
            "/containers/0",
            "livenessProbe",
            json!({ "httpGet": { "host": "elsewhere" } }),
        ),
    ] {
        let mut pod = sound.clone();
        pod.pointer_mut(pointer).unwrap()[key] = value;
        assert!(!refused(&pod).is_empty(), "{pointer}/{key}");
    }
}
