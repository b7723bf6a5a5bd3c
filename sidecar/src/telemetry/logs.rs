//! Logs on the standard error stream.

use std::io::IsTerminal;

use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::settings::{LogFormat, LogSettings};

/// Starts to log.
///
/// # Errors
/// Logging was started before.
pub fn start_logs(settings: &LogSettings) -> Result<(), TryInitError> {
    let is_terminal = std::io::stderr().is_terminal();
    let is_json = match settings.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !is_terminal,
    };
    let registry = tracing_subscriber::registry().with(settings.filter.clone());
    if is_json {
        let lines = fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(std::io::stderr);
        registry.with(lines).try_init()
    } else {
        let lines = fmt::layer()
            .with_ansi(is_terminal)
            .with_writer(std::io::stderr);
        registry.with(lines).try_init()
    }
}
