Feature: Orders from placing to payment
  An order waits for its payment, is paid in one go, and is then completed. Until it is completed it can be cancelled.
  Its events name the items, the customer and the cart, so that sagas need no other data.

  Background:
    Given the order aggregate

  Rule: An order has a customer, a cart and at least one item

    Scenario: An order is placed
      When CreateOrder is asked for
        | customer_id   | ada                                                                  |
        | items         | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items         | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | customer_root | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root     | ca000000-0000-4000-8000-000000000002                                 |
      Then OrderCreated is recorded
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | created_at     | now                                                                  |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |

    Scenario: A free item can be ordered
      When CreateOrder is asked for
        | customer_id   | ada                                                                  |
        | items         | product_id: leaflet, name: Leaflet, quantity: 1, unit_price_cents: 0 |
        | customer_root | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root     | ca000000-0000-4000-8000-000000000002                                 |
      Then OrderCreated is recorded
        | customer_id    | ada                                                                  |
        | items          | product_id: leaflet, name: Leaflet, quantity: 1, unit_price_cents: 0 |
        | subtotal_cents | 0                                                                    |
        | created_at     | now                                                                  |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |

    Scenario: An order is placed once
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      When CreateOrder is asked for
        | customer_id   | ada                                                                  |
        | items         | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items         | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | customer_root | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root     | ca000000-0000-4000-8000-000000000002                                 |
      Then it is refused as FAILED_PRECONDITION: the order was already placed

    Scenario: A cancelled order is not placed again
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      And OrderCancelled happened
        | reason | too late |
      When CreateOrder is asked for
        | customer_id   | ada                                                                  |
        | items         | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items         | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | customer_root | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root     | ca000000-0000-4000-8000-000000000002                                 |
      Then it is refused as FAILED_PRECONDITION: the order was already placed

    Scenario: An order without a customer is refused
      When CreateOrder is asked for
        | items         | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items         | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | customer_root | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root     | ca000000-0000-4000-8000-000000000002                                 |
      Then it is refused as INVALID_ARGUMENT: an order needs a customer

    Scenario: An order without items is refused
      When CreateOrder is asked for
        | customer_id   | ada                                  |
        | customer_root | c0000000-0000-4000-8000-000000000001 |
        | cart_root     | ca000000-0000-4000-8000-000000000002 |
      Then it is refused as INVALID_ARGUMENT: an order needs at least one item

    Scenario: An item with a quantity of 0 is refused
      When CreateOrder is asked for
        | customer_id   | ada                                                                  |
        | items         | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items         | product_id: cup, quantity: 0, unit_price_cents: 1299                 |
        | customer_root | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root     | ca000000-0000-4000-8000-000000000002                                 |
      Then it is refused as INVALID_ARGUMENT: the quantity must be more than 0

    Scenario: An item with a quantity of -2 is refused
      When CreateOrder is asked for
        | customer_id   | ada                                                                  |
        | items         | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items         | product_id: cup, quantity: -2, unit_price_cents: 1299                |
        | customer_root | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root     | ca000000-0000-4000-8000-000000000002                                 |
      Then it is refused as INVALID_ARGUMENT: the quantity must be more than 0

    Scenario: An item with a negative price is refused
      When CreateOrder is asked for
        | customer_id   | ada                                                |
        | items         | product_id: cup, quantity: 1, unit_price_cents: -1 |
        | customer_root | c0000000-0000-4000-8000-000000000001               |
        | cart_root     | ca000000-0000-4000-8000-000000000002               |
      Then it is refused as INVALID_ARGUMENT: the price must not be negative

    Scenario: An item without a product is refused
      When CreateOrder is asked for
        | customer_id   | ada                                            |
        | items         | name: Cup, quantity: 1, unit_price_cents: 1299 |
        | customer_root | c0000000-0000-4000-8000-000000000001           |
        | cart_root     | ca000000-0000-4000-8000-000000000002           |
      Then it is refused as INVALID_ARGUMENT: an item needs a product

    Scenario: A product is listed once
      When CreateOrder is asked for
        | customer_id   | ada                                                                  |
        | items         | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items         | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | customer_root | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root     | ca000000-0000-4000-8000-000000000002                                 |
      Then it is refused as INVALID_ARGUMENT: a product may be listed only once

    Scenario: An order whose total overflows is refused
      When CreateOrder is asked for
        | customer_id   | ada                                                        |
        | items         | product_id: cup, quantity: 2, unit_price_cents: 2147483647 |
        | customer_root | c0000000-0000-4000-8000-000000000001                       |
        | cart_root     | ca000000-0000-4000-8000-000000000002                       |
      Then it is refused as INVALID_ARGUMENT: the order is too expensive

    Scenario: An invalid root of the customer is refused
      When CreateOrder is asked for
        | customer_id   | ada                                                                  |
        | items         | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items         | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | customer_root | 0011                                                                 |
        | cart_root     | ca000000-0000-4000-8000-000000000002                                 |
      Then it is refused as INVALID_ARGUMENT: the root of the customer must have 16 bytes

    Scenario: An invalid root of the cart is refused
      When CreateOrder is asked for
        | customer_id   | ada                                                                  |
        | items         | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items         | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | customer_root | c0000000-0000-4000-8000-000000000001                                 |
      Then it is refused as INVALID_ARGUMENT: the root of the cart must have 16 bytes

  Rule: Loyalty points give one discount, before the payment

    Scenario: A discount is applied
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      When ApplyLoyaltyDiscount is asked for
        | points         | 50  |
        | discount_cents | 500 |
      Then LoyaltyDiscountApplied is recorded
        | points_used    | 50  |
        | discount_cents | 500 |
        | applied_at     | now |

    Scenario: A discount may be as high as the price
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      When ApplyLoyaltyDiscount is asked for
        | points         | 50   |
        | discount_cents | 2199 |
      Then LoyaltyDiscountApplied is recorded
        | points_used    | 50   |
        | discount_cents | 2199 |
        | applied_at     | now  |

    Scenario: A discount above the price is refused
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      When ApplyLoyaltyDiscount is asked for
        | points         | 50   |
        | discount_cents | 2200 |
      Then it is refused as INVALID_ARGUMENT: the discount is above the subtotal

    Scenario: A second discount is refused
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      And LoyaltyDiscountApplied happened
        | points_used    | 50  |
        | discount_cents | 500 |
      When ApplyLoyaltyDiscount is asked for
        | points         | 50  |
        | discount_cents | 500 |
      Then it is refused as FAILED_PRECONDITION: the order already has a discount

    Scenario: A discount for no points is refused
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      When ApplyLoyaltyDiscount is asked for
        | points         | 0   |
        | discount_cents | 500 |
      Then it is refused as INVALID_ARGUMENT: points must be more than 0

    Scenario: A discount of 0 is refused
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      When ApplyLoyaltyDiscount is asked for
        | points         | 50 |
        | discount_cents | 0  |
      Then it is refused as INVALID_ARGUMENT: the discount must be more than 0

    Scenario: A discount after the payment was submitted is refused
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      And PaymentSubmitted happened
        | payment_method | card |
        | amount_cents   | 2199 |
      When ApplyLoyaltyDiscount is asked for
        | points         | 50  |
        | discount_cents | 500 |
      Then it is refused as FAILED_PRECONDITION: the payment is already in progress

    Scenario: A discount on an unknown order is refused
      When ApplyLoyaltyDiscount is asked for
        | points         | 50  |
        | discount_cents | 500 |
      Then it is refused as FAILED_PRECONDITION: there is no such order

  Rule: The amount due is paid once and in full

    Scenario: The price is paid
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      When SubmitPayment is asked for
        | payment_method | card |
        | amount_cents   | 2199 |
      Then PaymentSubmitted is recorded
        | payment_method | card |
        | amount_cents   | 2199 |
        | submitted_at   | now  |

    Scenario: The price less the discount is paid
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      And LoyaltyDiscountApplied happened
        | points_used    | 50  |
        | discount_cents | 500 |
      When SubmitPayment is asked for
        | payment_method | card |
        | amount_cents   | 1699 |
      Then PaymentSubmitted is recorded
        | payment_method | card |
        | amount_cents   | 1699 |
        | submitted_at   | now  |

    Scenario: A payment that is too small is refused
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      When SubmitPayment is asked for
        | payment_method | card |
        | amount_cents   | 2198 |
      Then it is refused as INVALID_ARGUMENT: 2199 cents are due, not 2198

    Scenario: The full price is refused when there is a discount
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      And LoyaltyDiscountApplied happened
        | points_used    | 50  |
        | discount_cents | 500 |
      When SubmitPayment is asked for
        | payment_method | card |
        | amount_cents   | 2199 |
      Then it is refused as INVALID_ARGUMENT: 1699 cents are due, not 2199

    Scenario: A payment without a method is refused
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      When SubmitPayment is asked for
        | amount_cents | 2199 |
      Then it is refused as INVALID_ARGUMENT: a payment needs a method

    Scenario: A second payment is refused
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      And PaymentSubmitted happened
        | payment_method | card |
        | amount_cents   | 2199 |
      When SubmitPayment is asked for
        | payment_method | card |
        | amount_cents   | 2199 |
      Then it is refused as FAILED_PRECONDITION: the payment is already in progress

    Scenario: A payment of a cancelled order is refused
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      And OrderCancelled happened
        | reason | too late |
      When SubmitPayment is asked for
        | payment_method | card |
        | amount_cents   | 2199 |
      Then it is refused as FAILED_PRECONDITION: the order is cancelled

    Scenario: A payment of an unknown order is refused
      When SubmitPayment is asked for
        | payment_method | card |
        | amount_cents   | 2199 |
      Then it is refused as FAILED_PRECONDITION: there is no such order

  Rule: A confirmed payment completes the order and earns points

    Scenario: A confirmed payment completes the order
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      And PaymentSubmitted happened
        | payment_method | card |
        | amount_cents   | 2199 |
      When ConfirmPayment is asked for
        | payment_reference | bank-77 |
      Then OrderCompleted is recorded
        | final_total_cents     | 2199                                                                 |
        | payment_method        | card                                                                 |
        | payment_reference     | bank-77                                                              |
        | loyalty_points_earned | 21                                                                   |
        | completed_at          | now                                                                  |
        | customer_root         | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root             | ca000000-0000-4000-8000-000000000002                                 |
        | items                 | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items                 | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |

    Scenario: A discount earns no points
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      And LoyaltyDiscountApplied happened
        | points_used    | 50  |
        | discount_cents | 500 |
      And PaymentSubmitted happened
        | payment_method | card |
        | amount_cents   | 1699 |
      When ConfirmPayment is asked for
        | payment_reference | bank-77 |
      Then OrderCompleted is recorded
        | final_total_cents     | 1699                                                                 |
        | payment_method        | card                                                                 |
        | payment_reference     | bank-77                                                              |
        | loyalty_points_earned | 16                                                                   |
        | completed_at          | now                                                                  |
        | customer_root         | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root             | ca000000-0000-4000-8000-000000000002                                 |
        | items                 | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items                 | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |

    Scenario: Less than a hundred cents earn no points
      Given OrderCreated happened
        | customer_id    | ada                                                           |
        | items          | product_id: pin, name: Pin, quantity: 1, unit_price_cents: 99 |
        | subtotal_cents | 99                                                            |
        | customer_root  | c0000000-0000-4000-8000-000000000001                          |
        | cart_root      | ca000000-0000-4000-8000-000000000002                          |
      And PaymentSubmitted happened
        | payment_method | card |
        | amount_cents   | 99   |
      When ConfirmPayment is asked for
        | payment_reference | bank-77 |
      Then OrderCompleted is recorded
        | final_total_cents     | 99                                                            |
        | payment_method        | card                                                          |
        | payment_reference     | bank-77                                                       |
        | loyalty_points_earned | 0                                                             |
        | completed_at          | now                                                           |
        | customer_root         | c0000000-0000-4000-8000-000000000001                          |
        | cart_root             | ca000000-0000-4000-8000-000000000002                          |
        | items                 | product_id: pin, name: Pin, quantity: 1, unit_price_cents: 99 |

    Scenario: A confirmation without a payment is refused
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      When ConfirmPayment is asked for
        | payment_reference | bank-77 |
      Then it is refused as FAILED_PRECONDITION: no payment is in progress

    Scenario: A confirmation without a reference is refused
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      And PaymentSubmitted happened
        | payment_method | card |
        | amount_cents   | 2199 |
      When ConfirmPayment is asked for
      Then it is refused as INVALID_ARGUMENT: a confirmation needs a reference

    Scenario: A second confirmation is refused
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      And PaymentSubmitted happened
        | payment_method | card |
        | amount_cents   | 2199 |
      And OrderCompleted happened
        | final_total_cents | 2199 |
      When ConfirmPayment is asked for
        | payment_reference | bank-77 |
      Then it is refused as FAILED_PRECONDITION: the order is completed

    Scenario: A confirmation of a cancelled order is refused
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      And PaymentSubmitted happened
        | payment_method | card |
        | amount_cents   | 2199 |
      And OrderCancelled happened
        | reason | too late |
      When ConfirmPayment is asked for
        | payment_reference | bank-77 |
      Then it is refused as FAILED_PRECONDITION: the order is cancelled

    Scenario: A confirmation of an unknown order is refused
      When ConfirmPayment is asked for
        | payment_reference | bank-77 |
      Then it is refused as FAILED_PRECONDITION: there is no such order

  Rule: An order can be cancelled until it is completed

    Scenario: An order that waits for its payment is cancelled
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      When CancelOrder is asked for
        | reason | changed my mind |
      Then OrderCancelled is recorded
        | reason        | changed my mind                                                      |
        | cancelled_at  | now                                                                  |
        | customer_root | c0000000-0000-4000-8000-000000000001                                 |
        | items         | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items         | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | cart_root     | ca000000-0000-4000-8000-000000000002                                 |

    Scenario: An order is cancelled while the payment is in progress
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      And PaymentSubmitted happened
        | payment_method | card |
        | amount_cents   | 2199 |
      When CancelOrder is asked for
        | reason | changed my mind |
      Then OrderCancelled is recorded
        | reason        | changed my mind                                                      |
        | cancelled_at  | now                                                                  |
        | customer_root | c0000000-0000-4000-8000-000000000001                                 |
        | items         | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items         | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | cart_root     | ca000000-0000-4000-8000-000000000002                                 |

    Scenario: The cancellation names the spent points, so that they can be refunded
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      And LoyaltyDiscountApplied happened
        | points_used    | 50  |
        | discount_cents | 500 |
      When CancelOrder is asked for
        | reason | changed my mind |
      Then OrderCancelled is recorded
        | reason              | changed my mind                                                      |
        | cancelled_at        | now                                                                  |
        | loyalty_points_used | 50                                                                   |
        | customer_root       | c0000000-0000-4000-8000-000000000001                                 |
        | items               | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items               | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | cart_root           | ca000000-0000-4000-8000-000000000002                                 |

    Scenario: A completed order cannot be cancelled
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      And PaymentSubmitted happened
        | payment_method | card |
        | amount_cents   | 2199 |
      And OrderCompleted happened
        | final_total_cents | 2199 |
      When CancelOrder is asked for
        | reason | changed my mind |
      Then it is refused as FAILED_PRECONDITION: the order is completed

    Scenario: A second cancellation is refused
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      And OrderCancelled happened
        | reason | too late |
      When CancelOrder is asked for
        | reason | changed my mind |
      Then it is refused as FAILED_PRECONDITION: the order is cancelled

    Scenario: A cancellation of an unknown order is refused
      When CancelOrder is asked for
        | reason | changed my mind |
      Then it is refused as FAILED_PRECONDITION: there is no such order

  Rule: A snapshot replaces the events that it includes

    Scenario: The order continues from the snapshot
      Given OrderCreated happened
        | customer_id    | ada                                                                  |
        | items          | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items          | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents | 2199                                                                 |
        | customer_root  | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root      | ca000000-0000-4000-8000-000000000002                                 |
      And LoyaltyDiscountApplied happened
        | points_used    | 50  |
        | discount_cents | 500 |
      And all that was kept as OrderState
        | customer_id         | ada                                                                  |
        | items               | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items               | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
        | subtotal_cents      | 2199                                                                 |
        | discount_cents      | 500                                                                  |
        | loyalty_points_used | 50                                                                   |
        | status              | ORDER_STATUS_PENDING                                                 |
        | customer_root       | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root           | ca000000-0000-4000-8000-000000000002                                 |
      And PaymentSubmitted happened
        | payment_method | card |
        | amount_cents   | 1699 |
      When ConfirmPayment is asked for
        | payment_reference | bank-77 |
      Then OrderCompleted is recorded
        | final_total_cents     | 1699                                                                 |
        | payment_method        | card                                                                 |
        | payment_reference     | bank-77                                                              |
        | loyalty_points_earned | 16                                                                   |
        | completed_at          | now                                                                  |
        | customer_root         | c0000000-0000-4000-8000-000000000001                                 |
        | cart_root             | ca000000-0000-4000-8000-000000000002                                 |
        | items                 | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | items                 | product_id: cup, name: Cup, quantity: 1, unit_price_cents: 1299      |
