Feature: An order and its effects
  Commands are sent to the customer sidecar, which forwards those of other domains. Sagas act after the reply, so the
  streams are polled until they have the expected events.

  Background:
    Given CreateCustomer goes to customer @ada
      | name  | Ada Lovelace    |
      | email | ada@example.org |
    And InitializeStock goes to inventory @tea
      | product_id | @tea |
      | quantity   | 10   |
    And ReserveStock goes to inventory @tea
      | quantity | 2     |
      | order_id | @cart |
    And CreateOrder goes to order @order
      | customer_id   | @ada                                                                  |
      | items         | product_id: @tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
      | customer_root | @ada                                                                  |
      | cart_root     | @cart                                                                 |

  Rule: A paid order earns points and commits the stock

    Scenario: Order and payment
      When SubmitPayment goes to order @order
        | payment_method | card |
        | amount_cents   | 900  |
      And ConfirmPayment goes to order @order
        | payment_reference | bank-1 |
      Then OrderCompleted is recorded
        | final_total_cents     | 900                                                                   |
        | payment_method        | card                                                                  |
        | payment_reference     | bank-1                                                                |
        | loyalty_points_earned | 9                                                                     |
        | completed_at          | now                                                                   |
        | customer_root         | @ada                                                                  |
        | cart_root             | @cart                                                                 |
        | items                 | product_id: @tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
      And the stream of order @order becomes
        | OrderCreated     |
        | PaymentSubmitted |
        | OrderCompleted   |
      And the stream of customer @ada becomes
        | CustomerCreated    |
        | LoyaltyPointsAdded |
      And the last event of customer @ada is LoyaltyPointsAdded
        | points              | 9               |
        | new_balance         | 9               |
        | reason              | order completed |
        | new_lifetime_points | 9               |
      And the stream of inventory @tea becomes
        | StockInitialized     |
        | StockReserved        |
        | ReservationCommitted |
      And the last event of inventory @tea is ReservationCommitted
        | order_id     | @cart |
        | quantity     | 2     |
        | new_on_hand  | 8     |
        | committed_at | now   |

    @serial
    Scenario: The order sidecar is killed between payment and confirmation
      When SubmitPayment goes to order @order
        | payment_method | card |
        | amount_cents   | 900  |
      And the sidecar of order is killed
      And ConfirmPayment goes to order @order
        | payment_reference | bank-1 |
      Then the stream of order @order becomes
        | OrderCreated     |
        | PaymentSubmitted |
        | OrderCompleted   |
      And the stream of customer @ada becomes
        | CustomerCreated    |
        | LoyaltyPointsAdded |
      And the stream of inventory @tea becomes
        | StockInitialized     |
        | StockReserved        |
        | ReservationCommitted |

  Rule: A cancelled order releases its stock and refunds its points

    Scenario: Stock is released and points are refunded
      Given AddLoyaltyPoints goes to customer @ada
        | points | 100 |
      And RedeemLoyaltyPoints goes to customer @ada
        | points          | 100      |
        | redemption_type | discount |
      And ApplyLoyaltyDiscount goes to order @order
        | points         | 100 |
        | discount_cents | 100 |
      When CancelOrder goes to order @order
        | reason | changed my mind |
      Then the stream of inventory @tea becomes
        | StockInitialized    |
        | StockReserved       |
        | ReservationReleased |
      And the last event of inventory @tea is ReservationReleased
        | order_id      | @cart |
        | quantity      | 2     |
        | new_available | 10    |
        | released_at   | now   |
        | new_on_hand   | 10    |
      And the stream of customer @ada becomes
        | CustomerCreated       |
        | LoyaltyPointsAdded    |
        | LoyaltyPointsRedeemed |
        | LoyaltyPointsAdded    |
      And the last event of customer @ada is LoyaltyPointsAdded
        | points              | 100             |
        | new_balance         | 100             |
        | reason              | order cancelled |
        | new_lifetime_points | 100             |

  Rule: A command takes effect once, and a refused command has no effect

    Scenario: A repeat gets the first reply
      When CancelOrder goes to order @order
        | reason | changed my mind |
      And the same command comes again
      Then it is answered as a repeat
      And OrderCancelled is recorded
        | reason        | changed my mind                                                       |
        | cancelled_at  | now                                                                   |
        | customer_root | @ada                                                                  |
        | items         | product_id: @tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
        | cart_root     | @cart                                                                 |
      And the stream of order @order becomes
        | OrderCreated   |
        | OrderCancelled |
      And the stream of inventory @tea becomes
        | StockInitialized    |
        | StockReserved       |
        | ReservationReleased |

    Scenario: A refused command records nothing
      When SubmitPayment goes to order @order
        | payment_method | card |
        | amount_cents   | 899  |
      Then it is refused as INVALID_ARGUMENT: 900 cents are due, not 899
      And the stream of order @order becomes
        | OrderCreated |
