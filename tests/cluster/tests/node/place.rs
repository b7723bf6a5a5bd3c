//! A namespace with room for a shop, and a client of what runs in it.

use std::net::{IpAddr, SocketAddr};

use angzarr_cluster::{ControlPlane, Node, until};
use k8s_openapi::api::core::v1::Service;
use kube::Api;
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
    node: &'static Node,
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
            let described = ["describe", "pods", "--namespace", &self.namespace];
            let pods = self.plane.kubectl(&described);
            let said = String::from_utf8_lossy(&ran.stderr);
            panic!("kubectl {arguments:?}: {said}\n{pods}");
        }
        String::from_utf8(ran.stdout).unwrap()
    }

    /// Creates a customer by the Service of another domain, so that the sidecar there passes the command on, and waits until the projector has
    /// logged the event.
    pub(crate) async fn serves_a_command(&self) {
        let at = self.node.reach(self.service("inventory-agg").await);
        let channel = Endpoint::from_shared(format!("http://{at}")).unwrap();
        let client = Client::new(channel.connect_lazy());
        let customer = CreateCustomer {
            name: "Ada".to_owned(),
            email: "ada@example.org".to_owned(),
        };
        let root = [7; 16];
        let reply = client
            .execute(("customer", &root), "create-ada", &customer)
            .await;
        assert_eq!(reply.unwrap().events.unwrap().pages.len(), 1);
        assert_eq!(client.events("customer", &root).await.unwrap().len(), 1);
        until("the line of the projector", async || {
            let lines = self.kubectl(&["logs", "deployment/logging-prj", "--container=logic"]);
            match lines.contains("shop.customer.v1.CustomerCreated") {
                true => Ok(()),
                false => Err(lines),
            }
        })
        .await;
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
