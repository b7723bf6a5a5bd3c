//! What a call brings beside its message: deadline and trace.

use std::time::Duration;

use tokio::time::Instant;
use tonic::metadata::MetadataMap;

use crate::transport::TRACE_PARENT;

/// What a call brings beside its message.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// When the caller stops waiting.
    pub(super) deadline: Instant,
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
        Self {
            deadline: Instant::now() + asked.unwrap_or(limit).min(limit),
            trace_parent,
        }
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
}
