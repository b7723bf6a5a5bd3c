//! More and fewer pods of a component while it works.

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use angzarr_cluster::{repository, until};
use angzarr_servers::postgres::{Database, Server};
use serde_json::json;
use shop_system::Client;
use tokio::task::JoinSet;
use url::Url;

use crate::place::{Place, send_customer};

/// How many clients send commands at the same time.
const CLIENTS: u32 = 3;
/// How many commands are to succeed with each number of pods.
const COMMANDS: u32 = 30;

/// The Secret of a database, with an address that pods reach.
fn secret(place: &Place, database: &Database) -> String {
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

/// Clients that create customers until they are stopped, and how many each created.
struct Load {
    is_stopped: Arc<AtomicBool>,
    created: Arc<AtomicU32>,
    clients: JoinSet<(Client, u32, u32)>,
}

/// The root of a customer that a client created.
fn root(client: u32, number: u32) -> [u8; 16] {
    (u128::from(client) << 64 | u128::from(number)).to_be_bytes()
}

impl Load {
    async fn start(place: &Place) -> Self {
        let (is_stopped, created) = (Arc::default(), Arc::default());
        let mut clients = JoinSet::new();
        for id in 1..=CLIENTS {
            let client = place.client("customer-agg").await;
            let (is_stopped, created): (Arc<AtomicBool>, Arc<AtomicU32>) =
                (Arc::clone(&is_stopped), Arc::clone(&created));
            clients.spawn(async move {
                let mut count = 0;
                while !is_stopped.load(Ordering::Relaxed) {
                    send_customer(&client, &root(id, count)).await;
                    count += 1;
                    created.fetch_add(1, Ordering::Relaxed);
                }
                (client, id, count)
            });
        }
        Self {
            is_stopped,
            created,
            clients,
        }
    }

    /// Waits until more commands have succeeded.
    async fn goes_on(&self) {
        let before = self.created.load(Ordering::Relaxed);
        until("further commands", async || {
            match self.created.load(Ordering::Relaxed) - before {
                count if count >= COMMANDS => Ok(()),
                count => Err(format!("{count} so far")),
            }
        })
        .await;
    }

    /// Stops the clients and checks that each command took effect once.
    async fn stop(self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        for (client, id, count) in self.clients.join_all().await {
            for number in 0..count {
                let events = client.events("customer", &root(id, number)).await;
                assert_eq!(events.unwrap().len(), 1, "customer {number} of {id}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_on_postgres_is_scaled_to_three_and_back_under_load_without_a_lost_command() {
    let place = Place::new("scaled").await;
    let database = Arc::new(Server::alone(&[]).await).database().await;
    place.apply(&secret(&place, &database));
    place.start_operator();
    apply_shop(&place);
    let kinds = "eventstores,aggregates,sagas,projectors";
    let ready = ["--for=condition=Ready", "--timeout=120s"];
    place.kubectl(&[&["wait", kinds, "--all"], &ready[..]].concat());
    let load = Load::start(&place).await;
    load.goes_on().await;
    for pods in ["3", "1"] {
        place.kubectl(&["scale", "aggregate/customer", "--replicas", pods]);
        let reached = format!("--for=jsonpath={{.status.pods}}={pods}/{pods}");
        place.kubectl(&["wait", "aggregate/customer", &reached, "--timeout=90s"]);
        load.goes_on().await;
    }
    load.stop().await;
}
