"""Serves the customer aggregate of the shop on 127.0.0.1:$PORT: accounts and loyalty points."""

from aggregate import Aggregate, forbidden, invalid, serve
from shop.customer.v1.customer_pb2 import (
    AddLoyaltyPoints,
    CreateCustomer,
    CustomerCreated,
    CustomerState,
    LoyaltyPointsAdded,
    LoyaltyPointsRedeemed,
    RedeemLoyaltyPoints,
)

# What the fields of the messages can hold.
MOST_POINTS = 2**31 - 1


def created(state, event):
    state.name = event.name
    state.email = event.email


def points_added(state, event):
    state.loyalty_points = event.new_balance
    state.lifetime_points = event.new_lifetime_points


def points_redeemed(state, event):
    state.loyalty_points = event.new_balance


def create(state, command, now):
    if state.email:
        raise forbidden("the customer already has an account")
    if not command.name:
        raise invalid("a customer needs a name")
    if not command.email:
        raise invalid("a customer needs an email address")
    return CustomerCreated(name=command.name, email=command.email, created_at=now)


def add_points(state, command, _now):
    require_account_and_points(state, command)
    balance = state.loyalty_points + command.points
    lifetime = state.lifetime_points + (0 if command.refund else command.points)
    if max(balance, lifetime) > MOST_POINTS:
        raise invalid("the customer cannot hold that many points")
    return LoyaltyPointsAdded(
        points=command.points,
        new_balance=balance,
        reason=command.reason,
        new_lifetime_points=lifetime,
    )


def redeem_points(state, command, _now):
    require_account_and_points(state, command)
    if command.points > state.loyalty_points:
        raise forbidden(f"the customer has {state.loyalty_points} points, not {command.points}")
    return LoyaltyPointsRedeemed(
        points=command.points,
        new_balance=state.loyalty_points - command.points,
        redemption_type=command.redemption_type,
    )


def require_account_and_points(state, command):
    if not state.email:
        raise forbidden("there is no such customer")
    if command.points <= 0:
        raise invalid("points must be more than 0")


if __name__ == "__main__":
    serve(
        Aggregate(
            CustomerState,
            apply={
                CustomerCreated: created,
                LoyaltyPointsAdded: points_added,
                LoyaltyPointsRedeemed: points_redeemed,
            },
            decide={
                CreateCustomer: create,
                AddLoyaltyPoints: add_points,
                RedeemLoyaltyPoints: redeem_points,
            },
        )
    )
