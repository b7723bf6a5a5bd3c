//! The ports that a pod declares, by container and protocol.

use serde_json::{Map, Value};

/// The protocol of ports that name none; gRPC uses it.
pub(crate) const TCP: &str = "TCP";

/// The containers that run as long as the pod: also the init containers that Kubernetes restarts, which are sidecars.
pub(super) fn running(pod: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let listed = |key: &str| pod.get(key).and_then(Value::as_array).into_iter().flatten();
    let sidecars = listed("initContainers").filter(|it| it["restartPolicy"] == "Always");
    sidecars.chain(listed("containers"))
}

/// The number of a container's port.
pub(crate) fn number(port: &Value) -> Option<i32> {
    let number = port["containerPort"].as_i64()?;
    i32::try_from(number).ok()
}

/// The protocol of a container's port.
pub(crate) fn protocol(port: &Value) -> &str {
    port["protocol"].as_str().unwrap_or(TCP)
}
