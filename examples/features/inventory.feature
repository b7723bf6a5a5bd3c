Feature: Stock and reservations
  The shop tracks the stock of each product and how much of it is reserved. A reservation has a key, and its quantity is the
  total for that key, so that a repeated request for the same total changes nothing.

  Background:
    Given the inventory aggregate

  Rule: The stock of a product is initialized once

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

    Scenario: The initial stock may be 0, without a threshold
      When InitializeStock is asked for
        | product_id | tea |
      Then StockInitialized is recorded
        | product_id     | tea |
        | quantity       | 0   |
        | initialized_at | now |

    Scenario: A second initialization is refused
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      When InitializeStock is asked for
        | product_id | tea |
        | quantity   | 40  |
      Then it is refused as FAILED_PRECONDITION: the stock of the product is already initialized

    Scenario: Stock without a product is refused
      When InitializeStock is asked for
        | quantity | 40 |
      Then it is refused as INVALID_ARGUMENT: stock needs a product

    Scenario: A negative stock is refused
      When InitializeStock is asked for
        | product_id | tea |
        | quantity   | -1  |
      Then it is refused as INVALID_ARGUMENT: the quantity must not be negative

    Scenario: A negative threshold is refused
      When InitializeStock is asked for
        | product_id          | tea |
        | quantity            | 40  |
        | low_stock_threshold | -1  |
      Then it is refused as INVALID_ARGUMENT: the threshold must not be negative

  Rule: Deliveries are added to the stock

    Scenario: A delivery arrives
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

    Scenario: A delivery for stock that is not initialized is refused
      When ReceiveStock is asked for
        | quantity | 10 |
      Then it is refused as FAILED_PRECONDITION: the stock of the product is not initialized

    Scenario: A delivery that overflows the stock is refused
      Given StockInitialized happened
        | product_id | tea        |
        | quantity   | 2147483647 |
      When ReceiveStock is asked for
        | quantity | 1 |
      Then it is refused as INVALID_ARGUMENT: the stock cannot hold that many

  Rule: Only what is available can be reserved

    Scenario: Part of the stock is reserved
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

    Scenario: All of the stock is reserved
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

    Scenario: Reserved stock is not available for another reservation
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

    Scenario: A larger total reserves only the difference
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

    Scenario: A smaller total releases the difference
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

    Scenario: A reservation without an order is refused
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      When ReserveStock is asked for
        | quantity | 3 |
      Then it is refused as INVALID_ARGUMENT: a reservation needs an order

    Scenario: A reservation of stock that is not initialized is refused
      When ReserveStock is asked for
        | quantity | 3      |
        | order_id | cart-1 |
      Then it is refused as FAILED_PRECONDITION: the stock of the product is not initialized

  Rule: The shop is warned when the stock is low

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

    Scenario: At the threshold there is no warning
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

    Scenario: The warning is not repeated
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

    Scenario: A committed reservation reduces the stock
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

    Scenario: A released reservation cannot be released again
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

    Scenario: A committed reservation cannot be released
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

    Scenario: A commit without a reservation is refused
      Given StockInitialized happened
        | product_id | tea |
        | quantity   | 40  |
      When CommitReservation is asked for
        | order_id | cart-1 |
      Then it is refused as FAILED_PRECONDITION: nothing is reserved for the order

    Scenario Outline: <command> needs a product that is counted
      When <command> is asked for
        | order_id | cart-1 |
      Then it is refused as FAILED_PRECONDITION: the stock of the product is not initialized

      Examples:
        | command            |
        | ReleaseReservation |
        | CommitReservation  |

    Scenario: A delivery after a commit is added to the remaining stock
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

  Rule: A snapshot is requested every fifty events

    Scenario: The fiftieth event requests a snapshot
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

    Scenario: Reservations continue from the snapshot
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

    Scenario: The event count continues from the snapshot
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
