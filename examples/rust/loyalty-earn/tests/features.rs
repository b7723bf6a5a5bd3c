//! Runs the features of `loyalty-earn` against the program, or against the command in `SHOP_LOYALTY_EARN`.

use std::process::ExitCode;

fn main() -> ExitCode {
    shop_features::run(
        "loyalty-earn",
        "saga_loyalty_earn",
        env!("CARGO_BIN_EXE_shop-loyalty-earn"),
    )
}
