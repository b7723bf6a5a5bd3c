Feature: What follows from a cancelled order
  The stock that was promised to the cart is free again, and points that were spent on a discount come back. They were
  earned before, so they come back as a refund.

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

  Scenario: Points that were spent come back as a refund
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

  Scenario: An order that is placed and called off at once is released all the same
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

  Scenario: An order without the root of its cart cannot be released
    When OrderCancelled arrives
      | customer_root | c0000000-0000-4000-8000-000000000001 |
    Then it is refused as INVALID_ARGUMENT: the root of the cart has not 16 bytes
