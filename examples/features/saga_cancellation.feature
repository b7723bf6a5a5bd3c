Feature: The effects of a cancelled order
  The stock reserved for the cart is released, and points spent on a discount are refunded. The refund does not count as
  earned points.

  Background:
    Given the cancellation saga

  Scenario: The stock of an order is released
    When OrderCancelled arrives
      | reason        | changed my mind                                                      |
      | customer_root | c0000000-0000-4000-8000-000000000001                                 |
      | items         | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
      | cart_root     | ca000000-0000-4000-8000-000000000002                                 |
    Then ReleaseReservation goes to inventory 2ff778e2-bf45-57c9-8767-85c8a52b09c1
      | order_id | ca000000-0000-4000-8000-000000000002 |

  Scenario: Each item is released in its own inventory
    When OrderCancelled arrives
      | customer_root | c0000000-0000-4000-8000-000000000001                                 |
      | items         | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
      | items         | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
      | cart_root     | ca000000-0000-4000-8000-000000000002                                 |
    Then ReleaseReservation goes to inventory 374cccec-4093-55d9-bc29-bd85445de10e
      | order_id | ca000000-0000-4000-8000-000000000002 |
    And ReleaseReservation goes to inventory 2ff778e2-bf45-57c9-8767-85c8a52b09c1
      | order_id | ca000000-0000-4000-8000-000000000002 |

  Scenario: Spent points are refunded
    When OrderCancelled arrives
      | loyalty_points_used | 50                                                                   |
      | customer_root       | c0000000-0000-4000-8000-000000000001                                 |
      | items               | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
      | cart_root           | ca000000-0000-4000-8000-000000000002                                 |
    Then ReleaseReservation goes to inventory 2ff778e2-bf45-57c9-8767-85c8a52b09c1
      | order_id | ca000000-0000-4000-8000-000000000002 |
    And AddLoyaltyPoints goes to customer c0000000-0000-4000-8000-000000000001
      | points | 50              |
      | reason | order cancelled |
      | refund | true            |

  Scenario: The stock of an order that is cancelled at once is released
    Given OrderCreated comes first in the same book
      | customer_id | ada |
    When OrderCancelled arrives
      | customer_root | c0000000-0000-4000-8000-000000000001                                 |
      | items         | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
      | cart_root     | ca000000-0000-4000-8000-000000000002                                 |
    Then ReleaseReservation goes to inventory 2ff778e2-bf45-57c9-8767-85c8a52b09c1
      | order_id | ca000000-0000-4000-8000-000000000002 |

  Scenario Outline: <event> releases nothing
    When <event> arrives
    Then nothing is sent

    Examples:
      | event                  |
      | OrderCreated           |
      | LoyaltyDiscountApplied |
      | PaymentSubmitted       |
      | OrderCompleted         |

  Scenario: The stock of an order without a root of its cart cannot be released
    When OrderCancelled arrives
      | customer_root | c0000000-0000-4000-8000-000000000001 |
    Then it is refused as INVALID_ARGUMENT: the root of the cart does not have 16 bytes
