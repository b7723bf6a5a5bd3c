//! What a shop lives through in a cluster, from the installation of the operator to the end of its namespace.

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;

use angzarr_cluster::{repository, until};
use angzarr_servers::postgres::{Database, Server};
use serde_json::{Value, json};
use url::Url;

use crate::load::Load;
use crate::place::Place;

/// Everything that the shop declares.
const KINDS: &str = "eventstores,aggregates,sagas,projectors";

// With more threads, a client closes its connections while kubectl runs; a sidecar that ends waits for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_shop_on_postgres_lives_through_everything_without_a_lost_command_or_delivery() {
    let place = Place::new("story").await;
    let database = Arc::new(Server::alone(&[]).await).database().await;
    place.apply(&secret(&place, &database));
    place.install_operator();
    apply_shop(&place);
    place.are_ready(&[KINDS, "--all"]);
    place.serves_a_command().await;
    place.reloads_routing();
    let load = Load::start(&place).await;
    load.goes_on().await;
    place.kill("order", "/angzarr-sidecar").await;
    load.goes_on().await;
    place.keeps_old_pods_beside_a_broken_image(&load).await;
    place.rolls_logic_and_sidecars();
    load.goes_on().await;
    place.restarts_logic_alone(&load).await;
    place.scales(&load).await;
    load.stop().await;
    place.ends();
}

impl Place {
    /// Waits until resources are ready in their present version.
    pub(crate) fn are_ready(&self, resources: &[&str]) {
        let ready = ["wait", "--for=condition=Ready", "--timeout=120s"];
        self.kubectl(&[&ready[..], resources].concat());
    }

    /// Changes a resource.
    fn patch(&self, resource: &str, patch: &Value) {
        let kind = match patch.is_array() {
            true => "--type=json",
            false => "--type=merge",
        };
        self.kubectl(&["patch", resource, kind, "--patch", &patch.to_string()]);
    }

    /// A condition of a resource.
    fn condition(&self, resource: &str, kind: &str) -> Value {
        let object = self.kubectl(&["get", resource, "--output=json"]);
        let object: Value = serde_json::from_str(&object).unwrap();
        let conditions = object["status"]["conditions"].as_array().unwrap();
        let mut found = conditions.iter().filter(|it| it["type"] == kind);
        found.next().cloned().unwrap_or_default()
    }

    /// Takes a target away from a saga, and sees its pod take that over while it runs.
    fn reloads_routing(&self) {
        let pods = self.containers("cancellation");
        self.patch(
            "saga/cancellation",
            &json!([{ "op": "remove", "path": "/spec/targets/0" }]),
        );
        let synced = ["--for=condition=RoutingSynced", "--timeout=60s"];
        self.kubectl(&[&["wait", "saga/cancellation"], &synced[..]].concat());
        self.are_ready(&["saga/cancellation"]);
        assert_eq!(self.containers("cancellation"), pods);
    }

    /// Gives a component an image that nobody has: its pods go on serving, and the status says so.
    async fn keeps_old_pods_beside_a_broken_image(&self, load: &Load) {
        let image = "/spec/template/spec/containers/0/image";
        let resource = "aggregate/customer";
        let broken = json!([
            { "op": "add", "path": "/spec/rollout", "value": { "progressDeadlineSeconds": 20 } },
            { "op": "replace", "path": image, "value": "shop/absent:1" },
        ]);
        self.patch(resource, &broken);
        let rolling =
            r#"--for=jsonpath={.status.conditions[?(@.type=="Reconciling")].reason}=RollingOut"#;
        self.kubectl(&["wait", resource, rolling, "--timeout=60s"]);
        until("the reason of the pod that does not start", async || {
            let why = self.condition(resource, "Reconciling")["message"].to_string();
            match why.contains("shop/absent:1") {
                true => Ok(()),
                false => Err(why),
            }
        })
        .await;
        self.kubectl(&["wait", resource, "--for=condition=Stalled", "--timeout=60s"]);
        let stalled = self.condition(resource, "Stalled");
        assert_eq!(stalled["reason"], "ProgressDeadlineExceeded", "{stalled}");
        let ready = self.condition(resource, "Ready");
        assert_eq!(ready["status"], "True", "{ready}");
        assert_ne!(ready["observedGeneration"], stalled["observedGeneration"]);
        load.goes_on().await;
        self.patch(
            resource,
            &json!([{ "op": "replace", "path": image, "value": "shop/customer:1" }]),
        );
        self.are_ready(&[resource]);
        assert_eq!(self.condition(resource, "Stalled"), Value::Null);
    }

    /// Replaces the pods of several components at the same time.
    fn rolls_logic_and_sidecars(&self) {
        let variable = json!([{ "name": "TERN", "value": "1" }]);
        let of_logic = json!([
            { "op": "add", "path": "/spec/template/spec/containers/0/env", "value": variable },
        ]);
        let of_sidecar = json!({ "spec": { "sidecar": { "env": variable } } });
        let changes = [
            ("aggregate/customer", &of_logic),
            ("aggregate/inventory", &of_sidecar),
            ("aggregate/order", &of_sidecar),
            ("saga/loyalty-earn", &of_logic),
        ];
        for (resource, change) in changes {
            self.patch(resource, change);
        }
        self.are_ready(&changes.map(|(resource, _)| resource));
    }

    /// Lets the kubelet find the logic of a component dead: it is started again, and its sidecar neither ends nor drains.
    async fn restarts_logic_alone(&self, load: &Load) {
        let probe = json!({
            "tcpSocket": { "port": 1 },
            "initialDelaySeconds": 5,
            "periodSeconds": 1,
            "failureThreshold": 1,
        });
        let path = "/spec/template/spec/containers/0/livenessProbe";
        let resource = "aggregate/inventory";
        self.patch(
            resource,
            &json!([{ "op": "add", "path": path, "value": probe }]),
        );
        self.are_ready(&[resource]);
        let restarts = async |count: usize| {
            until("restarts of the logic", async || {
                let containers = self.containers("inventory");
                let restarted = containers.iter().filter(|it| it.name == "logic");
                match restarted.map(|it| it.restarts).max() {
                    Some(found) if found >= count => Ok(()),
                    _ => Err(format!("{containers:?}")),
                }
            })
            .await;
        };
        restarts(1).await;
        load.goes_on().await;
        restarts(2).await;
        let containers = self.containers("inventory");
        let mut sidecars = containers.iter().filter(|it| it.name == "angzarr");
        assert!(sidecars.all(|it| it.restarts == 0), "{containers:?}");
        self.patch(resource, &json!([{ "op": "remove", "path": path }]));
        self.are_ready(&[resource]);
    }

    /// Has more pods of a component, and fewer again.
    async fn scales(&self, load: &Load) {
        for pods in ["3", "1"] {
            self.kubectl(&["scale", "aggregate/customer", "--replicas", pods]);
            let reached = format!("--for=jsonpath={{.status.pods}}={pods}/{pods}");
            self.kubectl(&["wait", "aggregate/customer", &reached, "--timeout=90s"]);
            load.goes_on().await;
        }
    }

    /// Removes the shop, and then the namespace with the operator in it.
    fn ends(&self) {
        self.kubectl(&["delete", KINDS, "--all"]);
        let ours = "--selector=app.kubernetes.io/managed-by=angzarr";
        self.kubectl(&["wait", "pods", ours, "--for=delete", "--timeout=60s"]);
        self.kubectl(&["delete", "namespace", &self.namespace, "--timeout=60s"]);
    }
}

/// The Secret of a database, with an address that pods reach.
pub(crate) fn secret(place: &Place, database: &Database) -> String {
    let mut url: Url = database.url().parse().unwrap();
    let here = (Ipv4Addr::LOCALHOST, url.port().unwrap()).into();
    let there = place.node.expose(here);
    url.set_ip_host(there.ip()).unwrap();
    url.set_port(Some(there.port())).unwrap();
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": "shop-db" },
        "stringData": { "uri": url.as_str() },
    });
    secret.to_string()
}

/// Applies the shop with its events in a database.
fn apply_shop(place: &Place) {
    let examples = repository().join("examples");
    for entry in fs::read_dir(examples.join("shop")).unwrap() {
        let file = entry.unwrap().path();
        let file = match file.ends_with("event-store.yaml") {
            true => examples.join("postgres/event-store.yaml"),
            false => file,
        };
        place.apply(&fs::read_to_string(file).unwrap());
    }
}
