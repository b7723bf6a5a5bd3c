//! The shop, from its resources to the reply to a command.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use angzarr_cluster::{ControlPlane, Node, built, repository, until};
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use serde_json::json;
use shop_contract::customer::v1::CreateCustomer;
use shop_system::Client;
use tonic::transport::Endpoint;

/// How many claims the shop has: that of each component, and that of the page's rows.
const CLAIMS: usize = 8;
const PORT: u16 = 9000;

/// Applies what `angzarr render` prints for the shop, with the claim that its page needs.
fn apply_shop(plane: &ControlPlane, namespace: &str) {
    let rendered = Command::new(built("angzarr"))
        .args(["render", "--namespace", namespace, "--folder"])
        .arg(repository().join("examples/shop"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&rendered.stderr);
    assert!(rendered.status.success(), "{said}");
    let claim = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": { "name": "shop-web", "namespace": namespace },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": { "requests": { "storage": "1Gi" } },
        },
    });
    let objects = String::from_utf8(rendered.stdout).unwrap() + "---\n" + &claim.to_string();
    plane.kubectl_with(&["apply", "--filename", "-"], &objects);
}

/// The address of a Service in the cluster.
async fn service(plane: &ControlPlane, namespace: &str, name: &str) -> SocketAddr {
    let services: Api<Service> = Api::namespaced(plane.client().await, namespace);
    let service = services.get(name).await.unwrap();
    let address: IpAddr = service.spec.unwrap().cluster_ip.unwrap().parse().unwrap();
    (address, PORT).into()
}

#[tokio::test]
async fn the_shop_becomes_ready_and_replies_to_a_command_through_a_service() {
    let node = Node::shared().await;
    let plane = node.plane();
    let namespace = plane.namespace("shop").await;
    node.add_volumes(&namespace, CLAIMS);
    apply_shop(plane, &namespace);
    let available = "--for=condition=Available";
    let waited = plane.try_kubectl(
        &[
            "wait",
            "deployment",
            "--all",
            available,
            "--timeout=120s",
            "--namespace",
            &namespace,
        ],
        "",
    );
    let pods = || plane.kubectl(&["describe", "pods", "--namespace", &namespace]);
    assert!(waited.status.success(), "{waited:?}\n{}", pods());

    // Through the Service of another domain, so that the sidecar there passes the command on to the owner.
    let at = node.reach(service(plane, &namespace, "inventory-agg").await);
    let channel = Endpoint::from_shared(format!("http://{at}")).unwrap();
    let client = Client::new(channel.connect_lazy());
    let customer = CreateCustomer {
        name: "Ada".to_owned(),
        email: "ada@example.org".to_owned(),
    };
    let root = [7; 16];
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let reply = client.execute(("customer", &root), id, &customer).await;
    assert_eq!(reply.unwrap().events.unwrap().pages.len(), 1);
    let events = client.events("customer", &root).await.unwrap();
    assert_eq!(events.len(), 1);
    until("the line of the projector", async || {
        let of = [
            "logs",
            "deployment/logging-prj",
            "--container=logic",
            "--namespace",
        ];
        let lines = plane.kubectl(&[&of[..], &[&namespace]].concat());
        match lines.contains("shop.customer.v1.CustomerCreated") {
            true => Ok(()),
            false => Err(lines),
        }
    })
    .await;
}
