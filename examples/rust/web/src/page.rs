//! The order page.

use shop_contract::order::v1::OrderStatus;
use shop_contract::web::v1::OrderView;
use uuid::Uuid;

/// Renders the page; a browser reloads it every two seconds.
pub(crate) fn render(orders: &[OrderView]) -> String {
    let rows: String = orders.iter().map(row).collect();
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=2><title>Orders</title>\
         <style>body{{font:16px system-ui;margin:2rem}}td,th{{padding:.3rem 1rem;text-align:left;border-bottom:1px solid #ddd}}</style>\
         <h1>Orders ({})</h1><table><tr><th>order<th>customer<th>items<th>total<th>points<th>status</tr>{rows}</table></html>",
        orders.len()
    )
}

fn row(order: &OrderView) -> String {
    let root = Uuid::from_slice(&order.order_root).unwrap_or_default();
    let items: Vec<_> = order
        .items
        .iter()
        .map(|item| format!("{} × {}", item.quantity, escape(&item.name)))
        .collect();
    let (whole, cents) = (order.total_cents / 100, order.total_cents % 100);
    format!(
        "<tr><td>{root}<td>{}<td>{}<td>{whole}.{cents:02}<td>{}<td>{}</tr>",
        escape(&order.customer_id),
        items.join(", "),
        order.loyalty_points_earned,
        describe(order.status())
    )
}

fn describe(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Unspecified => "unknown",
        OrderStatus::Pending => "pending",
        OrderStatus::PaymentSubmitted => "paid, not confirmed",
        OrderStatus::Completed => "completed",
        OrderStatus::Cancelled => "cancelled",
    }
}

/// Escapes text of users for HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_is_text_and_not_markup() {
        let order = OrderView {
            customer_id: "<script>".to_owned(),
            total_cents: 1_205,
            ..OrderView::default()
        };
        let page = render(&[order]);
        assert!(
            page.contains("&lt;script&gt;") && !page.contains("<script>"),
            "{page}"
        );
        assert!(page.contains("12.05"), "{page}");
    }
}
