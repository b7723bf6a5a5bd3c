//! The settings of containerd, kubelet and the scheduler.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::images::PAUSE;
use crate::tools::installed;

/// The socket of containerd.
pub(super) fn socket(folder: &Path) -> PathBuf {
    folder.join("containerd.sock")
}

/// Writes the settings of containerd.
pub(super) fn write_runtime(folder: &Path) {
    let runc = installed("/usr/sbin/runc", "runc");
    let plugins = installed("/usr/lib/cni", "containernetworking-plugins");
    let (at, socket) = (folder.display(), socket(folder));
    let settings = format!(
        r#"version = 2
root = "{at}/containerd"
state = "{at}/containerd-state"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.internal.v1.restart"]
[grpc]
address = "{}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
disable_apparmor = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{}"
conf_dir = "{at}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "{}"
SystemdCgroup = false
"#,
        socket.display(),
        plugins.display(),
        runc.display(),
    );
    fs::write(folder.join("containerd.toml"), settings).unwrap();
}

/// Writes the settings of kubelet.
pub(super) fn write_kubelet(folder: &Path, address: Ipv4Addr, authority: &str) {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let settings = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": authority },
        },
        "authorization": { "mode": "Webhook" },
        "containerRuntimeEndpoint": format!("unix://{}", socket(folder).display()),
        "podLogsDir": folder.join("pod-logs"),
        "cgroupDriver": "cgroupfs",
        // Other nodes may run on this machine, each with a group for its pods.
        "cgroupRoot": format!("/{name}"),
        "failCgroupV1": false,
        "failSwapOn": false,
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": false,
        // The disk of the machine is not ours: however full it is, pods and images stay.
        "evictionHard": {},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "resolvConf": "",
        "clusterDNS": [address],
        "clusterDomain": "cluster.local",
        // Changes reach pods soon, so that tests need not wait long.
        "configMapAndSecretChangeDetectionStrategy": "Watch",
        "syncFrequency": "5s",
        "healthzPort": 0,
    });
    fs::write(folder.join("kubelet.json"), settings.to_string()).unwrap();
}

/// The arguments of kubelet.
pub(super) fn kubelet(
    folder: &Path,
    name: &str,
    address: Ipv4Addr,
    kubeconfig: &str,
) -> Vec<String> {
    let at = folder.display();
    vec![
        format!("--config={at}/kubelet.json"),
        format!("--kubeconfig={kubeconfig}"),
        format!("--root-dir={at}/kubelet"),
        format!("--cert-dir={at}/kubelet-certificates"),
        format!("--hostname-override={name}"),
        format!("--node-ip={address}"),
    ]
}

/// The arguments of the scheduler.
pub(super) fn scheduler(kubeconfig: &str) -> Vec<String> {
    vec![
        format!("--kubeconfig={kubeconfig}"),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
    ]
}
