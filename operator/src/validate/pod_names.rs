//! The names in a pod template, which an API server checks when the pods are made; a mistake is reported with its field before that.

use std::collections::HashMap;

use angzarr_crds::Form;
use serde_json::{Map, Value};

use super::Report;

const POD: &str = "spec.template.spec";
const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

/// Reports the names of containers, volumes, ports, variables and accounts that an API server refuses.
pub(super) fn check(pod: &Map<String, Value>, report: &mut Report) {
    let mut containers = Unique::new(Form::DnsLabel);
    for key in ["initContainers", "containers"] {
        for (place, container) in listed(pod.get(key)) {
            let place = format!("{POD}.{key}[{place}]");
            containers.check(container, &place, report);
            check_ports(container, &place, report);
            for (index, variable) in listed(container.get("env")) {
                let place = format!("{place}.env[{index}]");
                check_form(
                    variable.get("name"),
                    Form::Variable,
                    &format!("{place}.name"),
                    report,
                );
            }
        }
    }
    let mut volumes = Unique::new(Form::DnsLabel);
    for (place, volume) in listed(pod.get("volumes")) {
        volumes.check(volume, &format!("{POD}.volumes[{place}]"), report);
    }
    for key in ["serviceAccountName", "serviceAccount"] {
        if pod.get(key).is_some_and(|it| !it.is_null() && it != "") {
            check_form(
                pod.get(key),
                Form::DnsSubdomain,
                &format!("{POD}.{key}"),
                report,
            );
        }
    }
    let selector = pod.get("nodeSelector").and_then(Value::as_object);
    for (key, value) in selector.into_iter().flatten() {
        let field = format!("{POD}.nodeSelector[{key:?}]");
        report.say_all(&field, Form::LabelKey.fault(key));
        check_form(Some(value), Form::LabelValue, &field, report);
    }
}

fn check_ports(container: &Value, place: &str, report: &mut Report) {
    let mut names = Unique::new(Form::PortName);
    for (index, port) in listed(container.get("ports")) {
        let place = format!("{place}.ports[{index}]");
        if port.get("name").is_some_and(|it| !it.is_null() && it != "") {
            names.check(port, &place, report);
        }
        let number = port["containerPort"].as_u64();
        if !number.is_some_and(|number| (1..=65_535).contains(&number)) {
            report.say(
                &format!("{place}.containerPort"),
                "must be a whole number from 1 to 65535",
            );
        }
        let protocol = &port["protocol"];
        if !protocol.is_null() && !PROTOCOLS.iter().any(|known| protocol == known) {
            let message = format!("{protocol} is not one of {}", PROTOCOLS.join(", "));
            report.say(&format!("{place}.protocol"), message);
        }
    }
}

/// Names of a form of which each is used once.
struct Unique<'a> {
    form: Form,
    seen: HashMap<&'a str, String>,
}

impl<'a> Unique<'a> {
    fn new(form: Form) -> Self {
        Self {
            form,
            seen: HashMap::new(),
        }
    }

    fn check(&mut self, item: &'a Value, place: &str, report: &mut Report) {
        let field = format!("{place}.name");
        check_form(item.get("name"), self.form, &field, report);
        let Some(name) = item["name"].as_str() else {
            return;
        };
        if let Some(first) = self.seen.insert(name, place.to_owned()) {
            report.say(
                &field,
                format!("repeats {name}, which is already in {first}"),
            );
        }
    }
}

fn check_form(name: Option<&Value>, form: Form, field: &str, report: &mut Report) {
    match name {
        None | Some(Value::Null) => report.say(field, "is missing"),
        Some(Value::String(name)) => report.say_all(field, form.fault(name)),
        Some(other) => report.say(field, format!("must be a string, found {other}")),
    }
}

/// The objects of a list with their places; another check reports what is not a list of objects.
fn listed(list: Option<&Value>) -> impl Iterator<Item = (usize, &Value)> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.enumerate().filter(|(_, item)| item.is_object())
}
