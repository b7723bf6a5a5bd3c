//! One purchase, command by command.

use angzarr_proto::v1::CommandResponse;
use shop_contract::inventory::v1::ReserveStock;
use shop_contract::order::v1::{
    CancelOrder, ConfirmPayment, CreateOrder, OrderItem, SubmitPayment,
};
use shop_contract::{command_to, inventory_root};
use tonic::Status;
use uuid::Uuid;

use crate::Client;

/// What is bought.
pub const PRODUCT: &str = "teapot";
/// What one costs.
pub const PRICE_CENTS: i32 = 2_500;

/// An order of one teapot, with the cart that its reservation is named after.
#[derive(Debug, Clone, Copy)]
pub struct Purchase {
    customer: Uuid,
    cart: Uuid,
    /// The root of the order.
    pub order: Uuid,
}

impl Purchase {
    /// Creates a purchase; nothing is sent yet.
    pub fn of(customer: Uuid) -> Self {
        Self {
            customer,
            order: Uuid::new_v4(),
            cart: Uuid::new_v4(),
        }
    }

    /// Reserves the stock and creates the order.
    ///
    /// # Errors
    /// As for [`Client::execute`].
    pub async fn place(&self, client: &Client) -> Result<(), Status> {
        let reserve = ReserveStock {
            quantity: 1,
            order_id: self.cart.to_string(),
        };
        let stock = inventory_root(PRODUCT);
        let id = format!("reserve-{}", self.cart);
        client.execute(("inventory", &stock), &id, &reserve).await?;
        let item = OrderItem {
            product_id: PRODUCT.to_owned(),
            name: "A teapot".to_owned(),
            quantity: 1,
            unit_price_cents: PRICE_CENTS,
        };
        let create = CreateOrder {
            customer_id: self.customer.to_string(),
            items: vec![item],
            customer_root: self.customer.as_bytes().to_vec(),
            cart_root: self.cart.as_bytes().to_vec(),
        };
        let id = format!("create-{}", self.order);
        client.execute(self.root(), &id, &create).await?;
        Ok(())
    }

    /// Pays for the order, which completes it.
    ///
    /// # Errors
    /// As for [`Client::execute`].
    pub async fn pay(&self, client: &Client) -> Result<(), Status> {
        self.submit(client).await?;
        let id = format!("confirm-{}", self.order);
        client
            .execute(self.root(), &id, &self.confirmation())
            .await?;
        Ok(())
    }

    /// Does the same and waits until the synchronous projectors have the completed order.
    ///
    /// # Errors
    /// As for [`Client::execute`].
    pub async fn pay_and_wait(&self, client: &Client) -> Result<CommandResponse, Status> {
        self.submit(client).await?;
        let (domain, root) = self.root();
        let mut book = command_to(domain, root, &self.confirmation());
        book.command_id = format!("confirm-{}", self.order);
        // The sequence that this client expects, after two events.
        book.pages[0].sequence = 2;
        client.send_and_wait(book).await
    }

    /// Cancels the order.
    ///
    /// # Errors
    /// As for [`Client::execute`].
    pub async fn cancel(&self, client: &Client) -> Result<(), Status> {
        let cancel = CancelOrder {
            reason: "changed my mind".to_owned(),
        };
        let id = format!("cancel-{}", self.order);
        client.execute(self.root(), &id, &cancel).await?;
        Ok(())
    }

    async fn submit(&self, client: &Client) -> Result<(), Status> {
        let submit = SubmitPayment {
            payment_method: "card".to_owned(),
            amount_cents: PRICE_CENTS,
        };
        let id = format!("submit-{}", self.order);
        client.execute(self.root(), &id, &submit).await?;
        Ok(())
    }

    fn confirmation(&self) -> ConfirmPayment {
        ConfirmPayment {
            payment_reference: format!("bank-{}", self.order),
        }
    }

    fn root(&self) -> (&str, &[u8]) {
        ("order", self.order.as_bytes())
    }
}
