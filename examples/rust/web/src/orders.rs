//! The orders in a database. Each row has the sequence of its last event, so that a repeat is ignored.

use std::cmp::Reverse;
use std::path::Path;

use angzarr_proto::v1::EventPage;
use angzarr_proto::v1::event_page::Sequence;
use prost::Message;
use rusqlite::{Connection, OptionalExtension, params};
use shop_contract::order::v1::{
    LoyaltyDiscountApplied, OrderCancelled, OrderCompleted, OrderCreated, OrderStatus,
    PaymentSubmitted,
};
use shop_contract::web::v1::OrderView;
use shop_contract::{Refusal, decode};

/// Why events were not stored.
#[derive(Debug)]
pub(crate) enum Error {
    /// The database failed.
    Database(rusqlite::Error),
    /// Events are missing before the received ones.
    Gap {
        /// The expected sequence.
        expected: u32,
        /// The received sequence.
        came: u32,
    },
    /// An event or a row cannot be read.
    Unreadable(String),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// The table of orders.
pub(crate) struct Orders(Connection);

/// An order and the sequence of its next event; `None` and 0 before the first event.
type Row = (Option<OrderView>, u32);

impl Orders {
    pub(crate) fn open(file: &Path) -> Result<Self, rusqlite::Error> {
        let connection = Connection::open(file)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS orders (root BLOB PRIMARY KEY, next INTEGER NOT NULL, view BLOB NOT NULL) WITHOUT ROWID",
        )?;
        Ok(Self(connection))
    }

    /// Applies the new pages of an order durably, and returns the order after them.
    pub(crate) fn take(&mut self, root: &[u8], pages: &[EventPage]) -> Result<Row, Error> {
        let (mut view, mut next) = self.read(root)?;
        let before = next;
        for page in pages {
            let (Some(Sequence::Num(sequence)), Some(event)) = (page.sequence, &page.event) else {
                return Err(Error::Unreadable(
                    "a page has no sequence or no event".to_owned(),
                ));
            };
            if sequence < next {
                continue;
            }
            if sequence > next {
                return Err(Error::Gap {
                    expected: next,
                    came: sequence,
                });
            }
            let order = view.get_or_insert_with(|| OrderView {
                order_root: root.to_vec(),
                ..OrderView::default()
            });
            apply(order, event).map_err(|refusal| Error::Unreadable(format!("{refusal:?}")))?;
            order.updated_at = page.created_at;
            next += 1;
        }
        if let Some(order) = view.as_ref().filter(|_| next > before) {
            self.0.execute(
                "INSERT INTO orders (root, next, view) VALUES (?, ?, ?)
                 ON CONFLICT (root) DO UPDATE SET next = excluded.next, view = excluded.view",
                params![root, next, order.encode_to_vec()],
            )?;
        }
        Ok((view, next))
    }

    fn read(&self, root: &[u8]) -> Result<Row, Error> {
        let found = self.0.query_row(
            "SELECT view, next FROM orders WHERE root = ?",
            [root],
            |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?)),
        );
        match found.optional()? {
            Some((view, next)) => Ok((Some(read_view(&view)?), next)),
            None => Ok((None, 0)),
        }
    }

    /// All orders, the newest first.
    pub(crate) fn list(&self) -> Result<Vec<OrderView>, Error> {
        let mut statement = self.0.prepare("SELECT view FROM orders")?;
        let mut rows = statement.query([])?;
        let mut orders = Vec::new();
        while let Some(row) = rows.next()? {
            orders.push(read_view(&row.get::<_, Vec<u8>>(0)?)?);
        }
        orders.sort_by_key(|order| {
            let time = order.created_at.unwrap_or_default();
            Reverse((time.seconds, time.nanos))
        });
        Ok(orders)
    }
}

fn read_view(bytes: &[u8]) -> Result<OrderView, Error> {
    OrderView::decode(bytes).map_err(|error| Error::Unreadable(error.to_string()))
}

/// Applies an event; events of other types change nothing.
fn apply(order: &mut OrderView, event: &prost_types::Any) -> Result<(), Refusal> {
    if let Some(created) = decode::<OrderCreated>(event)? {
        order.customer_id = created.customer_id;
        order.items = created.items;
        order.subtotal_cents = created.subtotal_cents;
        order.total_cents = created.subtotal_cents;
        order.created_at = created.created_at;
        order.set_status(OrderStatus::Pending);
    } else if let Some(discount) = decode::<LoyaltyDiscountApplied>(event)? {
        order.discount_cents = discount.discount_cents;
        order.total_cents = order.subtotal_cents - discount.discount_cents;
    } else if decode::<PaymentSubmitted>(event)?.is_some() {
        order.set_status(OrderStatus::PaymentSubmitted);
    } else if let Some(completed) = decode::<OrderCompleted>(event)? {
        order.loyalty_points_earned = completed.loyalty_points_earned;
        order.set_status(OrderStatus::Completed);
    } else if decode::<OrderCancelled>(event)?.is_some() {
        order.set_status(OrderStatus::Cancelled);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use shop_contract::encode;

    use super::*;

    fn pages(from: u32, events: &[prost_types::Any]) -> Vec<EventPage> {
        let numbered = (from..).zip(events);
        let page = |(sequence, event): (u32, &prost_types::Any)| EventPage {
            sequence: Some(Sequence::Num(sequence)),
            event: Some(event.clone()),
            ..EventPage::default()
        };
        numbered.map(page).collect()
    }

    fn created() -> prost_types::Any {
        encode(&OrderCreated {
            subtotal_cents: 900,
            ..OrderCreated::default()
        })
    }

    #[test]
    fn a_repeat_counts_once_and_a_restart_keeps_the_rows() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("web.db");
        let discount = encode(&LoyaltyDiscountApplied {
            discount_cents: 100,
            ..LoyaltyDiscountApplied::default()
        });
        let mut orders = Orders::open(&file).unwrap();
        for _ in 0..2 {
            let (view, next) = orders
                .take(&[1; 16], &pages(0, &[created(), discount.clone()]))
                .unwrap();
            assert_eq!((view.unwrap().total_cents, next), (800, 2));
        }
        drop(orders);
        let mut orders = Orders::open(&file).unwrap();
        let (view, next) = orders.take(&[1; 16], &[]).unwrap();
        assert_eq!((view.unwrap().status(), next), (OrderStatus::Pending, 2));
        assert_eq!(orders.list().unwrap().len(), 1);
    }

    #[test]
    fn a_gap_is_refused_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut orders = Orders::open(&folder.path().join("web.db")).unwrap();
        let refused = orders.take(&[1; 16], &pages(1, &[created()]));
        assert!(matches!(
            refused,
            Err(Error::Gap {
                expected: 0,
                came: 1
            })
        ));
        assert!(orders.list().unwrap().is_empty());
    }
}
