//! Reacts to a completed order: credits points and commits the reserved stock.

use angzarr_proto::v1::CommandBook;
use prost_types::Any;
use shop_contract::{
    Refusal, command_to, customer::v1::AddLoyaltyPoints, decode, inventory::v1::CommitReservation,
    inventory_root, order::v1::OrderCompleted, reservation_key,
};

/// Turns an event of the domain "order" into commands.
pub(crate) fn react(event: &Any) -> Result<Vec<CommandBook>, Refusal> {
    let Some(order) = decode::<OrderCompleted>(event)? else {
        return Ok(Vec::new());
    };
    let mut commands = Vec::new();
    if order.loyalty_points_earned > 0 {
        let points = AddLoyaltyPoints {
            points: order.loyalty_points_earned,
            reason: "order completed".to_owned(),
            refund: false,
        };
        commands.push(command_to("customer", &order.customer_root, &points));
    }
    let commit = CommitReservation {
        order_id: reservation_key(&order.cart_root)?,
    };
    for item in &order.items {
        commands.push(command_to(
            "inventory",
            &inventory_root(&item.product_id),
            &commit,
        ));
    }
    Ok(commands)
}
