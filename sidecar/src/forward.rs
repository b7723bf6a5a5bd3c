//! Passing a call on to the sidecar that owns the domain.

use std::time::Duration;

use angzarr_coordinator::retry::{Bound, Jitter, Policy, Retries};
use tokio::time::{Instant, sleep, timeout};
use tonic::{Response, Status};

use crate::transport::{Failure, judge};

/// How often a call is made at most.
const MAX_ATTEMPTS: u32 = 4;
/// The pauses between attempts.
const PAUSES: Policy = Policy {
    first: Duration::from_millis(50),
    longest: Duration::from_millis(400),
    jitter: Jitter::Full,
};

/// Makes a call until it is answered, the deadline comes or the attempts are used up. The call must be harmless when repeated: a command has its
/// id before it is passed on.
///
/// # Errors
/// The status of the owner. After an attempt whose outcome is unknown, every error is UNAVAILABLE: that attempt may have taken effect.
pub async fn forward<T, F>(
    deadline: Instant,
    mut call: impl FnMut(Duration) -> F,
) -> Result<T, Status>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let mut is_unknown = false;
    let mut last = Status::deadline_exceeded(
        "the deadline passed before the owner was asked; nothing was stored, and a repeat with the same command id is safe",
    );
    let mut retries = Retries::new(PAUSES, Bound::Attempts(MAX_ATTEMPTS));
    loop {
        let budget = deadline.saturating_duration_since(Instant::now());
        if budget.is_zero() {
            break;
        }
        let status = match timeout(budget, call(budget)).await {
            Ok(Ok(response)) => return Ok(response.into_inner()),
            Ok(Err(status)) => status,
            Err(_) => {
                return Err(Status::deadline_exceeded(
                    "the owner did not reply in time, so the outcome is unknown; a repeat with the same command id is safe",
                ));
            }
        };
        match judge(&status) {
            Failure::Status if is_unknown => return Err(unknown(&status)),
            Failure::Status => return Err(status),
            Failure::Unreachable => {}
            Failure::Broken => is_unknown = true,
        }
        last = Status::unavailable(format!(
            "reach the owner of the domain: {}",
            status.message()
        ));
        let Some(pause) = retries.next_delay() else {
            break;
        };
        sleep(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
    }
    Err(if is_unknown { unknown(&last) } else { last })
}

fn unknown(status: &Status) -> Status {
    Status::unavailable(format!(
        "an attempt broke under way, so whether it took effect is unknown; repeat it with the same id ({})",
        status.message()
    ))
}
