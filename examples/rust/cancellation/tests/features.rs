//! Runs the features of `cancellation` against the program, or against the command in `SHOP_CANCELLATION`.

use std::process::ExitCode;

fn main() -> ExitCode {
    shop_features::run(
        "cancellation",
        "saga_cancellation",
        env!("CARGO_BIN_EXE_shop-cancellation"),
    )
}
