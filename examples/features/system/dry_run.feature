Feature: Trying a command
  The logic is asked for its decision, now or at an earlier point. Nothing is recorded, so that no saga reacts.

  Background:
    Given CreateOrder goes to order @order
      | customer_id   | Ada                                                                  |
      | items         | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
      | customer_root | @ada                                                                 |
      | cart_root     | @cart                                                                |
    And SubmitPayment goes to order @order
      | payment_method | card |
      | amount_cents   | 900  |

  Scenario: The result is returned but not recorded
    When CancelOrder is tried on order @order
      | reason | what if |
    Then OrderCancelled would be recorded
      | reason        | what if                                                              |
      | cancelled_at  | now                                                                  |
      | customer_root | @ada                                                                 |
      | items         | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
      | cart_root     | @cart                                                                |
    And the stream of order @order becomes
      | OrderCreated     |
      | PaymentSubmitted |

  Scenario: A command that would be refused is refused
    When SubmitPayment is tried on order @order
      | payment_method | card |
      | amount_cents   | 900  |
    Then it is refused as FAILED_PRECONDITION: the payment is already in progress

  Scenario: At an earlier point another payment is possible
    When SubmitPayment is tried on order @order as of sequence 0
      | payment_method | bank transfer |
      | amount_cents   | 900           |
    Then PaymentSubmitted would be recorded
      | payment_method | bank transfer |
      | amount_cents   | 900           |
      | submitted_at   | now           |
