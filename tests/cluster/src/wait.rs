//! Waiting for a condition with a deadline.

use std::time::Duration;

use angzarr_servers::WITHIN;
use tokio::time::{Instant, sleep};

/// Asks until there is an answer.
///
/// # Panics
/// When there is none in time; the message has the last reason that `ask` returned.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + WITHIN;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(reason) => assert!(Instant::now() < deadline, "{what} took too long: {reason}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}
