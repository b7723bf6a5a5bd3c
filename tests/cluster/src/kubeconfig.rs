//! How a program reaches the API server, and as whom.

use serde_json::json;

use crate::certificates::{Authority, Identity};

/// The text of a kubeconfig. It is JSON, which every reader of YAML reads.
pub(crate) fn kubeconfig(server: &str, authority: &Authority, identity: &Identity) -> String {
    let base64 = |text: &str| k8s_openapi::ByteString(text.as_bytes().to_vec());
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tests",
        "contexts": [{ "name": "tests", "context": { "cluster": "tests", "user": "tests" } }],
        "clusters": [{ "name": "tests", "cluster": {
            "server": server,
            "certificate-authority-data": base64(&authority.certificate()),
        } }],
        "users": [{ "name": "tests", "user": {
            "client-certificate-data": base64(&identity.certificate),
            "client-key-data": base64(&identity.key),
        } }],
    });
    config.to_string()
}
