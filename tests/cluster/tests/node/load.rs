//! Customers who buy, whatever happens meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use angzarr_cluster::until;
use shop_contract::customer::v1::LoyaltyPointsAdded;
use shop_contract::inventory::v1::{InitializeStock, ReservationCommitted};
use shop_contract::inventory_root;
use shop_contract::order::v1::OrderCompleted;
use shop_system::{Client, PRODUCT, Purchase, of_type};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::place::{Place, create_customer};

/// How many customers buy at the same time.
const CUSTOMERS: u128 = 3;
/// After how many more purchases the load has gone on.
const PURCHASES: u32 = 8;

/// Customers who buy one thing after the other until they are stopped. Each purchase is four commands to two domains and two by a saga.
pub(crate) struct Load {
    is_stopped: Arc<AtomicBool>,
    bought: Arc<AtomicU32>,
    customers: JoinSet<(Uuid, Vec<Purchase>)>,
    client: Client,
}

impl Load {
    /// Fills the stock and lets the customers in.
    pub(crate) async fn start(place: &Place) -> Self {
        // Each customer by another Service, which passes on what is not its own.
        let services = ["customer-agg", "inventory-agg", "order-agg"];
        let client = place.client(services[0]).await;
        let stock = InitializeStock {
            product_id: PRODUCT.to_owned(),
            quantity: 1_000_000,
            low_stock_threshold: 0,
        };
        let root = inventory_root(PRODUCT);
        let stocked = client
            .execute(("inventory", &root), "stock-of-load", &stock)
            .await;
        stocked.unwrap();
        let mut load = Self {
            is_stopped: Arc::default(),
            bought: Arc::default(),
            customers: JoinSet::new(),
            client,
        };
        for (number, service) in (1..=CUSTOMERS).zip(services.iter().cycle()) {
            let customer = Uuid::from_u128(number);
            let client = place.client(service).await;
            create_customer(&client, customer.as_bytes()).await;
            let (is_stopped, bought) = (Arc::clone(&load.is_stopped), Arc::clone(&load.bought));
            load.customers.spawn(async move {
                let mut purchases = Vec::new();
                while !is_stopped.load(Ordering::Relaxed) {
                    let purchase = Purchase::of(customer);
                    purchase.place(&client).await.unwrap();
                    purchase.pay(&client).await.unwrap();
                    purchases.push(purchase);
                    bought.fetch_add(1, Ordering::Relaxed);
                }
                (customer, purchases)
            });
        }
        load
    }

    /// Waits for further purchases.
    pub(crate) async fn goes_on(&self) {
        let before = self.bought.load(Ordering::Relaxed);
        until("further purchases", async || {
            match self.bought.load(Ordering::Relaxed) - before {
                count if count >= PURCHASES => Ok(()),
                count => Err(format!("{count} so far")),
            }
        })
        .await;
    }

    /// Stops the customers, and checks that each command and each reaction took effect once.
    pub(crate) async fn stop(self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        let mut all = 0;
        for (customer, purchases) in self.customers.join_all().await {
            all += purchases.len();
            for purchase in &purchases {
                let completed = count::<OrderCompleted>(&self.client, "order", purchase.order);
                assert_eq!(completed.await, 1, "{purchase:?}");
            }
            until("the points of a customer", async || {
                let points = count::<LoyaltyPointsAdded>(&self.client, "customer", customer).await;
                is_reached(points, purchases.len())
            })
            .await;
        }
        until("the committed reservations", async || {
            let root = inventory_root(PRODUCT);
            let events = self.client.events("inventory", &root).await.unwrap();
            is_reached(of_type::<ReservationCommitted>(&events).len(), all)
        })
        .await;
    }
}

/// How many events of a type a root has.
async fn count<M: prost::Name + Default>(client: &Client, domain: &str, root: Uuid) -> usize {
    let events = client.events(domain, root.as_bytes()).await;
    of_type::<M>(&events.unwrap()).len()
}

/// Whether as many are there as are wanted; more will never be right.
fn is_reached(count: usize, wanted: usize) -> Result<(), String> {
    assert!(count <= wanted, "{count} instead of {wanted}");
    match count == wanted {
        true => Ok(()),
        false => Err(format!("{count} of {wanted}")),
    }
}
