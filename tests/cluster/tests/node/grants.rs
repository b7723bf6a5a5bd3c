//! A store of one namespace, and components of another.

use std::fs;
use std::sync::Arc;

use angzarr_cluster::repository;
use angzarr_servers::postgres::Server;
use serde_json::Value;

use crate::place::Place;
use crate::story::secret;

/// A file of the shop, of an installation of its own.
fn of(place: &Place, file: &str) -> String {
    let text = fs::read_to_string(repository().join("examples").join(file)).unwrap();
    let label = format!(
        "metadata:\n  labels: {{angzarr.io/instance: {}}}\n",
        place.namespace
    );
    text.replacen("metadata:\n", &label, 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_on_postgres_is_prepared_and_used_from_another_namespace() {
    let (provider, tenant) = (Place::new("provider").await, Place::new("tenant").await);
    let database = Arc::new(Server::alone(&[]).await).database().await;
    provider.apply(&secret(&provider, &database));
    let instance = format!("instance={}", provider.namespace);
    provider.install_operator_with(&["scope=cluster", &instance]);
    let store = of(&provider, "postgres/event-store.yaml");
    provider.apply(&format!("{store}  allowedNamespaces: {{from: All}}\n"));
    provider.apply(&of(&provider, "shop/customer.yaml"));
    let abroad = format!(
        "    name: shop\n    namespace: {}\n    connectionSecretRef: {{name: shop-db}}\n",
        provider.namespace
    );
    // The credentials of the tenant are its own.
    tenant.apply(&secret(&tenant, &database));
    for file in ["shop/inventory.yaml", "shop/logging.yaml"] {
        let text = of(&provider, file).replace("    name: shop\n", &abroad);
        tenant.apply(&text.replace("    - domain: order\n", ""));
    }
    provider.are_ready(&["eventstore/shop", "aggregate/customer"]);
    tenant.are_ready(&["aggregate/inventory", "projector/logging"]);
    let jobs = [
        "wait",
        "jobs",
        "--all",
        "--for=condition=Complete",
        "--timeout=60s",
    ];
    provider.kubectl(&jobs);
    let store = provider.kubectl(&["get", "eventstore/shop", "--output=json"]);
    let store: Value = serde_json::from_str(&store).unwrap();
    assert_eq!(store["status"]["storeId"].as_str().unwrap().len(), 36);
    assert_eq!(store["status"]["usedBy"].as_array().unwrap().len(), 3);
    let conditions = store["status"]["conditions"].to_string();
    assert!(
        conditions.contains("\"reason\":\"Migrated\""),
        "{conditions}"
    );
    // By the sidecar of one namespace to the domain of the other, and its event back.
    tenant.serves_a_command().await;
    provider.uninstall_operator();
    for place in [&tenant, &provider] {
        place.kubectl(&["delete", "namespace", &place.namespace, "--timeout=60s"]);
    }
}
