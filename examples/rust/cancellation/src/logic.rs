//! Reacts to a cancelled order: releases the stock and refunds spent points.

use angzarr_proto::v1::CommandBook;
use prost_types::Any;
use shop_contract::{
    Refusal, command_to, customer::v1::AddLoyaltyPoints, decode, inventory::v1::ReleaseReservation,
    inventory_root, order::v1::OrderCancelled, reservation_key,
};

/// Turns an event of the domain "order" into commands.
pub(crate) fn react(event: &Any) -> Result<Vec<CommandBook>, Refusal> {
    let Some(order) = decode::<OrderCancelled>(event)? else {
        return Ok(Vec::new());
    };
    let release = ReleaseReservation {
        order_id: reservation_key(&order.cart_root)?,
    };
    let mut commands = Vec::new();
    for item in &order.items {
        commands.push(command_to(
            "inventory",
            &inventory_root(&item.product_id),
            &release,
        ));
    }
    if order.loyalty_points_used > 0 {
        let points = AddLoyaltyPoints {
            points: order.loyalty_points_used,
            reason: "order cancelled".to_owned(),
            refund: true,
        };
        commands.push(command_to("customer", &order.customer_root, &points));
    }
    Ok(commands)
}
