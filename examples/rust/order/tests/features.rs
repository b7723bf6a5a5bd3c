//! Runs the features of `order` against the program, or against the command in `SHOP_ORDER`.

use std::process::ExitCode;

fn main() -> ExitCode {
    shop_features::run("order", "order", env!("CARGO_BIN_EXE_shop-order"))
}
