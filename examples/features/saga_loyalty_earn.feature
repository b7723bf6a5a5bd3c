Feature: What follows from a completed order
  The customer earns the points that the order names, and the stock that was promised to the cart is handed over. An
  inventory is found by its product: its root is made from the product id.

  Background:
    Given the loyalty-earn saga

  Scenario: Points are credited and the stock is handed over
    When OrderCompleted arrives
      | final_total_cents     | 2199                                                                 |
      | loyalty_points_earned | 21                                                                   |
      | customer_root         | c0000000-0000-4000-8000-000000000001                                 |
      | cart_root             | ca000000-0000-4000-8000-000000000002                                 |
      | items                 | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
      | items                 | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
    Then AddLoyaltyPoints goes to customer c0000000-0000-4000-8000-000000000001
      | points | 21              |
      | reason | order completed |
    And CommitReservation goes to inventory 2ff778e2-bf45-57c9-8767-85c8a52b09c1
      | order_id | ca000000-0000-4000-8000-000000000002 |
    And CommitReservation goes to inventory 374cccec-4093-55d9-bc29-bd85445de10e
      | order_id | ca000000-0000-4000-8000-000000000002 |

  Scenario: Without points only the stock is handed over
    When OrderCompleted arrives
      | final_total_cents | 99                                                            |
      | customer_root     | c0000000-0000-4000-8000-000000000001                          |
      | cart_root         | ca000000-0000-4000-8000-000000000002                          |
      | items             | product_id: tea, name: Tea, quantity: 1, unit_price_cents: 99 |
    Then CommitReservation goes to inventory 2ff778e2-bf45-57c9-8767-85c8a52b09c1
      | order_id | ca000000-0000-4000-8000-000000000002 |

  Scenario: Points are credited once for all that was stored together
    Given PaymentSubmitted comes first in the same book
      | payment_method | card |
      | amount_cents   | 100  |
    When OrderCompleted arrives
      | final_total_cents     | 100                                  |
      | loyalty_points_earned | 1                                    |
      | customer_root         | c0000000-0000-4000-8000-000000000001 |
      | cart_root             | ca000000-0000-4000-8000-000000000002 |
    Then AddLoyaltyPoints goes to customer c0000000-0000-4000-8000-000000000001
      | points | 1               |
      | reason | order completed |

  Scenario Outline: <event> earns nothing
    When <event> arrives
    Then nothing is sent

    Examples:
      | event                  |
      | OrderCreated           |
      | LoyaltyDiscountApplied |
      | PaymentSubmitted       |
      | OrderCancelled         |

  Scenario: An order without the root of its cart cannot be handed over
    When OrderCompleted arrives
      | loyalty_points_earned | 1                                    |
      | customer_root         | c0000000-0000-4000-8000-000000000001 |
    Then it is refused as INVALID_ARGUMENT: the root of the cart has not 16 bytes
