//! What becomes of a labelled pod: the changes that give it the sidecar, or why it cannot have one.
//!
//! # Design
//! The policies of the chart say the same in `charts/angzarr-operator/templates/injection.yaml`, for an API server that evaluates them itself; a test
//! compares what both make of many pods. Fields of the pod win over those that are added, so that no selector and no setting of its owner is broken.

use serde_json::{Map, Value, json};

use crate::model::Key;
use crate::plan::names;

/// What becomes of a pod.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mutation {
    /// It has everything already.
    None,
    /// The changes, as a JSON Patch.
    Patch(Vec<Value>),
    /// It must not run, and why.
    Refused(String),
}

/// The label of a pod, empty or not.
pub(super) fn label(pod: &Value) -> Option<&str> {
    pod["metadata"]["labels"][names::INJECT].as_str()
}

/// What is said of a pod whose label names no component.
pub(super) fn unknown(label: &str) -> String {
    format!(
        "the label {}: {label} names no component of this namespace that is ready for pods; see the status of the component, create it, or correct the label, as in agg-NAME for an Aggregate",
        names::INJECT
    )
}

/// Whether a PodTemplate holds what pods of a component get.
pub(super) fn is_of(key: &Key, template: &Value) -> bool {
    let metadata = &template["metadata"];
    let mut owners = listed(&metadata["ownerReferences"]).iter();
    metadata["labels"][names::INJECT] == names::injection(key).as_str()
        && owners.any(|it| {
            let version = it["apiVersion"].as_str().unwrap_or_default();
            it["controller"] == true
                && version.starts_with("angzarr.io/")
                && it["kind"] == key.kind.as_str()
                && it["name"] == key.name.as_str()
        })
}

/// Decides what becomes of a pod; `template` is what pods of its component get, if that is there.
pub(super) fn mutate(pod: &Value, template: Option<&Value>) -> Mutation {
    let said = pod["metadata"]["annotations"][names::INJECTED].as_str();
    let said = said.unwrap_or_default();
    let is_sidecar = |it: &Value| it["name"] == names::SIDECAR && it["restartPolicy"] == "Always";
    // Somebody copied a pod, or a policy was first.
    if !said.is_empty()
        && listed(&pod["spec"]["initContainers"])
            .iter()
            .any(is_sidecar)
    {
        return match said.strip_prefix("refused: ") {
            Some(refusal) => Mutation::Refused(refused(refusal)),
            None => Mutation::None,
        };
    }
    let Some(template) = template else {
        return Mutation::Refused(unknown(label(pod).unwrap_or_default()));
    };
    let injection = Injection { pod, template };
    match injection.logic() {
        Ok(logic) => Mutation::Patch(injection.patch(logic)),
        Err(refusal) => Mutation::Refused(refused(&refusal)),
    }
}

fn refused(why: &str) -> String {
    format!("the sidecar cannot be injected: {why}")
}

struct Injection<'a> {
    pod: &'a Value,
    template: &'a Value,
}

impl Injection<'_> {
    fn given(&self) -> &Value {
        &self.template["template"]
    }

    fn sidecar(&self) -> &Value {
        &self.given()["spec"]["initContainers"][0]
    }

    /// The place of the logic among the containers, if the pod can have the sidecar.
    fn logic(&self) -> Result<usize, String> {
        let spec = &self.pod["spec"];
        let containers = listed(&spec["containers"]);
        let all = || containers.iter().chain(listed(&spec["initContainers"]));
        if all().any(|it| it["name"] == names::SIDECAR) {
            let name = names::SIDECAR;
            return Err(format!(
                "a container is named {name}, as the sidecar is; give it another name"
            ));
        }
        let is_reserved = |it: &Value| {
            let name = it["name"].as_str().unwrap_or_default();
            name.starts_with(names::RESERVED_VOLUMES)
        };
        if listed(&spec["volumes"]).iter().any(is_reserved) {
            return Err("the name of a volume begins with angzarr-, as those of the sidecar do; give it another name".to_owned());
        }
        let mut ports = all().flat_map(|it| listed(&it["ports"]));
        if ports.any(|it| self.is_taken(it)) {
            return Err("a container has a port of the sidecar, 9000 or 9090; choose another, and set spec.logic.port of the component if it is that of the logic".to_owned());
        }
        let wanted = self.template["metadata"]["annotations"][names::CONTAINER].as_str();
        let logic = match wanted {
            None => Some(0),
            Some(wanted) => containers.iter().position(|it| it["name"] == wanted),
        };
        let Some(logic) = logic else {
            let wanted = wanted.unwrap_or_default();
            return Err(format!(
                "no container is named {wanted}, as spec.logic.container of the component says; correct either name"
            ));
        };
        let (own, given) = (
            &self.pod["metadata"]["labels"],
            &self.given()["metadata"]["labels"],
        );
        let differs = |it: &str| !own[it].is_null() && own[it] != given[it];
        if ["angzarr.io/kind", "angzarr.io/component"]
            .into_iter()
            .any(differs)
        {
            return Err("the labels angzarr.io/kind and angzarr.io/component name another component; remove them, since they are set from angzarr.io/inject".to_owned());
        }
        Ok(logic)
    }

    fn is_taken(&self, port: &Value) -> bool {
        let mut own = listed(&self.sidecar()["ports"]).iter();
        (port["protocol"].is_null() || port["protocol"] == "TCP")
            && own.any(|it| it["containerPort"] == port["containerPort"])
    }

    fn patch(&self, logic: usize) -> Vec<Value> {
        let mut patch = Patch {
            of: self.pod,
            changes: Vec::new(),
        };
        let mark = &self.template["metadata"]["annotations"][names::INJECTION];
        let (metadata, spec) = (&self.given()["metadata"], &self.given()["spec"]);
        patch.make("/metadata/annotations", json!({}));
        patch.add(
            &format!("/metadata/annotations/{}", escaped(names::INJECTED)),
            mark.clone(),
        );
        patch.fill("/metadata/labels", &metadata["labels"]);
        patch.fill("/metadata/annotations", &metadata["annotations"]);
        let path = format!("/spec/containers/{logic}");
        let stand_in = &spec["containers"][0];
        let own = &self.pod["spec"]["containers"][logic];
        patch.make(&format!("{path}/env"), json!([]));
        for variable in listed(&stand_in["env"]) {
            let is_same = |it: &Value| it["name"] == variable["name"];
            if !listed(&own["env"]).iter().any(is_same) {
                patch.add(&format!("{path}/env/0"), variable.clone());
            }
        }
        patch.make(&format!("{path}/lifecycle"), json!({}));
        patch.fill(&format!("{path}/lifecycle"), &stand_in["lifecycle"]);
        patch.make("/spec/initContainers", json!([]));
        patch.add("/spec/initContainers/0", self.sidecar().clone());
        patch.make("/spec/volumes", json!([]));
        for volume in listed(&spec["volumes"]) {
            patch.add("/spec/volumes/-", volume.clone());
        }
        patch.make("/spec/securityContext", json!({}));
        patch.fill("/spec/securityContext", &spec["securityContext"]);
        let grace = |spec: &Value| spec["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
        if grace(&self.pod["spec"]) < grace(spec) {
            patch.add("/spec/terminationGracePeriodSeconds", grace(spec).into());
        }
        patch.changes
    }
}

/// Changes to a pod, of which each stands for itself.
struct Patch<'a> {
    of: &'a Value,
    changes: Vec<Value>,
}

impl Patch<'_> {
    fn add(&mut self, path: &str, value: Value) {
        self.changes
            .push(json!({ "op": "add", "path": path, "value": value }));
    }

    /// Makes what is to be filled.
    fn make(&mut self, path: &str, empty: Value) {
        if self.of.pointer(path).is_none_or(Value::is_null) {
            self.add(path, empty);
        }
    }

    /// Adds the fields that the pod does not have.
    fn fill(&mut self, path: &str, given: &Value) {
        let none = Map::new();
        let own = self.of.pointer(path).and_then(Value::as_object);
        let own = own.unwrap_or(&none).clone();
        for (key, value) in given.as_object().unwrap_or(&none) {
            if own.get(key).is_none_or(Value::is_null) {
                self.add(&format!("{path}/{}", escaped(key)), value.clone());
            }
        }
    }
}

/// A key in the path of a JSON Patch.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn listed(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
