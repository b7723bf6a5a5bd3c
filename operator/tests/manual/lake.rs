//! A system with one resource whose fields are tried.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use angzarr_config::Mistake;
use angzarr_crds::Kind;
use angzarr_operator::graph::{draw, unheard};
use angzarr_operator::manifest::{Written, read_text};
use angzarr_operator::plan::{Installation, plan};
use angzarr_operator::render::yaml;
use angzarr_operator::validate::validate;
use serde_json::{Map, Value, json};

/// The domains that examples name.
const DOMAINS: [&str; 3] = ["customer", "inventory", "order"];
/// The stores that resources and examples name.
const STORES: [&str; 2] = ["heron", "shop"];

/// Where events are stored, since some fields act with one of them only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    File,
    Server,
}

impl Stored {
    pub(crate) const ALL: [Self; 2] = [Self::File, Self::Server];

    fn storage(self) -> Value {
        match self {
            Self::File => json!({ "type": "sqlite" }),
            Self::Server => {
                json!({ "type": "postgres", "postgres": connection("heron-db") })
            }
        }
    }
}

fn connection(secret: &str) -> Value {
    json!({ "connection": { "secretRef": { "name": secret } } })
}

fn written(resources: &[Value]) -> String {
    let documents: Vec<_> = resources.iter().map(ToString::to_string).collect();
    documents.join("\n---\n")
}

fn read(text: &str) -> Result<Vec<Written>, Vec<Mistake>> {
    read_text(Path::new("lake.yaml"), text).map(|found| found.resources)
}

thread_local! {
    /// What is around the tried resource, read once, since rules take their time.
    static OTHERS: RefCell<BTreeMap<String, Vec<Written>>> = RefCell::default();
}

/// Resources, the tried one first.
pub(crate) struct Lake {
    stored: Stored,
    tried: Kind,
    resources: Vec<Value>,
}

impl Lake {
    /// A system with a resource of a kind that has only the necessary fields.
    pub(crate) fn new(kind: Kind, stored: Stored) -> Self {
        let mut lake = Self {
            stored,
            tried: kind,
            resources: Vec::new(),
        };
        let spec = match kind {
            Kind::EventStore => json!({}),
            Kind::Aggregate => json!({ "domain": "lapwing" }),
            Kind::Projector => json!({ "sources": [{ "domain": "customer" }] }),
            Kind::Saga | Kind::ProcessManager => json!({
                "sources": [{ "domain": "customer" }],
                "targets": [{ "domain": "customer" }],
            }),
        };
        lake.add(kind, STORES[0], spec);
        if kind != Kind::EventStore && stored == Stored::Server {
            lake.set("spec.replicas", json!(2));
        }
        lake
    }

    /// Adds a resource of the first store.
    pub(crate) fn add(&mut self, kind: Kind, name: &str, spec: Value) {
        let mut whole = match kind {
            Kind::EventStore => {
                json!({ "storage": self.stored.storage(), "bus": { "type": "direct" } })
            }
            _ => json!({
                "eventStoreRef": { "name": STORES[0] },
                "template": { "spec": { "containers": [
                    { "name": "edge", "image": "edge:1" },
                    { "name": "logic", "image": "logic:1" },
                ] } },
            }),
        };
        whole
            .as_object_mut()
            .unwrap()
            .extend(spec.as_object().unwrap().clone());
        self.resources.push(json!({
            "apiVersion": "angzarr.io/v1alpha1",
            "kind": kind.as_str(),
            "metadata": { "name": name },
            "spec": whole,
        }));
    }

    /// Writes what the API demands beside a value of a field.
    pub(crate) fn prepare(&mut self, path: &str, value: &Value) {
        let word = value.as_str().unwrap_or_default();
        if path.starts_with("spec.workloadRef") {
            self.remove("spec.template");
            self.remove("spec.replicas");
            self.set("spec.workloadRef", json!({ "name": "old" }));
        }
        if path.starts_with("spec.autoscaling") {
            self.remove("spec.replicas");
            self.set("spec.autoscaling", json!({ "maxReplicas": 20 }));
        }
        if path.starts_with("spec.eventStoreRef.namespace") {
            self.set(
                "spec.eventStoreRef.connectionSecretRef",
                json!({ "name": "x" }),
            );
        }
        if path == "spec.allowedNamespaces.from" && word == "Selector" {
            self.set("spec.allowedNamespaces.selector", json!({}));
        }
        if path == "spec.allowedNamespaces.selector" {
            self.set("spec.allowedNamespaces.from", json!("Selector"));
        }
        if path == "spec.schema" {
            self.set("spec.schema.policy", json!("Verify"));
        }
        self.prepare_start(path, word);
        self.prepare_store(path, word);
        self.prepare_required(path);
    }

    fn prepare_start(&mut self, path: &str, word: &str) {
        let of_field = path.strip_prefix("spec.startFrom.").unwrap_or_default();
        let kind = match of_field {
            "position" => "Position",
            "time" => "Time",
            "type" => word,
            _ => return,
        };
        self.set("spec.startFrom", json!({ "type": kind }));
        match kind {
            "Position" => self.set("spec.startFrom.position", json!(7)),
            "Time" => self.set("spec.startFrom.time", json!("2026-01-31T00:00:00Z")),
            _ => {}
        }
    }

    fn prepare_store(&mut self, path: &str, word: &str) {
        for (part, plain) in [("storage", "sqlite"), ("bus", "direct")] {
            let place = format!("spec.{part}");
            let Some(field) = path.strip_prefix(&format!("{place}.")) else {
                continue;
            };
            if self.tried != Kind::EventStore {
                continue;
            }
            let block = match field.split('.').next().unwrap() {
                "type" => word,
                "management" | "adminSecretRef" | "verifyInterval" => "rabbitmq",
                block => block,
            };
            self.set(&place, json!({ "type": block }));
            if block != plain {
                self.set(&format!("{place}.{block}"), connection("heron-db"));
            }
            if field == "management" {
                self.set("spec.bus.adminSecretRef", json!({ "name": "x" }));
            }
        }
    }

    fn prepare_required(&mut self, path: &str) {
        if let Some((block, _)) = path.split_once("SecretRef.") {
            self.set(&format!("{block}SecretRef"), json!({ "name": "x" }));
        }
        for (block, required) in [
            ("spec.tls", json!({ "peerSecretRef": { "name": "x" } })),
            ("spec.restore", json!({ "token": "x" })),
            ("spec.rebuild", json!({ "token": "x" })),
            ("spec.sidecar.otel", json!({ "endpoint": "http://x" })),
            ("spec.contract.descriptorRef", json!({ "name": "x" })),
        ] {
            if path.starts_with(&format!("{block}.")) {
                self.set(block, required);
            }
        }
    }

    /// The value of a field, if it is there.
    pub(crate) fn get(&self, path: &str) -> Option<&Value> {
        let pointer = path.replace("[]", ".0").replace('.', "/");
        self.resources[0].pointer(&format!("/{pointer}"))
    }

    /// Sets a field, with everything that it is in.
    pub(crate) fn set(&mut self, path: &str, value: Value) {
        let mut at = &mut self.resources[0];
        for name in path.replace("[]", ".0").split('.') {
            if let Ok(place) = name.parse::<usize>() {
                at = &mut at[place];
                continue;
            }
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            at = &mut at[name];
        }
        *at = value;
    }

    /// Removes a field.
    pub(crate) fn remove(&mut self, path: &str) {
        let pointer = path.replace("[]", ".0").replace('.', "/");
        let (block, name) = pointer.rsplit_once('/').unwrap();
        if let Some(block) = self.resources[0].pointer_mut(&format!("/{block}")) {
            block.as_object_mut().unwrap().remove(name);
        }
    }

    /// The others that the tried resource works with: stores, domains, and a reader of its own events.
    fn others(&self) -> Self {
        let mut others = Self {
            stored: self.stored,
            tried: self.tried,
            resources: Vec::new(),
        };
        let of_tried = self.get("spec.domain");
        let skipped = usize::from(self.tried == Kind::EventStore);
        for store in STORES.into_iter().skip(skipped) {
            others.add(Kind::EventStore, store, json!({}));
        }
        for store in STORES {
            for domain in DOMAINS {
                if of_tried == Some(&json!(domain)) {
                    continue;
                }
                let name = format!("{store}-{domain}");
                let used = json!({ "domain": domain, "eventStoreRef": { "name": store } });
                others.add(Kind::Aggregate, &name, used);
            }
        }
        if self.tried == Kind::Aggregate {
            let reader = json!({
                "sources": [{ "domain": of_tried, "eventTypes": ["shop.order.v1.OrderCreate"] }],
                "eventStoreRef": self.get("spec.eventStoreRef"),
            });
            others.add(Kind::Projector, "reader", reader);
        }
        others
    }

    /// Everything that the system becomes, as text; or what is wrong with it.
    pub(crate) fn becomes(&self) -> Result<String, Vec<String>> {
        let others = written(&self.others().resources);
        let mut others = OTHERS.with_borrow_mut(|known| {
            let read = || read(&others).unwrap();
            known.entry(others.clone()).or_insert_with(read).clone()
        });
        let system = read(&written(&self.resources)).and_then(|mut all| {
            all.append(&mut others);
            validate(&all)
        });
        let system = system.map_err(|mistakes| {
            let mistakes = mistakes.iter().map(ToString::to_string);
            mistakes.collect::<Vec<_>>()
        })?;
        let installation = Installation {
            sidecar_image: "registry.example/sidecar:9".to_owned(),
            has_pod_monitors: true,
        };
        let objects = yaml(&plan(&system, &installation)).unwrap();
        let heard = unheard(&system).join("\n");
        Ok(format!("{objects}\n{}\n{heard}", draw(&system)))
    }
}
