Feature: The effects of a completed order
  The customer earns the points of the order, and the stock reserved for the cart is committed. The root of an inventory
  is derived from the product id.

  Background:
    Given the loyalty-earn saga

  Scenario: Points are credited and the stock is committed
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

  Scenario: Without points only the stock is committed
    When OrderCompleted arrives
      | final_total_cents | 99                                                            |
      | customer_root     | c0000000-0000-4000-8000-000000000001                          |
      | cart_root         | ca000000-0000-4000-8000-000000000002                          |
      | items             | product_id: tea, name: Tea, quantity: 1, unit_price_cents: 99 |
    Then CommitReservation goes to inventory 2ff778e2-bf45-57c9-8767-85c8a52b09c1
      | order_id | ca000000-0000-4000-8000-000000000002 |

  Scenario: Points are credited once for all events of an append
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

  Scenario: The stock of an order without a root of its cart cannot be committed
    When OrderCompleted arrives
      | loyalty_points_earned | 1                                    |
      | customer_root         | c0000000-0000-4000-8000-000000000001 |
    Then it is refused as INVALID_ARGUMENT: the root of the cart does not have 16 bytes
