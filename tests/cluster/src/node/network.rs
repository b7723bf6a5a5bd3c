//! The network of pods and Services, names, and volumes.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::{Value, json};

/// The addresses of pods.
const PODS: &str = "10.244.0.0/24";

/// Writes how pods are connected.
pub(super) fn write_pods(folder: &Path) {
    let settings = json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "pods",
                "isGateway": true,
                "hairpinMode": true,
                "ipMasq": true,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{ "subnet": PODS }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    });
    let cni = folder.join("cni");
    fs::create_dir(&cni).unwrap();
    fs::write(cni.join("pods.conflist"), settings.to_string()).unwrap();
}

/// The arguments of kube-proxy.
pub(super) fn proxy(node: &str, kubeconfig: &str) -> Vec<String> {
    vec![
        format!("--kubeconfig={kubeconfig}"),
        format!("--hostname-override={node}"),
        format!("--cluster-cidr={PODS}"),
        "--proxy-mode=iptables".to_owned(),
        // A reply to a neighbour on the bridge would otherwise not come from the Service.
        "--masquerade-all".to_owned(),
        // Limits of the machine stay as they are.
        "--conntrack-max-per-core=0".to_owned(),
        "--conntrack-tcp-timeout-established=0s".to_owned(),
        "--conntrack-tcp-timeout-close-wait=0s".to_owned(),
    ]
}

/// Writes the settings of CoreDNS.
pub(super) fn write_names(folder: &Path, address: Ipv4Addr, kubeconfig: &str) {
    let settings = format!(
        ".:53 {{\n  bind {address}\n  errors\n  kubernetes cluster.local in-addr.arpa {{\n    kubeconfig {kubeconfig}\n  }}\n  cache 5\n}}\n"
    );
    fs::write(folder.join("Corefile"), settings).unwrap();
}

/// The arguments of CoreDNS.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let file = folder.join("Corefile");
    vec!["-conf".to_owned(), file.to_str().unwrap().to_owned()]
}

/// A volume in a folder of the node, for claims that name no class.
pub(super) fn volume(name: &str, folder: &Path, node: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": { "name": name },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": { "storage": "1Gi" },
            "local": { "path": folder },
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [
                { "key": "kubernetes.io/hostname", "operator": "In", "values": [node] },
            ] }] } },
        },
    })
}
