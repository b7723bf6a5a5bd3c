Feature: Stock and reservations
  The shop counts what is there and what of it is promised. A reservation belongs to a key, and its quantity is always the
  total for that key: whoever asks for the same total twice gets it once.

  Background:
    Given the inventory aggregate

  Rule: A product is counted from its first stock on

    Scenario: The first stock of a product
      When InitializeStock is asked for
        | product_id          | tea |
        | quantity            | 40  |
        | low_stock_threshold | 5   |
      Then StockInitialized is recorded
        | product_id          | tea |
        | quantity            | 40  |
        | low_stock_threshold | 5   |
        | initialized_at      | now |

    Scenario: A product may start with nothing and without a threshold
      When InitializeStock is asked for
        | product_id | tea |
      Then StockInitialized is recorded
        | product_id     | tea |
        | quantity       | 0   |
        | initialized_at | now |

    Scenario: A product is not counted twice
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      When InitializeStock is asked for
        | product_id | tea |
        | quantity   | 40  |
      Then it is refused as FAILED_PRECONDITION: the product is counted already

    Scenario: Stock of nothing is refused
      When InitializeStock is asked for
        | quantity | 40 |
      Then it is refused as INVALID_ARGUMENT: stock needs a product

    Scenario: A negative stock is refused
      When InitializeStock is asked for
        | product_id | tea |
        | quantity   | -1  |
      Then it is refused as INVALID_ARGUMENT: the quantity must not be below 0

    Scenario: A negative threshold is refused
      When InitializeStock is asked for
        | product_id          | tea |
        | quantity            | 40  |
        | low_stock_threshold | -1  |
      Then it is refused as INVALID_ARGUMENT: the threshold must not be below 0

  Rule: Deliveries are added to what is there

    Scenario: A delivery comes in
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      When ReceiveStock is asked for
        | quantity  | 10       |
        | reference | ship 117 |
      Then StockReceived is recorded
        | quantity    | 10       |
        | new_on_hand | 50       |
        | reference   | ship 117 |
        | received_at | now      |

    Scenario Outline: A delivery of <quantity> is refused
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      When ReceiveStock is asked for
        | quantity | <quantity> |
      Then it is refused as INVALID_ARGUMENT: the quantity must be more than 0

      Examples:
        | quantity |
        | 0        |
        | -3       |

    Scenario: A delivery of what is not counted is refused
      When ReceiveStock is asked for
        | quantity | 10 |
      Then it is refused as FAILED_PRECONDITION: the product is not counted

    Scenario: A delivery that cannot be counted is refused
      Given StockInitialized happened
        | product_id | tea        |
        | quantity   | 2147483647 |
      When ReceiveStock is asked for
        | quantity | 1 |
      Then it is refused as INVALID_ARGUMENT: the stock cannot hold that many

  Rule: Only what is available can be reserved

    Scenario: Some are reserved
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      When ReserveStock is asked for
        | quantity | 3      |
        | order_id | cart-1 |
      Then StockReserved is recorded
        | quantity      | 3      |
        | order_id      | cart-1 |
        | new_available | 37     |
        | reserved_at   | now    |
        | new_reserved  | 3      |
        | new_on_hand   | 40     |

    Scenario: All are reserved
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      When ReserveStock is asked for
        | quantity | 40     |
        | order_id | cart-1 |
      Then StockReserved is recorded
        | quantity      | 40     |
        | order_id      | cart-1 |
        | new_available | 0      |
        | reserved_at   | now    |
        | new_reserved  | 40     |
        | new_on_hand   | 40     |

    Scenario: What one has reserved is not there for another
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      And StockReserved happened
        | quantity     | 30     |
        | order_id     | cart-1 |
        | new_reserved | 30     |
      When ReserveStock is asked for
        | quantity | 11     |
        | order_id | cart-2 |
      Then it is refused as FAILED_PRECONDITION: 10 are available, not 11

    Scenario: A larger total takes only the difference
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      And StockReserved happened
        | quantity     | 30     |
        | order_id     | cart-1 |
        | new_reserved | 30     |
      When ReserveStock is asked for
        | quantity | 40     |
        | order_id | cart-1 |
      Then StockReserved is recorded
        | quantity      | 40     |
        | order_id      | cart-1 |
        | new_available | 0      |
        | reserved_at   | now    |
        | new_reserved  | 40     |
        | new_on_hand   | 40     |

    Scenario: A smaller total gives the difference back
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      And StockReserved happened
        | quantity     | 30     |
        | order_id     | cart-1 |
        | new_reserved | 30     |
      When ReserveStock is asked for
        | quantity | 4      |
        | order_id | cart-1 |
      Then StockReserved is recorded
        | quantity      | 4      |
        | order_id      | cart-1 |
        | new_available | 36     |
        | reserved_at   | now    |
        | new_reserved  | 4      |
        | new_on_hand   | 40     |

    Scenario: The same total again changes nothing
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      And StockReserved happened
        | quantity     | 30     |
        | order_id     | cart-1 |
        | new_reserved | 30     |
      When ReserveStock is asked for
        | quantity | 30     |
        | order_id | cart-1 |
      Then nothing is recorded

    Scenario Outline: A reservation of <quantity> is refused
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      When ReserveStock is asked for
        | quantity | <quantity> |
        | order_id | cart-1     |
      Then it is refused as INVALID_ARGUMENT: the quantity must be more than 0

      Examples:
        | quantity |
        | 0        |
        | -3       |

    Scenario: A reservation for nobody is refused
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      When ReserveStock is asked for
        | quantity | 3 |
      Then it is refused as INVALID_ARGUMENT: a reservation needs an order

    Scenario: What is not counted cannot be reserved
      When ReserveStock is asked for
        | quantity | 3      |
        | order_id | cart-1 |
      Then it is refused as FAILED_PRECONDITION: the product is not counted

  Rule: The shop is warned when little is left

    Scenario: A reservation takes the stock below the threshold
      Given StockInitialized happened
        | product_id          | tea |
        | quantity            | 10  |
        | low_stock_threshold | 5   |
      When ReserveStock is asked for
        | quantity | 6      |
        | order_id | cart-1 |
      Then StockReserved is recorded
        | quantity      | 6      |
        | order_id      | cart-1 |
        | new_available | 4      |
        | reserved_at   | now    |
        | new_reserved  | 6      |
        | new_on_hand   | 10     |
      And LowStockAlert is recorded
        | product_id | tea |
        | available  | 4   |
        | threshold  | 5   |
        | alerted_at | now |

    Scenario: At the threshold there is still enough
      Given StockInitialized happened
        | product_id          | tea |
        | quantity            | 10  |
        | low_stock_threshold | 5   |
      When ReserveStock is asked for
        | quantity | 5      |
        | order_id | cart-1 |
      Then StockReserved is recorded
        | quantity      | 5      |
        | order_id      | cart-1 |
        | new_available | 5      |
        | reserved_at   | now    |
        | new_reserved  | 5      |
        | new_on_hand   | 10     |

    Scenario: One warning is enough
      Given StockInitialized happened
        | product_id          | tea |
        | quantity            | 10  |
        | low_stock_threshold | 5   |
      And StockReserved happened
        | quantity     | 6      |
        | order_id     | cart-1 |
        | new_reserved | 6      |
      And LowStockAlert happened
        | product_id | tea |
        | available  | 4   |
        | threshold  | 5   |
      When ReserveStock is asked for
        | quantity | 1      |
        | order_id | cart-2 |
      Then StockReserved is recorded
        | quantity      | 1      |
        | order_id      | cart-2 |
        | new_available | 3      |
        | reserved_at   | now    |
        | new_reserved  | 7      |
        | new_on_hand   | 10     |

  Rule: A reservation ends once, by release or by commit

    Scenario: A released reservation is available again
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      And StockReserved happened
        | quantity     | 30     |
        | order_id     | cart-1 |
        | new_reserved | 30     |
      And StockReserved happened
        | quantity     | 2      |
        | order_id     | cart-2 |
        | new_reserved | 32     |
      When ReleaseReservation is asked for
        | order_id | cart-1 |
      Then ReservationReleased is recorded
        | order_id      | cart-1 |
        | quantity      | 30     |
        | new_available | 38     |
        | released_at   | now    |
        | new_reserved  | 2      |
        | new_on_hand   | 40     |

    Scenario: A committed reservation leaves the house
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      And StockReserved happened
        | quantity     | 30     |
        | order_id     | cart-1 |
        | new_reserved | 30     |
      And StockReserved happened
        | quantity     | 2      |
        | order_id     | cart-2 |
        | new_reserved | 32     |
      When CommitReservation is asked for
        | order_id | cart-1 |
      Then ReservationCommitted is recorded
        | order_id     | cart-1 |
        | quantity     | 30     |
        | new_on_hand  | 10     |
        | committed_at | now    |
        | new_reserved | 2      |

    Scenario: What was released cannot be released again
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      And StockReserved happened
        | quantity     | 30     |
        | order_id     | cart-1 |
        | new_reserved | 30     |
      And ReservationReleased happened
        | order_id     | cart-1 |
        | quantity     | 30     |
        | new_reserved | 0      |
        | new_on_hand  | 40     |
      When ReleaseReservation is asked for
        | order_id | cart-1 |
      Then it is refused as FAILED_PRECONDITION: nothing is reserved for the order

    Scenario: What was committed cannot be released
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      And StockReserved happened
        | quantity     | 30     |
        | order_id     | cart-1 |
        | new_reserved | 30     |
      And ReservationCommitted happened
        | order_id    | cart-1 |
        | quantity    | 30     |
        | new_on_hand | 10     |
      When ReleaseReservation is asked for
        | order_id | cart-1 |
      Then it is refused as FAILED_PRECONDITION: nothing is reserved for the order

    Scenario: Nobody commits what was never reserved
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      When CommitReservation is asked for
        | order_id | cart-1 |
      Then it is refused as FAILED_PRECONDITION: nothing is reserved for the order

    Scenario Outline: <command> needs a product that is counted
      When <command> is asked for
        | order_id | cart-1 |
      Then it is refused as FAILED_PRECONDITION: the product is not counted

      Examples:
        | command            |
        | ReleaseReservation |
        | CommitReservation  |

    Scenario: A delivery after a commit adds to what is left
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      And StockReserved happened
        | quantity     | 30     |
        | order_id     | cart-1 |
        | new_reserved | 30     |
      And ReservationCommitted happened
        | order_id    | cart-1 |
        | quantity    | 30     |
        | new_on_hand | 10     |
      When ReceiveStock is asked for
        | quantity | 5 |
      Then StockReceived is recorded
        | quantity    | 5   |
        | new_on_hand | 15  |
        | received_at | now |

  Rule: Every fifty events the state is kept

    Scenario: The fiftieth event asks for a snapshot
      Given StockInitialized happened
        | product_id          | tea |
        | quantity            | 40  |
        | low_stock_threshold | 5   |
      And StockReceived happened 48 times
        | quantity    | 1  |
        | new_on_hand | 90 |
      When ReserveStock is asked for
        | quantity | 2      |
        | order_id | cart-1 |
      Then StockReserved is recorded
        | quantity      | 2      |
        | order_id      | cart-1 |
        | new_available | 88     |
        | reserved_at   | now    |
        | new_reserved  | 2      |
        | new_on_hand   | 90     |
      And a snapshot is asked for as InventoryState
        | product_id          | tea                   |
        | on_hand             | 90                    |
        | reserved            | 2                     |
        | low_stock_threshold | 5                     |
        | reservations        | key: cart-1, value: 2 |

    Scenario: The fifty-first event does not
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      And StockReceived happened 49 times
        | quantity    | 1  |
        | new_on_hand | 90 |
      When ReceiveStock is asked for
        | quantity | 1 |
      Then StockReceived is recorded
        | quantity    | 1   |
        | new_on_hand | 91  |
        | received_at | now |

    Scenario: Reservations go on from the snapshot
      Given StockInitialized happened
        | product_id | tea |
      And all that was kept as InventoryState
        | product_id   | tea                   |
        | on_hand      | 90                    |
        | reserved     | 5                     |
        | reservations | key: cart-1, value: 2 |
        | reservations | key: cart-2, value: 3 |
      And ReservationReleased happened
        | order_id     | cart-2 |
        | quantity     | 3      |
        | new_reserved | 2      |
        | new_on_hand  | 90     |
      When CommitReservation is asked for
        | order_id | cart-1 |
      Then ReservationCommitted is recorded
        | order_id     | cart-1 |
        | quantity     | 2      |
        | new_on_hand  | 88     |
        | committed_at | now    |
        | new_reserved | 0      |

    Scenario: Events are counted on from the snapshot
      Given StockInitialized happened
        | product_id | tea |
      And StockReceived happened 60 times
        | quantity | 1 |
      And all that was kept as InventoryState
        | product_id | tea |
        | on_hand    | 60  |
      And StockReceived happened 38 times
        | quantity    | 1  |
        | new_on_hand | 98 |
      When ReceiveStock is asked for
        | quantity | 1 |
      Then StockReceived is recorded
        | quantity    | 1   |
        | new_on_hand | 99  |
        | received_at | now |
      And a snapshot is asked for as InventoryState
        | product_id | tea |
        | on_hand    | 99  |
