//! Where the programs of the shop are, once cargo has built them.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// The programs of the shop and of Angzarr.
const PROGRAMS: [&str; 9] = [
    "angzarr",
    "angzarr-sidecar",
    "shop-customer",
    "shop-inventory",
    "shop-order",
    "shop-loyalty-earn",
    "shop-cancellation",
    "shop-web",
    "shop-logging",
];

/// The `PATH` with the folder of cargo's programs first. In a test, it is the folder of that test.
///
/// # Errors
/// A program is not built.
pub fn path_of_programs() -> Result<OsString> {
    let own = env::current_exe().context("find the own program")?;
    let built = own.ancestors().nth(2).context("find the programs")?;
    for program in PROGRAMS {
        ensure!(
            built.join(program).exists(),
            "{program} is not built; run `make features`"
        );
    }
    let others = env::var_os("PATH").unwrap_or_default();
    let folders = [PathBuf::from(built)].into_iter();
    env::join_paths(folders.chain(env::split_paths(&others))).context("put the programs first")
}
