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
    let apply = [&["apply", "--filename", "-"], &named[..]].concat();
    plane.kubectl_with(&apply, &deployment.to_string());
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

#[tokio::test]
async fn the_images_of_our_dockerfiles_start_as_a_user_without_rights() {
    let plane = Node::shared().await.plane();
    let namespace = plane.namespace("images").await;
    let version = env!("CARGO_PKG_VERSION");
    for (image, program) in [("operator", "angzarr"), ("sidecar", "angzarr-sidecar")] {
        // Neither a user nor a program: both come from the image.
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": image, "namespace": namespace },
            "spec": {
                "restartPolicy": "Never",
                "containers": [{
                    "name": "program",
                    "image": format!("angzarr-{image}:{version}"),
                    "args": ["--version"],
                    "securityContext": {
                        "runAsNonRoot": true,
                        "readOnlyRootFilesystem": true,
                        "allowPrivilegeEscalation": false,
                        "capabilities": { "drop": ["ALL"] },
                        "seccompProfile": { "type": "RuntimeDefault" },
                    },
                }],
            },
        });
        plane.kubectl_with(&["apply", "--filename", "-"], &pod.to_string());
        let pod = format!("pod/{image}");
        let in_namespace = [&pod, "--namespace", &namespace];
        let ended = [
            "wait",
            "--for=jsonpath={.status.phase}=Succeeded",
            "--timeout=60s",
        ];
        plane.kubectl(&[&ended[..], &in_namespace].concat());
        let printed = plane.kubectl(&[&["logs"], &in_namespace[..]].concat());
        assert_eq!(printed, format!("{program} {version}\n"));
    }
}
