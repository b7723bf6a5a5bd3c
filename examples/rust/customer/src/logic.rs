//! The rules of the domain "customer": accounts and loyalty points.

use prost_types::{Any, Timestamp};
use shop_contract::{
    Aggregate, Refusal,
    customer::v1::{
        AddLoyaltyPoints, CreateCustomer, CustomerCreated, CustomerState, LoyaltyPointsAdded,
        LoyaltyPointsRedeemed, RedeemLoyaltyPoints,
    },
    decode, encode,
};

/// The domain "customer".
pub(crate) struct Customer;

impl Aggregate for Customer {
    type State = CustomerState;

    fn apply(state: &mut CustomerState, event: &Any) -> Result<bool, Refusal> {
        if let Some(created) = decode::<CustomerCreated>(event)? {
            state.name = created.name;
            state.email = created.email;
        } else if let Some(added) = decode::<LoyaltyPointsAdded>(event)? {
            state.loyalty_points = added.new_balance;
            state.lifetime_points = added.new_lifetime_points;
        } else if let Some(redeemed) = decode::<LoyaltyPointsRedeemed>(event)? {
            state.loyalty_points = redeemed.new_balance;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn decide(
        state: &CustomerState,
        command: &Any,
        now: Timestamp,
    ) -> Result<Option<Vec<Any>>, Refusal> {
        let event = if let Some(command) = decode::<CreateCustomer>(command)? {
            encode(&create(state, command, now)?)
        } else if let Some(command) = decode::<AddLoyaltyPoints>(command)? {
            encode(&add_points(state, command)?)
        } else if let Some(command) = decode::<RedeemLoyaltyPoints>(command)? {
            encode(&redeem_points(state, command)?)
        } else {
            return Ok(None);
        };
        Ok(Some(vec![event]))
    }
}

fn create(
    state: &CustomerState,
    command: CreateCustomer,
    now: Timestamp,
) -> Result<CustomerCreated, Refusal> {
    if exists(state) {
        return Err(Refusal::forbidden("the customer already has an account"));
    }
    if command.name.is_empty() {
        return Err(Refusal::invalid("a customer needs a name"));
    }
    if command.email.is_empty() {
        return Err(Refusal::invalid("a customer needs an email address"));
    }
    Ok(CustomerCreated {
        name: command.name,
        email: command.email,
        created_at: Some(now),
    })
}

fn add_points(
    state: &CustomerState,
    command: AddLoyaltyPoints,
) -> Result<LoyaltyPointsAdded, Refusal> {
    require_account(state)?;
    require_positive(command.points)?;
    let earned = if command.refund { 0 } else { command.points };
    let new_balance = state.loyalty_points.checked_add(command.points);
    let new_lifetime_points = state.lifetime_points.checked_add(earned);
    let (Some(new_balance), Some(new_lifetime_points)) = (new_balance, new_lifetime_points) else {
        return Err(Refusal::invalid(
            "the customer cannot hold that many points",
        ));
    };
    Ok(LoyaltyPointsAdded {
        points: command.points,
        new_balance,
        reason: command.reason,
        new_lifetime_points,
    })
}

fn redeem_points(
    state: &CustomerState,
    command: RedeemLoyaltyPoints,
) -> Result<LoyaltyPointsRedeemed, Refusal> {
    require_account(state)?;
    require_positive(command.points)?;
    if command.points > state.loyalty_points {
        return Err(Refusal::forbidden(format!(
            "the customer has {} points, not {}",
            state.loyalty_points, command.points
        )));
    }
    Ok(LoyaltyPointsRedeemed {
        points: command.points,
        new_balance: state.loyalty_points - command.points,
        redemption_type: command.redemption_type,
    })
}

fn exists(state: &CustomerState) -> bool {
    !state.email.is_empty()
}

fn require_account(state: &CustomerState) -> Result<(), Refusal> {
    if exists(state) {
        return Ok(());
    }
    Err(Refusal::forbidden("there is no such customer"))
}

fn require_positive(points: i32) -> Result<(), Refusal> {
    if points > 0 {
        return Ok(());
    }
    Err(Refusal::invalid("points must be more than 0"))
}
