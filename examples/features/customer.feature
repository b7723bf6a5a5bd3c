Feature: Customers and their loyalty points
  A customer opens an account once. Points come from orders, are spent on discounts, and are refunded when an order is
  cancelled. The lifetime points count only earned points.

  Background:
    Given the customer aggregate

  Rule: An account is opened once, with a name and an email address

    Scenario: A new customer gets an account
      When CreateCustomer is asked for
        | name  | Ada Lovelace    |
        | email | ada@example.org |
      Then CustomerCreated is recorded
        | name       | Ada Lovelace    |
        | email      | ada@example.org |
        | created_at | now             |

    Scenario: A second account is refused
      Given CustomerCreated happened
        | name  | Ada Lovelace    |
        | email | ada@example.org |
      When CreateCustomer is asked for
        | name  | Ada King        |
        | email | ada@example.org |
      Then it is refused as FAILED_PRECONDITION: the customer already has an account

    Scenario: An account without a name is refused
      When CreateCustomer is asked for
        | email | ada@example.org |
      Then it is refused as INVALID_ARGUMENT: a customer needs a name

    Scenario: An account without an email address is refused
      When CreateCustomer is asked for
        | name | Ada Lovelace |
      Then it is refused as INVALID_ARGUMENT: a customer needs an email address

  Rule: Earned points raise the balance and the lifetime points

    Scenario: The first points
      Given CustomerCreated happened
        | name  | Ada Lovelace    |
        | email | ada@example.org |
      When AddLoyaltyPoints is asked for
        | points | 120             |
        | reason | order completed |
      Then LoyaltyPointsAdded is recorded
        | points              | 120             |
        | new_balance         | 120             |
        | reason              | order completed |
        | new_lifetime_points | 120             |

    Scenario: More points are added to the balance
      Given CustomerCreated happened
        | name  | Ada Lovelace    |
        | email | ada@example.org |
      And LoyaltyPointsAdded happened
        | points              | 120 |
        | new_balance         | 120 |
        | new_lifetime_points | 120 |
      And LoyaltyPointsRedeemed happened
        | points      | 100 |
        | new_balance | 20  |
      When AddLoyaltyPoints is asked for
        | points | 5 |
      Then LoyaltyPointsAdded is recorded
        | points              | 5   |
        | new_balance         | 25  |
        | new_lifetime_points | 125 |

    Scenario: Refunded points do not change the lifetime points
      Given CustomerCreated happened
        | name  | Ada Lovelace    |
        | email | ada@example.org |
      And LoyaltyPointsAdded happened
        | points              | 120 |
        | new_balance         | 120 |
        | new_lifetime_points | 120 |
      And LoyaltyPointsRedeemed happened
        | points      | 100 |
        | new_balance | 20  |
      When AddLoyaltyPoints is asked for
        | points | 100             |
        | reason | order cancelled |
        | refund | true            |
      Then LoyaltyPointsAdded is recorded
        | points              | 100             |
        | new_balance         | 120             |
        | reason              | order cancelled |
        | new_lifetime_points | 120             |

    Scenario Outline: <points> points cannot be added
      Given CustomerCreated happened
        | name  | Ada Lovelace    |
        | email | ada@example.org |
      When AddLoyaltyPoints is asked for
        | points | <points> |
      Then it is refused as INVALID_ARGUMENT: points must be more than 0

      Examples:
        | points |
        | 0      |
        | -7     |

    Scenario: Points for an unknown customer are refused
      When AddLoyaltyPoints is asked for
        | points | 10 |
      Then it is refused as FAILED_PRECONDITION: there is no such customer

    Scenario: A balance that overflows is refused
      Given CustomerCreated happened
        | name  | Ada Lovelace    |
        | email | ada@example.org |
      And LoyaltyPointsAdded happened
        | points              | 2147483647 |
        | new_balance         | 2147483647 |
        | new_lifetime_points | 2147483647 |
      When AddLoyaltyPoints is asked for
        | points | 1 |
      Then it is refused as INVALID_ARGUMENT: the customer cannot hold that many points

    Scenario: Lifetime points that overflow are refused
      Given CustomerCreated happened
        | name  | Ada Lovelace    |
        | email | ada@example.org |
      And LoyaltyPointsAdded happened
        | points              | 2147483647 |
        | new_balance         | 2147483647 |
        | new_lifetime_points | 2147483647 |
      And LoyaltyPointsRedeemed happened
        | points | 2147483647 |
      When AddLoyaltyPoints is asked for
        | points | 1 |
      Then it is refused as INVALID_ARGUMENT: the customer cannot hold that many points

  Rule: Points can be spent up to the balance

    Scenario: Some points are spent
      Given CustomerCreated happened
        | name  | Ada Lovelace    |
        | email | ada@example.org |
      And LoyaltyPointsAdded happened
        | points              | 120 |
        | new_balance         | 120 |
        | new_lifetime_points | 120 |
      When RedeemLoyaltyPoints is asked for
        | points          | 50       |
        | redemption_type | discount |
      Then LoyaltyPointsRedeemed is recorded
        | points          | 50       |
        | new_balance     | 70       |
        | redemption_type | discount |

    Scenario: All points are spent
      Given CustomerCreated happened
        | name  | Ada Lovelace    |
        | email | ada@example.org |
      And LoyaltyPointsAdded happened
        | points              | 120 |
        | new_balance         | 120 |
        | new_lifetime_points | 120 |
      When RedeemLoyaltyPoints is asked for
        | points | 120 |
      Then LoyaltyPointsRedeemed is recorded
        | points      | 120 |
        | new_balance | 0   |

    Scenario: Spending more than the balance is refused
      Given CustomerCreated happened
        | name  | Ada Lovelace    |
        | email | ada@example.org |
      And LoyaltyPointsAdded happened
        | points              | 120 |
        | new_balance         | 120 |
        | new_lifetime_points | 120 |
      When RedeemLoyaltyPoints is asked for
        | points | 121 |
      Then it is refused as FAILED_PRECONDITION: the customer has 120 points, not 121

    Scenario Outline: <points> points cannot be spent
      Given CustomerCreated happened
        | name  | Ada Lovelace    |
        | email | ada@example.org |
      When RedeemLoyaltyPoints is asked for
        | points | <points> |
      Then it is refused as INVALID_ARGUMENT: points must be more than 0

      Examples:
        | points |
        | 0      |
        | -7     |

    Scenario: Spending points without an account is refused
      When RedeemLoyaltyPoints is asked for
        | points | 1 |
      Then it is refused as FAILED_PRECONDITION: there is no such customer

  Rule: A snapshot replaces the events that it includes

    Scenario: The balance continues from the snapshot
      Given CustomerCreated happened
        | name  | Ada Lovelace    |
        | email | ada@example.org |
      And all that was kept as CustomerState
        | name            | Ada Lovelace    |
        | email           | ada@example.org |
        | loyalty_points  | 30              |
        | lifetime_points | 90              |
      And LoyaltyPointsRedeemed happened
        | points      | 10 |
        | new_balance | 20 |
      When AddLoyaltyPoints is asked for
        | points | 1 |
      Then LoyaltyPointsAdded is recorded
        | points              | 1  |
        | new_balance         | 21 |
        | new_lifetime_points | 91 |

  Rule: The commands of one book are decided together

    Scenario: Each command sees the effect of the previous one
      Given CreateCustomer comes first in the same book
        | name  | Ada Lovelace    |
        | email | ada@example.org |
      And AddLoyaltyPoints comes first in the same book
        | points | 10 |
      When RedeemLoyaltyPoints is asked for
        | points | 4 |
      Then CustomerCreated is recorded
        | name       | Ada Lovelace    |
        | email      | ada@example.org |
        | created_at | now             |
      And LoyaltyPointsAdded is recorded
        | points              | 10 |
        | new_balance         | 10 |
        | new_lifetime_points | 10 |
      And LoyaltyPointsRedeemed is recorded
        | points      | 4 |
        | new_balance | 6 |

    Scenario: One refusal refuses the whole book
      Given CreateCustomer comes first in the same book
        | name  | Ada Lovelace    |
        | email | ada@example.org |
      When RedeemLoyaltyPoints is asked for
        | points | 4 |
      Then it is refused as FAILED_PRECONDITION: the customer has 0 points, not 4

  Rule: Commands of other domains are refused

    Scenario: A command for the inventory is refused
      When ReceiveStock is asked for
        | quantity | 4 |
      Then it is refused as INVALID_ARGUMENT: unknown command: shop.inventory.v1.ReceiveStock
