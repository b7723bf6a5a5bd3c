//! The rules of the domain "order": from the order to the payment.

use std::collections::BTreeSet;

use prost_types::{Any, Timestamp};
use shop_contract::{
    Aggregate, Refusal, decode, encode,
    order::v1::{
        ApplyLoyaltyDiscount, CancelOrder, ConfirmPayment, CreateOrder, LoyaltyDiscountApplied,
        OrderCancelled, OrderCompleted, OrderCreated, OrderItem, OrderState, OrderStatus,
        PaymentSubmitted, SubmitPayment,
    },
};

const ROOT_BYTES: usize = 16;
const CENTS_PER_POINT: i32 = 100;

/// The domain "order".
pub(crate) struct Order;

impl Aggregate for Order {
    type State = OrderState;

    fn apply(state: &mut OrderState, event: &Any) -> Result<bool, Refusal> {
        if let Some(created) = decode::<OrderCreated>(event)? {
            state.customer_id = created.customer_id;
            state.items = created.items;
            state.subtotal_cents = created.subtotal_cents;
            state.customer_root = created.customer_root;
            state.cart_root = created.cart_root;
            state.set_status(OrderStatus::Pending);
        } else if let Some(applied) = decode::<LoyaltyDiscountApplied>(event)? {
            state.discount_cents = applied.discount_cents;
            state.loyalty_points_used = applied.points_used;
        } else if let Some(submitted) = decode::<PaymentSubmitted>(event)? {
            state.payment_method = submitted.payment_method;
            state.set_status(OrderStatus::PaymentSubmitted);
        } else if decode::<OrderCompleted>(event)?.is_some() {
            state.set_status(OrderStatus::Completed);
        } else if decode::<OrderCancelled>(event)?.is_some() {
            state.set_status(OrderStatus::Cancelled);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn decide(
        state: &OrderState,
        command: &Any,
        now: Timestamp,
    ) -> Result<Option<Vec<Any>>, Refusal> {
        let event = if let Some(command) = decode::<CreateOrder>(command)? {
            encode(&create(state, command, now)?)
        } else if let Some(command) = decode::<ApplyLoyaltyDiscount>(command)? {
            encode(&apply_discount(state, &command, now)?)
        } else if let Some(command) = decode::<SubmitPayment>(command)? {
            encode(&submit_payment(state, command, now)?)
        } else if let Some(command) = decode::<ConfirmPayment>(command)? {
            encode(&confirm_payment(state, command, now)?)
        } else if let Some(command) = decode::<CancelOrder>(command)? {
            encode(&cancel(state, command, now)?)
        } else {
            return Ok(None);
        };
        Ok(Some(vec![event]))
    }
}

fn create(
    state: &OrderState,
    command: CreateOrder,
    now: Timestamp,
) -> Result<OrderCreated, Refusal> {
    if state.status() != OrderStatus::Unspecified {
        return Err(Refusal::forbidden("the order was already placed"));
    }
    if command.customer_id.is_empty() {
        return Err(Refusal::invalid("an order needs a customer"));
    }
    if command.customer_root.len() != ROOT_BYTES {
        return Err(Refusal::invalid(
            "the root of the customer must have 16 bytes",
        ));
    }
    if command.cart_root.len() != ROOT_BYTES {
        return Err(Refusal::invalid("the root of the cart must have 16 bytes"));
    }
    Ok(OrderCreated {
        customer_id: command.customer_id,
        subtotal_cents: subtotal(&command.items)?,
        items: command.items,
        created_at: Some(now),
        customer_root: command.customer_root,
        cart_root: command.cart_root,
    })
}

/// The price of all items, if each of them can be sold.
fn subtotal(items: &[OrderItem]) -> Result<i32, Refusal> {
    if items.is_empty() {
        return Err(Refusal::invalid("an order needs at least one item"));
    }
    let mut cents = 0_i64;
    let mut products = BTreeSet::new();
    for item in items {
        if item.product_id.is_empty() {
            return Err(Refusal::invalid("an item needs a product"));
        }
        if item.quantity <= 0 {
            return Err(Refusal::invalid("the quantity must be more than 0"));
        }
        if item.unit_price_cents < 0 {
            return Err(Refusal::invalid("the price must not be negative"));
        }
        // A reservation belongs to a cart and a product, so a second item of the same product would share it.
        if !products.insert(&item.product_id) {
            return Err(Refusal::invalid("a product may be listed only once"));
        }
        let price = i64::from(item.quantity) * i64::from(item.unit_price_cents);
        cents = cents.saturating_add(price);
    }
    i32::try_from(cents).map_err(|_| Refusal::invalid("the order is too expensive"))
}

fn apply_discount(
    state: &OrderState,
    command: &ApplyLoyaltyDiscount,
    now: Timestamp,
) -> Result<LoyaltyDiscountApplied, Refusal> {
    require_pending(state)?;
    if state.loyalty_points_used > 0 {
        return Err(Refusal::forbidden("the order already has a discount"));
    }
    if command.points <= 0 {
        return Err(Refusal::invalid("points must be more than 0"));
    }
    if command.discount_cents <= 0 {
        return Err(Refusal::invalid("the discount must be more than 0"));
    }
    if command.discount_cents > state.subtotal_cents {
        return Err(Refusal::invalid("the discount is above the subtotal"));
    }
    Ok(LoyaltyDiscountApplied {
        points_used: command.points,
        discount_cents: command.discount_cents,
        applied_at: Some(now),
    })
}

fn submit_payment(
    state: &OrderState,
    command: SubmitPayment,
    now: Timestamp,
) -> Result<PaymentSubmitted, Refusal> {
    require_pending(state)?;
    if command.payment_method.is_empty() {
        return Err(Refusal::invalid("a payment needs a method"));
    }
    if command.amount_cents != total(state) {
        return Err(Refusal::invalid(format!(
            "{} cents are due, not {}",
            total(state),
            command.amount_cents
        )));
    }
    Ok(PaymentSubmitted {
        payment_method: command.payment_method,
        amount_cents: command.amount_cents,
        submitted_at: Some(now),
    })
}

fn confirm_payment(
    state: &OrderState,
    command: ConfirmPayment,
    now: Timestamp,
) -> Result<OrderCompleted, Refusal> {
    match state.status() {
        OrderStatus::PaymentSubmitted => {}
        OrderStatus::Pending => return Err(Refusal::forbidden("no payment is in progress")),
        other => return Err(forbidden_by(other)),
    }
    if command.payment_reference.is_empty() {
        return Err(Refusal::invalid("a confirmation needs a reference"));
    }
    Ok(OrderCompleted {
        final_total_cents: total(state),
        payment_method: state.payment_method.clone(),
        payment_reference: command.payment_reference,
        loyalty_points_earned: total(state) / CENTS_PER_POINT,
        completed_at: Some(now),
        customer_root: state.customer_root.clone(),
        cart_root: state.cart_root.clone(),
        items: state.items.clone(),
    })
}

fn cancel(
    state: &OrderState,
    command: CancelOrder,
    now: Timestamp,
) -> Result<OrderCancelled, Refusal> {
    match state.status() {
        OrderStatus::Pending | OrderStatus::PaymentSubmitted => {}
        other => return Err(forbidden_by(other)),
    }
    Ok(OrderCancelled {
        reason: command.reason,
        cancelled_at: Some(now),
        loyalty_points_used: state.loyalty_points_used,
        customer_root: state.customer_root.clone(),
        items: state.items.clone(),
        cart_root: state.cart_root.clone(),
    })
}

/// The amount due, in cents.
fn total(state: &OrderState) -> i32 {
    state.subtotal_cents - state.discount_cents
}

fn require_pending(state: &OrderState) -> Result<(), Refusal> {
    match state.status() {
        OrderStatus::Pending => Ok(()),
        other => Err(forbidden_by(other)),
    }
}

/// The refusal of a command that does not match the status of the order.
fn forbidden_by(status: OrderStatus) -> Refusal {
    Refusal::forbidden(match status {
        OrderStatus::Unspecified => "there is no such order",
        OrderStatus::Pending => "the order is not paid",
        OrderStatus::PaymentSubmitted => "the payment is already in progress",
        OrderStatus::Completed => "the order is completed",
        OrderStatus::Cancelled => "the order is cancelled",
    })
}
