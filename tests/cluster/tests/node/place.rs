//! A namespace with room for a shop, and a client of what runs in it.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use angzarr_cluster::{ControlPlane, Node, until};
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use shop_contract::customer::v1::CreateCustomer;
use shop_system::Client;
use tonic::transport::Endpoint;

/// How many claims the shop has: that of each component, and that of the page's rows.
const CLAIMS: usize = 8;
/// The port of a sidecar for clients.
const PORT: u16 = 9000;

/// A namespace on the node.
pub(crate) struct Place {
    pub(crate) node: &'static Node,
    pub(crate) plane: &'static ControlPlane,
    pub(crate) namespace: String,
}

impl Place {
    /// Creates a namespace with the claim that the page of the shop needs, and volumes.
    pub(crate) async fn new(prefix: &str) -> Self {
        let node = Node::shared().await;
        let plane = node.plane();
        let namespace = plane.namespace(prefix).await;
        node.add_volumes(&namespace, CLAIMS);
        let place = Self {
            node,
            plane,
            namespace,
        };
        let claim = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": { "name": "shop-web" },
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": { "requests": { "storage": "1Gi" } },
            },
        });
        place.apply(&claim.to_string());
        place
    }

    /// Applies objects in the namespace.
    pub(crate) fn apply(&self, objects: &str) {
        let arguments = ["apply", "--namespace", &self.namespace, "--filename", "-"];
        self.plane.kubectl_with(&arguments, objects);
    }

    /// Starts an operator of this namespace only.
    pub(crate) fn start_operator(&self) {
        self.apply(&operator(&self.namespace));
    }

    /// Runs kubectl in the namespace; shows the pods when it fails.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        let inside = [&["--namespace", &self.namespace], arguments].concat();
        let ran = self.plane.try_kubectl(&inside, "");
        if !ran.status.success() {
            let described = ["describe", "pods", "--namespace", &self.namespace];
            let pods = self.plane.kubectl(&described);
            let said = String::from_utf8_lossy(&ran.stderr);
            panic!("kubectl {arguments:?}: {said}\n{pods}");
        }
        String::from_utf8(ran.stdout).unwrap()
    }

    /// A client by the Service of a component.
    pub(crate) async fn client(&self, service: &str) -> Client {
        let at = self.node.reach(self.service(service).await);
        let channel = Endpoint::from_shared(format!("http://{at}")).unwrap();
        Client::new(channel.connect_lazy())
    }

    /// Creates a customer by the Service of another domain, so that the sidecar there passes the command on, and waits until the projector has
    /// logged the event.
    pub(crate) async fn serves_a_command(&self) {
        let client = self.client("inventory-agg").await;
        create_customer(&client, ADA).await;
        until("the line of the projector", async || {
            let lines = self.kubectl(&["logs", "deployment/logging-prj", "--container=logic"]);
            match lines.contains("shop.customer.v1.CustomerCreated") {
                true => Ok(()),
                false => Err(lines),
            }
        })
        .await;
    }

    /// Kills the processes of a program in the pods of a component, as a crash would, and waits until they run again.
    pub(crate) async fn kill(&self, component: &str, program: &str) {
        let before = self.restarts(component);
        let of = format!("--selector=angzarr.io/component={component}");
        let ids = "--output=jsonpath={.items[*].metadata.uid}";
        let ids = self.kubectl(&["get", "pods", &of, ids]);
        let mut killed = 0;
        for id in ids.split(' ') {
            for process in processes(id, program) {
                kill_process(process, Signal::KILL).unwrap();
                killed += 1;
            }
        }
        assert!(killed > 0, "{component} has no {program}");
        until("the restart of what was killed", async || {
            match self.restarts(component) {
                count if count >= before + killed => Ok(()),
                count => Err(format!("{count} restarts")),
            }
        })
        .await;
        self.kubectl(&[
            "wait",
            "pods",
            &of,
            "--for=condition=Ready",
            "--timeout=60s",
        ]);
    }

    /// How often containers of a component were restarted.
    fn restarts(&self, component: &str) -> u32 {
        let of = format!("--selector=angzarr.io/component={component}");
        let [first, others] = ["initContainerStatuses", "containerStatuses"]
            .map(|list| format!("{{.items[*].status.{list}[*].restartCount}}"));
        let path = format!("--output=jsonpath={first} {others}");
        let counts = self.kubectl(&["get", "pods", &of, &path]);
        let counts = counts.split_whitespace();
        counts.map(|count| count.parse::<u32>().unwrap()).sum()
    }

    /// The address of a Service in the cluster.
    async fn service(&self, name: &str) -> SocketAddr {
        let client = self.plane.client().await;
        let services: Api<Service> = Api::namespaced(client, &self.namespace);
        let service = services.get(name).await.unwrap();
        let address: IpAddr = service.spec.unwrap().cluster_ip.unwrap().parse().unwrap();
        (address, PORT).into()
    }
}

/// A customer.
pub(crate) const ADA: &[u8] = &[7; 16];

/// Creates a customer, under the same id each time, and checks that it was created once.
pub(crate) async fn create_customer(client: &Client, root: &[u8]) {
    send_customer(client, root).await;
    assert_eq!(client.events("customer", root).await.unwrap().len(), 1);
}

/// Creates a customer, under the same id each time.
pub(crate) async fn send_customer(client: &Client, root: &[u8]) {
    let customer = CreateCustomer {
        name: "Ada".to_owned(),
        email: "ada@example.org".to_owned(),
    };
    let id = format!("create-{root:?}");
    let reply = client.execute(("customer", root), &id, &customer).await;
    assert_eq!(reply.unwrap().events.unwrap().pages.len(), 1);
}

/// The processes of a program in a pod, which is in the name of their control groups.
fn processes(pod: &str, program: &str) -> Vec<Pid> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let read = |file: &str| fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        let is_in_pod = read("cgroup").contains(pod);
        if is_in_pod && read("cmdline").starts_with(program) {
            let id = entry.file_name().to_str().unwrap().parse().unwrap();
            found.push(Pid::from_raw(id).unwrap());
        }
    }
    found
}

/// An operator of one namespace, in which its account may do everything.
fn operator(namespace: &str) -> String {
    let metadata = json!({ "name": "operator" });
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata,
    });
    let rights = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "cluster-admin",
        },
        "subjects": [{ "kind": "ServiceAccount", "name": "operator", "namespace": namespace }],
    });
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "selector": { "matchLabels": { "app": "operator" } },
            "template": {
                "metadata": { "labels": { "app": "operator" } },
                "spec": {
                    "serviceAccountName": "operator",
                    // A namespace is gone only after half of the longest time that a pod of it may take.
                    "terminationGracePeriodSeconds": 4,
                    "containers": [{
                        "name": "operator",
                        "image": concat!("angzarr-operator:", env!("CARGO_PKG_VERSION")),
                        "args": ["operator", "--namespace", namespace],
                        "securityContext": {
                            "runAsNonRoot": true,
                            "readOnlyRootFilesystem": true,
                            "allowPrivilegeEscalation": false,
                            "capabilities": { "drop": ["ALL"] },
                            "seccompProfile": { "type": "RuntimeDefault" },
                        },
                    }],
                },
            },
        },
    });
    let list =
        json!({ "apiVersion": "v1", "kind": "List", "items": [account, rights, deployment] });
    list.to_string()
}
