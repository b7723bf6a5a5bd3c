//! The rules of the domain "inventory": the stock and its reservations.

use prost_types::{Any, Timestamp};
use shop_contract::{
    Aggregate, Refusal, decode, encode,
    inventory::v1::{
        CommitReservation, InitializeStock, InventoryState, LowStockAlert, ReceiveStock,
        ReleaseReservation, ReservationCommitted, ReservationReleased, ReserveStock,
        StockInitialized, StockReceived, StockReserved,
    },
};

/// The domain "inventory".
pub(crate) struct Inventory;

impl Aggregate for Inventory {
    type State = InventoryState;

    /// Every order appends two events to each of its products, so histories get long.
    const SNAPSHOT_EVERY: Option<usize> = Some(50);

    fn apply(state: &mut InventoryState, event: &Any) -> Result<bool, Refusal> {
        if let Some(initialized) = decode::<StockInitialized>(event)? {
            state.product_id = initialized.product_id;
            state.on_hand = initialized.quantity;
            state.low_stock_threshold = initialized.low_stock_threshold;
        } else if let Some(received) = decode::<StockReceived>(event)? {
            state.on_hand = received.new_on_hand;
        } else if let Some(reserved) = decode::<StockReserved>(event)? {
            state.reserved = reserved.new_reserved;
            state
                .reservations
                .insert(reserved.order_id, reserved.quantity);
        } else if let Some(released) = decode::<ReservationReleased>(event)? {
            state.reserved = released.new_reserved;
            state.reservations.remove(&released.order_id);
        } else if let Some(committed) = decode::<ReservationCommitted>(event)? {
            state.on_hand = committed.new_on_hand;
            state.reserved = committed.new_reserved;
            state.reservations.remove(&committed.order_id);
        } else {
            return Ok(decode::<LowStockAlert>(event)?.is_some());
        }
        Ok(true)
    }

    fn decide(
        state: &InventoryState,
        command: &Any,
        now: Timestamp,
    ) -> Result<Option<Vec<Any>>, Refusal> {
        let event = if let Some(command) = decode::<InitializeStock>(command)? {
            encode(&initialize(state, command, now)?)
        } else if let Some(command) = decode::<ReceiveStock>(command)? {
            encode(&receive(state, command, now)?)
        } else if let Some(command) = decode::<ReserveStock>(command)? {
            return reserve(state, command, now).map(Some);
        } else if let Some(command) = decode::<ReleaseReservation>(command)? {
            encode(&release(state, command, now)?)
        } else if let Some(command) = decode::<CommitReservation>(command)? {
            encode(&commit(state, command, now)?)
        } else {
            return Ok(None);
        };
        Ok(Some(vec![event]))
    }
}

fn initialize(
    state: &InventoryState,
    command: InitializeStock,
    now: Timestamp,
) -> Result<StockInitialized, Refusal> {
    if is_counted(state) {
        return Err(Refusal::forbidden(
            "the stock of the product is already initialized",
        ));
    }
    if command.product_id.is_empty() {
        return Err(Refusal::invalid("stock needs a product"));
    }
    if command.quantity < 0 {
        return Err(Refusal::invalid("the quantity must not be negative"));
    }
    if command.low_stock_threshold < 0 {
        return Err(Refusal::invalid("the threshold must not be negative"));
    }
    Ok(StockInitialized {
        product_id: command.product_id,
        quantity: command.quantity,
        low_stock_threshold: command.low_stock_threshold,
        initialized_at: Some(now),
    })
}

fn receive(
    state: &InventoryState,
    command: ReceiveStock,
    now: Timestamp,
) -> Result<StockReceived, Refusal> {
    require_counted(state)?;
    require_positive(command.quantity)?;
    let new_on_hand = state
        .on_hand
        .checked_add(command.quantity)
        .ok_or_else(|| Refusal::invalid("the stock cannot hold that many"))?;
    Ok(StockReceived {
        quantity: command.quantity,
        new_on_hand,
        reference: command.reference,
        received_at: Some(now),
    })
}

fn reserve(
    state: &InventoryState,
    command: ReserveStock,
    now: Timestamp,
) -> Result<Vec<Any>, Refusal> {
    require_counted(state)?;
    require_positive(command.quantity)?;
    if command.order_id.is_empty() {
        return Err(Refusal::invalid("a reservation needs an order"));
    }
    let held = promised_to(state, &command.order_id).unwrap_or(0);
    if held == command.quantity {
        return Ok(Vec::new());
    }
    let more = command.quantity - held;
    if more > available(state) {
        return Err(Refusal::forbidden(format!(
            "{} are available, not {more}",
            available(state)
        )));
    }
    let new_available = available(state) - more;
    let reserved = StockReserved {
        quantity: command.quantity,
        order_id: command.order_id,
        new_available,
        reserved_at: Some(now),
        new_reserved: state.reserved + more,
        new_on_hand: state.on_hand,
    };
    let mut events = vec![encode(&reserved)];
    if available(state) >= state.low_stock_threshold && new_available < state.low_stock_threshold {
        events.push(encode(&LowStockAlert {
            product_id: state.product_id.clone(),
            available: new_available,
            threshold: state.low_stock_threshold,
            alerted_at: Some(now),
        }));
    }
    Ok(events)
}

fn release(
    state: &InventoryState,
    command: ReleaseReservation,
    now: Timestamp,
) -> Result<ReservationReleased, Refusal> {
    let quantity = require_promise(state, &command.order_id)?;
    Ok(ReservationReleased {
        order_id: command.order_id,
        quantity,
        new_available: available(state) + quantity,
        released_at: Some(now),
        new_reserved: state.reserved - quantity,
        new_on_hand: state.on_hand,
    })
}

fn commit(
    state: &InventoryState,
    command: CommitReservation,
    now: Timestamp,
) -> Result<ReservationCommitted, Refusal> {
    let quantity = require_promise(state, &command.order_id)?;
    Ok(ReservationCommitted {
        order_id: command.order_id,
        quantity,
        new_on_hand: state.on_hand - quantity,
        committed_at: Some(now),
        new_reserved: state.reserved - quantity,
    })
}

fn is_counted(state: &InventoryState) -> bool {
    !state.product_id.is_empty()
}

fn available(state: &InventoryState) -> i32 {
    state.on_hand - state.reserved
}

fn promised_to(state: &InventoryState, order_id: &str) -> Option<i32> {
    state.reservations.get(order_id).copied()
}

fn require_counted(state: &InventoryState) -> Result<(), Refusal> {
    if is_counted(state) {
        return Ok(());
    }
    Err(Refusal::forbidden(
        "the stock of the product is not initialized",
    ))
}

fn require_positive(quantity: i32) -> Result<(), Refusal> {
    if quantity > 0 {
        return Ok(());
    }
    Err(Refusal::invalid("the quantity must be more than 0"))
}

fn require_promise(state: &InventoryState, order_id: &str) -> Result<i32, Refusal> {
    require_counted(state)?;
    promised_to(state, order_id)
        .ok_or_else(|| Refusal::forbidden("nothing is reserved for the order"))
}
