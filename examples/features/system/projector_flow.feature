Feature: Projections
  The web projector is synchronous: a client that waits for projections gets the order as shown on the page.

  Background:
    Given CreateOrder goes to order @order
      | customer_id   | Ada                                                                     |
      | items         | product_id: tea, name: Tea & scones, quantity: 2, unit_price_cents: 450 |
      | customer_root | @ada                                                                    |
      | cart_root     | @cart                                                                   |

  Scenario: The reply to a command has the order as shown on the page
    When SubmitPayment goes to order @order and waits for the projections
      | payment_method | card |
      | amount_cents   | 900  |
    Then the projection of web is OrderView
      | order_root     | @order                                                                  |
      | customer_id    | Ada                                                                     |
      | items          | product_id: tea, name: Tea & scones, quantity: 2, unit_price_cents: 450 |
      | subtotal_cents | 900                                                                     |
      | total_cents    | 900                                                                     |
      | status         | ORDER_STATUS_PAYMENT_SUBMITTED                                          |
      | created_at     | now                                                                     |
      | updated_at     | now                                                                     |
    And the page shows order @order as paid, not confirmed

  Scenario: The page is updated without a waiting client
    When CancelOrder goes to order @order
      | reason | changed my mind |
    Then the page shows order @order as cancelled

  @serial
  Scenario: The page is complete after its sidecar was killed
    When the sidecar of web is killed
    And CancelOrder goes to order @order
      | reason | changed my mind |
    Then the page shows order @order as cancelled
