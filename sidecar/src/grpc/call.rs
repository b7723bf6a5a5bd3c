//! What a call brings beside its message: deadline and trace.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::transport::TRACE_PARENT;

/// The most of a caller's deadline that is kept to reply in.
const MARGIN: Duration = Duration::from_millis(100);

/// What a call brings beside its message.
///
/// # Design
/// At the caller's deadline the call is over on both sides, and a reply is lost, with the id of the command to repeat. So what is done for a call has
/// a deadline of its own, a tenth of the time before (at most 100ms), and what does not keep it is given up half way between the two.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// When what is done for the call must have come to its end.
    pub(super) deadline: Instant,
    /// When the reply leaves at the latest.
    cutoff: Instant,
    /// The W3C trace context.
    pub(super) trace_parent: Option<String>,
}

impl Call {
    /// Reads the metadata; a call waits at most as long as `limit`.
    pub(super) fn read(metadata: &MetadataMap, limit: Duration) -> Self {
        let asked = metadata
            .get("grpc-timeout")
            .and_then(|value| value.to_str().ok())
            .and_then(decode_timeout);
        let trace_parent = metadata
            .get(TRACE_PARENT)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let margin = asked.map_or(MARGIN, |asked| MARGIN.min(asked / 10));
        let within = asked.map_or(limit, |asked| limit.min(asked - margin));
        let deadline = Instant::now() + within;
        Self {
            deadline,
            cutoff: deadline + margin / 2,
            trace_parent,
        }
    }

    /// Awaits work that may write to the store, but no longer than a reply is of use.
    ///
    /// # Errors
    /// DEADLINE_EXCEEDED when the work was given up, with an unknown outcome.
    pub(super) async fn bound<T>(&self, work: impl Future<Output = T>) -> Result<T, Status> {
        let ended = timeout_at(self.cutoff, work).await;
        ended.map_err(|_| {
            Status::deadline_exceeded(
                "the store did not reply before the deadline; whether the command took effect is unknown, repeat it with the same id",
            )
        })
    }
}

/// Reads a gRPC timeout: up to eight digits and a unit.
fn decode_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_digits_and_a_unit() {
        let cases = [
            ("5S", Some(Duration::from_secs(5))),
            ("250m", Some(Duration::from_millis(250))),
            ("1H", Some(Duration::from_secs(3_600))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("123456789S", None),
            ("S", None),
            ("", None),
            ("5x", None),
            ("5é", None),
        ];
        for (text, expected) in cases {
            assert_eq!(decode_timeout(text), expected, "{text}");
        }
    }

    #[test]
    fn no_call_waits_longer_than_the_limit() {
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", "1H".parse().unwrap());
        let call = Call::read(&metadata, Duration::from_secs(30));
        assert!(call.deadline <= Instant::now() + Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_leaves_before_the_caller_stops_waiting() {
        for millis in [0, 1, 10, 1_000, 20_000] {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", format!("{millis}m").parse().unwrap());
            let given_up = Instant::now() + Duration::from_millis(millis);
            let call = Call::read(&metadata, Duration::from_secs(30));
            assert!(call.deadline <= call.cutoff && call.cutoff <= given_up);
            let stalled = call.bound(std::future::pending::<()>()).await;
            assert_eq!(stalled.unwrap_err().code(), tonic::Code::DeadlineExceeded);
        }
    }
}
