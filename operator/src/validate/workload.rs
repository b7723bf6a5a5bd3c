//! The pods: what a template may contain, and which container is the logic.
//!
//! # Design
//! The API server validates a pod. Here only what the sidecar's insertion touches is validated, so that nothing is lost or overwritten silently:
//! lists must be lists, names must have their form, and the sidecar's names and ports must be free.

use angzarr_config::boot::Ports;
use angzarr_crds::{ComponentSpec, PodTemplate, Rollout};
use serde_json::{Map, Value};

use super::{Report, pod_names};
use crate::model::{Existing, Template, Workload};
use crate::plan::{names, ports};

const POD: &str = "spec.template.spec";

/// The pods of a component.
pub(super) fn read(spec: &ComponentSpec, report: &mut Report) -> Option<Workload> {
    check_port(spec.logic.port.into(), "spec.logic.port", report);
    if let Some(template) = &spec.template {
        return read_template(template, spec.logic.container.as_deref(), report)
            .map(Workload::Template);
    }
    let reference = spec.workload_ref.as_ref()?;
    let belongs_to_it = [
        ("spec.replicas", spec.replicas.is_some()),
        ("spec.autoscaling", spec.autoscaling.is_some()),
        ("spec.rollout", spec.rollout != Rollout::default()),
        ("spec.suspend", spec.suspend),
    ];
    for (field, is_set) in belongs_to_it {
        if is_set {
            let message = format!(
                "belongs to {} {}, which spec.workloadRef names; set it there",
                reference.kind.as_str(),
                reference.name
            );
            report.say(field, message);
        }
    }
    Some(Workload::Existing(Existing {
        kind: reference.kind,
        name: reference.name.clone(),
        container: spec.logic.container.clone(),
    }))
}

fn read_template(
    template: &PodTemplate,
    wanted: Option<&str>,
    report: &mut Report,
) -> Option<Template> {
    let pod = &template.spec;
    check_shape(pod, report);
    pod_names::check(pod, report);
    let containers = list(pod, "containers", report);
    let initial = list(pod, "initContainers", report);
    for (key, listed) in [("containers", containers), ("initContainers", initial)] {
        for (place, container) in listed.iter().enumerate() {
            check_container(container, &format!("{POD}.{key}[{place}]"), report);
        }
    }
    for (place, volume) in list(pod, "volumes", report).iter().enumerate() {
        if name_of(volume).is_some_and(|name| name.starts_with(names::RESERVED_VOLUMES)) {
            let message = format!("must not begin with {}", names::RESERVED_VOLUMES);
            report.say(&format!("{POD}.volumes[{place}].name"), message);
        }
    }
    let logic = match wanted {
        Some(wanted) => containers
            .iter()
            .position(|container| name_of(container) == Some(wanted)),
        None => (!containers.is_empty()).then_some(0),
    };
    let Some(logic) = logic else {
        let (field, message) = match wanted {
            Some(_) => (
                "spec.logic.container".to_owned(),
                format!("is not a container of the pod; name one of {POD}.containers"),
            ),
            None => (
                format!("{POD}.containers"),
                "is empty; list the container of the logic".to_owned(),
            ),
        };
        report.say(&field, message);
        return None;
    };
    let Some(image) = containers[logic]["image"].as_str() else {
        let field = format!("{POD}.containers[{logic}].image");
        report.say(&field, "is missing; write the image of the logic");
        return None;
    };
    Some(Template {
        metadata: template.metadata.clone(),
        spec: pod.clone(),
        logic,
        image: image.to_owned(),
    })
}

/// The fields that the sidecar's insertion adds to must have the types that an API server expects.
fn check_shape(pod: &Map<String, Value>, report: &mut Report) {
    if pod.get("securityContext").is_some_and(|it| !it.is_object()) {
        report.say(&format!("{POD}.securityContext"), "must be an object");
    }
    let grace = pod.get("terminationGracePeriodSeconds");
    if grace.is_some_and(|it| !it.is_u64()) {
        report.say(
            &format!("{POD}.terminationGracePeriodSeconds"),
            "must be a whole number of seconds",
        );
    }
}

fn check_container(container: &Value, place: &str, report: &mut Report) {
    let Some(fields) = container.as_object() else {
        return report.say(place, "must be a container, like {name: logic, image: …}");
    };
    if name_of(container) == Some(names::SIDECAR) {
        let message = format!("{} is the sidecar's own; choose another", names::SIDECAR);
        report.say(&format!("{place}.name"), message);
    }
    for key in ["env", "ports", "volumeMounts"] {
        if fields.get(key).is_some_and(|it| !it.is_array()) {
            report.say(&format!("{place}.{key}"), "must be a list");
        }
    }
    if fields.get("lifecycle").is_some_and(|it| !it.is_object()) {
        report.say(&format!("{place}.lifecycle"), "must be an object");
    }
    for (index, port) in container["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        // The sidecar listens on TCP, beside every init container too, since it starts before them.
        if ports::protocol(port) == ports::TCP {
            let field = format!("{place}.ports[{index}].containerPort");
            check_port(ports::number(port).unwrap_or_default(), &field, report);
        }
    }
}

fn check_port(port: i32, field: &str, report: &mut Report) {
    let own = Ports::default();
    if [own.grpc, own.admin].map(i32::from).contains(&port) {
        report.say(
            field,
            format!("{port} is the sidecar's in the same pod; choose another"),
        );
    }
}

fn list<'a>(pod: &'a Map<String, Value>, key: &str, report: &mut Report) -> &'a [Value] {
    match pod.get(key) {
        None | Some(Value::Null) => &[],
        Some(Value::Array(items)) => items,
        Some(_) => {
            report.say(&format!("{POD}.{key}"), "must be a list");
            &[]
        }
    }
}

fn name_of(item: &Value) -> Option<&str> {
    item["name"].as_str()
}
