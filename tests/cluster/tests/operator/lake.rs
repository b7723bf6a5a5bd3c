//! A namespace with an operator of its own.

use std::time::Duration;

use angzarr_cluster::{ControlPlane, until};
use angzarr_operator::controller::{Election, Operator, Pace, Webhook, run};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::rights::account;

pub(crate) const STORE: &str = "
apiVersion: angzarr.io/v1alpha1
kind: EventStore
metadata: {name: heron}
spec: {storage: {type: sqlite}, bus: {type: direct}}
";

/// A component whose pods keep the restricted profile.
pub(crate) fn component(kind: &str, name: &str, fields: &str) -> String {
    format!(
        "---
apiVersion: angzarr.io/v1alpha1
kind: {kind}
metadata: {{name: {name}}}
spec:
  eventStoreRef: {{name: heron}}
  template:
    spec:
      securityContext: {{runAsNonRoot: true, runAsUser: 65532, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
      - name: logic
        image: {name}:1
        securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
{fields}
"
    )
}

/// An aggregate of a domain of the same name.
pub(crate) fn aggregate(name: &str) -> String {
    component("Aggregate", name, &format!("  domain: {name}"))
}

/// What selects the pods of a component.
fn of_component(name: &str) -> String {
    format!("angzarr.io/component={name}")
}

/// A namespace.
pub(crate) struct Lake {
    pub(crate) plane: &'static ControlPlane,
    /// A client of an administrator.
    pub(crate) client: Client,
    /// A client with the rights that the chart gives to an operator of the namespace.
    pub(crate) account: Client,
    pub(crate) namespace: String,
}

/// An operator of one namespace, ended with the test.
pub(crate) struct Running {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Ends it as a signal would.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        self.task.await.unwrap().unwrap();
    }

    /// Ends it as a crash would.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    /// Waits until it ends by itself; returns why.
    pub(crate) async fn failure(self) -> String {
        format!("{:#}", self.task.await.unwrap().unwrap_err())
    }
}

impl Lake {
    pub(crate) async fn new(prefix: &str) -> Self {
        Self::on(ControlPlane::shared().await, prefix).await
    }

    /// A namespace of another control plane than that of most tests.
    pub(crate) async fn on(plane: &'static ControlPlane, prefix: &str) -> Self {
        let client = plane.client().await;
        let namespace = plane.namespace(prefix).await;
        Self {
            account: account(plane, &client, &namespace).await,
            client,
            namespace,
            plane,
        }
    }

    /// Starts an operator.
    pub(crate) fn operate(&self) -> Running {
        self.operate_as(self.operator(), self.account.clone())
    }

    /// Starts an operator that reaches the API server through a client of the test's.
    pub(crate) fn operate_over(&self, client: Client, pace: Pace) -> Running {
        let operator = Operator {
            pace,
            ..self.operator()
        };
        self.operate_as(operator, client)
    }

    /// The flags of an operator of the namespace.
    pub(crate) fn operator(&self) -> Operator {
        Operator {
            namespace: Some(self.namespace.clone()),
            sidecar_image: "sidecar:9".to_owned(),
            instance: "angzarr".to_owned(),
            http: None,
            webhook: Webhook {
                webhook: None,
                webhook_host: None,
                webhook_namespace: Some(self.namespace.clone()),
                webhook_validity: "1h".parse().unwrap(),
            },
            election: Election {
                leader_election: false,
                lease_namespace: Some(self.namespace.clone()),
                lease_duration: Duration::from_secs(9),
                lease_retry: Duration::from_millis(200),
            },
            max_concurrent_rollouts: std::num::NonZeroUsize::new(5).unwrap(),
            probe_interval: "2s".parse().unwrap(),
            pace: Pace::default(),
        }
    }

    /// Starts an operator with flags and a client of its own.
    pub(crate) fn operate_as(&self, operator: Operator, client: Client) -> Running {
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(run(operator, client, stopped));
        Running {
            stop: Some(stop),
            task,
        }
    }

    /// Runs kubectl in the namespace.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        let inside = [&["--namespace", &self.namespace], arguments].concat();
        self.plane.kubectl(&inside)
    }

    /// Does the same with an input.
    pub(crate) fn kubectl_with(&self, arguments: &[&str], input: &str) -> String {
        let inside = [&["--namespace", &self.namespace], arguments].concat();
        self.plane.kubectl_with(&inside, input)
    }

    /// Does the same where the API server may warn.
    pub(crate) fn kubectl_warned(&self, arguments: &[&str]) {
        let inside = [&["--namespace", &self.namespace], arguments].concat();
        let ran = self.plane.try_kubectl(&inside, "");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{said}");
    }

    /// Applies resources as a person does.
    pub(crate) fn apply(&self, text: &str) {
        let arguments = ["--namespace", &self.namespace, "apply", "--filename", "-"];
        let ran = self.plane.try_kubectl(&arguments, text);
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{said}");
    }

    /// An object as it is.
    pub(crate) fn get(&self, object: &str) -> Value {
        let text = self.kubectl(&["get", object, "--output", "json"]);
        serde_json::from_str(&text).unwrap()
    }

    /// Waits until an object is not there.
    pub(crate) async fn is_gone(&self, object: &str) {
        until(&format!("the end of {object}"), async || {
            let arguments = ["--namespace", &self.namespace, "get", object];
            if self.plane.try_kubectl(&arguments, "").status.success() {
                return Err("it is still there".to_owned());
            }
            Ok(())
        })
        .await;
    }

    /// Waits for a condition of a resource with a reason; returns it.
    pub(crate) async fn condition(&self, object: &str, kind: &str, reason: &str) -> Value {
        until(&format!("{object} {kind} {reason}"), async || {
            let object = self.get(object);
            let conditions = object["status"]["conditions"].as_array();
            let mut found = conditions.into_iter().flatten();
            found
                .find(|it| it["type"] == kind && it["reason"] == reason)
                .cloned()
                .ok_or_else(|| object["status"].to_string())
        })
        .await
    }

    /// Waits for a condition of a resource with a message.
    pub(crate) async fn says(&self, object: &str, kind: &str, message: &str) {
        until(&format!("{object} {kind} {message}"), async || {
            let object = self.get(object);
            let conditions = object["status"]["conditions"].as_array();
            let mut found = conditions.into_iter().flatten();
            match found.find(|it| it["type"] == kind && it["message"] == message) {
                Some(_) => Ok(()),
                None => Err(object["status"].to_string()),
            }
        })
        .await
    }

    /// Waits until the controllers have made a number of pods of a component, and says of all of them that they are ready.
    pub(crate) async fn pods_become_ready(&self, component: &str, count: usize) {
        self.pods_with(&of_component(component), count).await;
    }

    /// Does the same for pods with labels.
    pub(crate) async fn pods_with(&self, selector: &str, count: usize) {
        let found = until("the pods", async || {
            let found = self.pods(selector).await;
            if found.len() == count {
                return Ok(found);
            }
            Err(format!("{} of {count}", found.len()))
        })
        .await;
        self.are_ready(&found).await;
    }

    /// Says of all pods of an aggregate that they are ready, until its present version serves.
    pub(crate) async fn comes_to_serve(&self, aggregate: &str) {
        until("the service of the present version", async || {
            self.are_ready(&self.pods(&of_component(aggregate)).await)
                .await;
            let object = self.get(&format!("agg/{aggregate}"));
            let conditions = object["status"]["conditions"].as_array();
            let mut conditions = conditions.into_iter().flatten();
            let serves = conditions.find(|it| it["type"] == "Ready" && it["status"] == "True");
            match serves.map(|it| &it["observedGeneration"]) {
                Some(version) if *version == object["metadata"]["generation"] => Ok(()),
                _ => Err(object["status"].to_string()),
            }
        })
        .await;
    }

    /// The pods with labels that are not about to end.
    async fn pods(&self, selector: &str) -> Vec<String> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let of = ListParams::default().labels(selector);
        let found = pods.list(&of).await.unwrap().items.into_iter();
        let staying = found.filter(|pod| pod.metadata.deletion_timestamp.is_none());
        staying.map(|pod| pod.name_any()).collect()
    }

    /// Says of pods that they are ready, as far as they are still there.
    async fn are_ready(&self, names: &[String]) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let ready = json!({ "status": {
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": "True" }],
        }});
        let how = PatchParams::default();
        for name in names {
            match pods.patch_status(name, &how, &Patch::Merge(&ready)).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                patched => drop(patched.unwrap()),
            }
        }
    }
}
