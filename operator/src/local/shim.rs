//! The step between this process and a child: it asks the kernel to be killed when this process dies, then becomes the child's program.
//!
//! # Design
//! The request is lost on `fork` and kept on `exec`, so it must be made in the child. A hook between the two would be unsafe code; starting
//! ourselves as a small program that asks and then execs needs none. A parent that died before the request is recognised by the parent's id.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, bail};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// The name of the subcommand.
pub(crate) const NAME: &str = "shim";

/// Becomes the given program. Returns only when that fails.
pub(crate) fn run(parent: u32, words: &[OsString]) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .context("ask to be ended with the parent")?;
    let is_orphan =
        getppid().is_none_or(|now| u32::try_from(now.as_raw_nonzero().get()) != Ok(parent));
    if is_orphan {
        bail!("the parent {parent} has ended");
    }
    let [program, arguments @ ..] = words else {
        bail!("name a program to run")
    };
    let failure = Command::new(program).args(arguments).exec();
    Err(failure).with_context(|| format!("start {}", program.display()))
}
