//! Runs the customer's features against the program, or against the command in `SHOP_CUSTOMER`.

use std::process::ExitCode;

fn main() -> ExitCode {
    shop_features::run("customer", "customer", env!("CARGO_BIN_EXE_shop-customer"))
}
