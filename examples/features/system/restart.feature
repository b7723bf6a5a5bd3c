Feature: The shop continues where it was stopped
  Everything is stopped and started again with the same data: events, command ids, and the progress of each consumer.

  Background:
    Given CreateCustomer goes to customer @ada
      | name  | Ada Lovelace    |
      | email | ada@example.org |
    And InitializeStock goes to inventory @tea
      | product_id | @tea |
      | quantity   | 10   |
    And ReserveStock goes to inventory @tea
      | quantity | 1     |
      | order_id | @cart |
    And CreateOrder goes to order @order
      | customer_id   | @ada                                                                  |
      | items         | product_id: @tea, name: Green tea, quantity: 1, unit_price_cents: 450 |
      | customer_root | @ada                                                                  |
      | cart_root     | @cart                                                                 |

  @serial
  Scenario: An order is paid before the stop and confirmed after it
    When SubmitPayment goes to order @order
      | payment_method | card |
      | amount_cents   | 450  |
    And the shop is stopped and started again
    And the same command comes again
    Then it is answered as a repeat
    When ConfirmPayment goes to order @order
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
    And the page shows order @order as completed
