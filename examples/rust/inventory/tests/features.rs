//! Runs the features of `inventory` against the program, or against the command in `SHOP_INVENTORY`.

use std::process::ExitCode;

fn main() -> ExitCode {
    shop_features::run(
        "inventory",
        "inventory",
        env!("CARGO_BIN_EXE_shop-inventory"),
    )
}
