//! Processes that end with this one.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc;

/// Starts a program that asks the kernel for a signal at the death of its parent (`setpriv --pdeathsig`).
///
/// The kernel sends the signal when the thread that started the program ends, so that is a thread that lives as long as the process.
///
/// # Errors
/// The program cannot be started.
pub fn spawn(mut command: Command) -> io::Result<Child> {
    let (started, child) = mpsc::channel();
    std::thread::spawn(move || {
        // The caller waits for it.
        let _ = started.send(command.spawn());
        loop {
            std::thread::park();
        }
    });
    child.recv().expect("the thread sends before it parks")
}
