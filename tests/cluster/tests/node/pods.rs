//! Pods without Angzarr: what the other tests build on.

use angzarr_cluster::Node;
use serde_json::json;

#[tokio::test]
async fn two_replicas_run_under_the_restricted_profile() {
    let plane = Node::shared().await.plane();
    let namespace = plane.namespace("pods").await;
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "tern" },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "bird": "tern" } },
            "template": {
                "metadata": { "labels": { "bird": "tern" } },
                "spec": { "containers": [{
                    "name": "tern",
                    "image": "angzarr.test/pause:1",
                    "securityContext": {
                        "runAsNonRoot": true,
                        "runAsUser": 65532,
                        "readOnlyRootFilesystem": true,
                        "allowPrivilegeEscalation": false,
                        "capabilities": { "drop": ["ALL"] },
                        "seccompProfile": { "type": "RuntimeDefault" },
                    },
                }] },
            },
        },
    });
    let named = ["--namespace", &namespace];
    let made = plane.try_kubectl(
        &[&["apply", "--filename", "-"], &named[..]].concat(),
        &deployment.to_string(),
    );
    assert!(made.status.success(), "{made:?}");
    plane.kubectl(
        &[
            &["rollout", "status", "deployment/tern", "--timeout=60s"],
            &named[..],
        ]
        .concat(),
    );
    let phases = "--output=jsonpath={.items[*].status.phase}";
    let found = plane.kubectl(&[&["get", "pods", phases], &named[..]].concat());
    assert_eq!(found, "Running Running");
}
