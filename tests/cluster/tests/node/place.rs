//! A namespace with room for a shop, and a client of what runs in it.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use angzarr_cluster::{ControlPlane, Node, until};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::Api;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use shop_contract::customer::v1::CreateCustomer;
use shop_system::Client;
use tonic::transport::Endpoint;

/// How many claims the shop has: that of each component, and that of the page's rows.
const CLAIMS: usize = 8;
/// The port of a sidecar for clients.
const PORT: u16 = 9000;

/// A container that has run, with the id of its pod.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) pod: String,
    pub(crate) name: String,
    pub(crate) restarts: usize,
}

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

    /// Runs kubectl in the namespace; shows the pods when it fails.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        let inside = [&["--namespace", &self.namespace], arguments].concat();
        let ran = self.plane.try_kubectl(&inside, "");
        if !ran.status.success() {
            let said = String::from_utf8_lossy(&ran.stderr);
            panic!("kubectl {arguments:?}: {said}\n{}", self.pods());
        }
        String::from_utf8(ran.stdout).unwrap()
    }

    /// Describes the pods.
    pub(crate) fn pods(&self) -> String {
        let describe = ["describe", "pods", "--namespace", &self.namespace];
        self.plane.kubectl(&describe)
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

    /// The containers of a component.
    pub(crate) fn containers(&self, component: &str) -> Vec<Container> {
        let of = format!("--selector=angzarr.io/component={component}");
        let pods = self.kubectl(&["get", "pods", &of, "--output=json"]);
        let mut pods: Value = serde_json::from_str(&pods).unwrap();
        let pods: Vec<Pod> = serde_json::from_value(pods["items"].take()).unwrap();
        let mut containers = Vec::new();
        for pod in pods {
            let status = pod.status.unwrap_or_default();
            let lists = [status.init_container_statuses, status.container_statuses];
            let all = lists.into_iter().flatten().flatten();
            containers.extend(all.map(|it| Container {
                pod: pod.metadata.uid.clone().unwrap(),
                name: it.name,
                restarts: usize::try_from(it.restart_count).unwrap(),
            }));
        }
        containers
    }

    /// How often containers of a component were restarted.
    fn restarts(&self, component: &str) -> usize {
        let containers = self.containers(component);
        containers.iter().map(|it| it.restarts).sum()
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
    let customer = CreateCustomer {
        name: "Ada".to_owned(),
        email: "ada@example.org".to_owned(),
    };
    let id = format!("create-{root:?}");
    let reply = client.execute(("customer", root), &id, &customer).await;
    assert_eq!(reply.unwrap().events.unwrap().pages.len(), 1);
    assert_eq!(client.events("customer", root).await.unwrap().len(), 1);
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
