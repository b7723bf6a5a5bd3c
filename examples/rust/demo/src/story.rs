//! The demonstration: orders are paid and cancelled, a sidecar is killed under load, and the totals are checked.

use angzarr_proto::v1::CommandResponse;
use angzarr_proto::v1::event_page::Sequence;
use anyhow::Result;
use shop_contract::customer::v1::{CreateCustomer, LoyaltyPointsAdded};
use shop_contract::inventory::v1::{InitializeStock, ReservationCommitted, ReservationReleased};
use shop_contract::order::v1::{OrderCompleted, OrderStatus};
use shop_contract::web::v1::OrderView;
use shop_contract::{decode, inventory_root};
use shop_system::{Client, PRICE_CENTS, PRODUCT, Purchase, System, of_type, wait};
use tokio::task::JoinSet;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::report::Report;

/// Points for one order: a point for each whole unit of money.
const POINTS: i32 = PRICE_CENTS / 100;
const STOCK: i32 = 1_000;
/// Customers who buy concurrently while a sidecar is killed, and the number of orders of each.
const BUYERS: usize = 8;
const ORDERS_EACH: usize = 5;

/// Runs the demonstration.
pub(crate) async fn run(system: &System, report: &mut Report) -> Result<()> {
    // Any sidecar is a gateway to every domain; this one does not own the orders.
    let client = Client::new(system.channel("customer")?);
    let customer = open_shop(&client, report).await?;
    buy_and_cancel(&client, customer, report).await?;
    repeat_and_refuse(&client, customer, report).await?;
    let bought = buy_during_kill(system, &client, customer, report).await?;
    check_totals(&client, customer, &bought, report).await?;
    check_page(system, bought.len() + 2, report).await
}

async fn open_shop(client: &Client, report: &mut Report) -> Result<Uuid> {
    report.step("A customer and some stock");
    let customer = Uuid::new_v4();
    let create = CreateCustomer {
        name: "Ada".to_owned(),
        email: "ada@example.org".to_owned(),
    };
    client
        .execute(
            ("customer", customer.as_bytes()),
            "create-customer",
            &create,
        )
        .await?;
    let stock = InitializeStock {
        product_id: PRODUCT.to_owned(),
        quantity: STOCK,
        low_stock_threshold: 0,
    };
    client
        .execute(("inventory", &inventory_root(PRODUCT)), "stock", &stock)
        .await?;
    let created = client.events("customer", customer.as_bytes()).await?.len();
    report.check(created == 1, "the stream of the customer has one event");
    Ok(customer)
}

async fn buy_and_cancel(client: &Client, customer: Uuid, report: &mut Report) -> Result<()> {
    report.step("An order is paid, and the command waits for the projection");
    let paid = Purchase::of(customer);
    paid.place(client).await?;
    let view = projection(&paid.pay_and_wait(client).await?);
    report.check(
        view.status() == OrderStatus::Completed && view.total_cents == PRICE_CENTS,
        "the reply has the order of the web projector, which is completed",
    );
    let order = client.events("order", paid.order.as_bytes()).await?;
    report.stream("order", &order);

    report.step("Another order is cancelled; the sagas react to both");
    let cancelled = Purchase::of(customer);
    cancelled.place(client).await?;
    cancelled.cancel(client).await?;
    let reached = wait(async || reserved(client).await.is_ok_and(|counts| counts == (1, 1))).await;
    report.check(
        reached.is_ok(),
        "loyalty-earn committed the stock of the first, cancellation released that of the second",
    );
    let earned = async || points(client, customer).await;
    let reached = wait(async || earned().await.is_ok_and(|points| points == (1, POINTS))).await;
    report.check(
        reached.is_ok(),
        format!("the customer earned {POINTS} points, once"),
    );
    show(client, cancelled, customer, report).await
}

/// Prints the streams of a purchase.
async fn show(client: &Client, purchase: Purchase, customer: Uuid, report: &Report) -> Result<()> {
    let stock = inventory_root(PRODUCT);
    let roots = [
        ("order", &purchase.order.as_bytes()[..]),
        ("customer", customer.as_bytes()),
        ("inventory", &stock),
    ];
    for (domain, root) in roots {
        report.stream(domain, &client.events(domain, root).await?);
    }
    Ok(())
}

/// The order of the web projector; the default if it is missing.
fn projection(response: &CommandResponse) -> OrderView {
    let mut projections = response.projections.iter();
    let web = projections.find(|projection| projection.projector == "web");
    let view = web.and_then(|projection| projection.projection.as_ref());
    view.and_then(|view| decode(view).ok().flatten())
        .unwrap_or_default()
}

async fn repeat_and_refuse(client: &Client, customer: Uuid, report: &mut Report) -> Result<()> {
    report.step("A repeat and a refusal");
    let create = CreateCustomer {
        name: "Ada".to_owned(),
        email: "ada@example.org".to_owned(),
    };
    let root = ("customer", &customer.as_bytes()[..]);
    let again = client.execute(root, "create-customer", &create).await?;
    let replayed = again.receipt.is_some_and(|receipt| receipt.replayed);
    report.check(
        replayed,
        "the same command id gets the first reply, and nothing is stored twice",
    );
    let refused = client
        .execute(root, "create-customer-twice", &create)
        .await
        .err();
    let code = refused.as_ref().map(Status::code);
    report.check(
        code == Some(Code::FailedPrecondition),
        format!(
            "a second creation is refused: {}",
            refused.as_ref().map_or("", Status::message)
        ),
    );
    Ok(())
}

async fn buy_during_kill(
    system: &System,
    client: &Client,
    customer: Uuid,
    report: &mut Report,
) -> Result<Vec<Purchase>> {
    report.step(format_args!(
        "{BUYERS} customers buy concurrently while the order sidecar is killed"
    ));
    let mut buyers = JoinSet::new();
    for _ in 0..BUYERS {
        let client = client.clone();
        buyers.spawn(async move {
            let mut bought = Vec::with_capacity(ORDERS_EACH);
            for _ in 0..ORDERS_EACH {
                let purchase = Purchase::of(customer);
                purchase.place(&client).await?;
                purchase.pay(&client).await?;
                bought.push(purchase);
            }
            Ok::<_, Status>(bought)
        });
    }
    wait(async || {
        reserved_events(client)
            .await
            .is_ok_and(|count| count > BUYERS + 4)
    })
    .await?;
    let killed = system.kill("order").await?;
    let mut bought = Vec::new();
    while let Some(ended) = buyers.join_next().await {
        bought.extend(ended??);
    }
    system.until_replaced("order", killed).await?;
    let wanted = BUYERS * ORDERS_EACH;
    report.check(
        bought.len() == wanted,
        format!("process {killed} was killed, and all {wanted} orders were acknowledged"),
    );
    Ok(bought)
}

async fn check_totals(
    client: &Client,
    customer: Uuid,
    bought: &[Purchase],
    report: &mut Report,
) -> Result<()> {
    report.step("The totals are checked");
    let mut is_complete = true;
    for purchase in bought {
        let events = client.events("order", purchase.order.as_bytes()).await?;
        let sequences: Vec<_> = events.iter().map(|page| page.sequence).collect();
        let expected = [0, 1, 2].map(|sequence| Some(Sequence::Num(sequence)));
        is_complete &= sequences == expected && of_type::<OrderCompleted>(&events).len() == 1;
    }
    report.check(
        is_complete,
        "every order is created, paid and completed once: nothing is lost or duplicated",
    );
    let completed = i32::try_from(bought.len())? + 1;
    let times = bought.len() + 1;
    let reached = wait(async || {
        points(client, customer)
            .await
            .is_ok_and(|(count, _)| count >= times)
    })
    .await;
    let earned = points(client, customer).await?;
    report.check(
        reached.is_ok() && earned == (times, completed * POINTS),
        format!("{times} completed orders earned {} points", earned.1),
    );
    let reached = wait(async || {
        reserved(client)
            .await
            .is_ok_and(|(committed, _)| committed >= times)
    })
    .await;
    let (committed, released) = reserved(client).await?;
    report.check(
        reached.is_ok() && (committed, released) == (times, 1),
        format!("{committed} reservations were committed, {released} was released"),
    );
    let events = client.events("inventory", &inventory_root(PRODUCT)).await?;
    let last = of_type::<ReservationCommitted>(&events)
        .pop()
        .unwrap_or_default();
    report.check(
        last.new_on_hand == STOCK - completed && last.new_reserved == 0,
        format!(
            "{} of {STOCK} teapots are left, none is reserved",
            last.new_on_hand
        ),
    );
    Ok(())
}

async fn check_page(system: &System, orders: usize, report: &mut Report) -> Result<()> {
    let title = format!("<h1>Orders ({orders})</h1>");
    let reached = wait(async || system.page().await.is_ok_and(|page| page.contains(&title))).await;
    let page = system.page().await?;
    let completed = page.matches("<td>completed").count();
    report.check(
        reached.is_ok() && completed == orders - 1,
        format!("the web page shows {orders} orders, {completed} of them completed"),
    );
    Ok(())
}

/// How often the customer earned points, and how many.
async fn points(client: &Client, customer: Uuid) -> Result<(usize, i32), Status> {
    let events = client.events("customer", customer.as_bytes()).await?;
    let added: Vec<LoyaltyPointsAdded> = of_type(&events);
    Ok((added.len(), added.iter().map(|added| added.points).sum()))
}

/// How many reservations were committed, and how many were released.
async fn reserved(client: &Client) -> Result<(usize, usize), Status> {
    let events = client.events("inventory", &inventory_root(PRODUCT)).await?;
    Ok((
        of_type::<ReservationCommitted>(&events).len(),
        of_type::<ReservationReleased>(&events).len(),
    ))
}

async fn reserved_events(client: &Client) -> Result<usize, Status> {
    Ok(client
        .events("inventory", &inventory_root(PRODUCT))
        .await?
        .len())
}
