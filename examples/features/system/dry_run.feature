Feature: Trying a command
  The logic is asked what it would answer, now or at an earlier point. Nothing is recorded, so nothing follows.

  Background:
    Given CreateOrder goes to order @order
      | customer_id   | Ada                                                                  |
      | items         | product_id: tea, name: Green tea, quantity: 2, unit_price_cents: 450 |
      | customer_root | @ada                                                                 |
      | cart_root     | @cart                                                                |
    And SubmitPayment goes to order @order
      | payment_method | card |
      | amount_cents   | 900  |

  Scenario: What would happen is told and does not happen
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

  Scenario: What would be refused is refused
    When SubmitPayment is tried on order @order
      | payment_method | card |
      | amount_cents   | 900  |
    Then it is refused as FAILED_PRECONDITION: the payment is under way already

  Scenario: Before the payment another one was possible
    When SubmitPayment is tried on order @order as of sequence 0
      | payment_method | bank transfer |
      | amount_cents   | 900           |
    Then PaymentSubmitted would be recorded
      | payment_method | bank transfer |
      | amount_cents   | 900           |
      | submitted_at   | now           |
