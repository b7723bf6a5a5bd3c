//! The wall clock, for what is shown to people; order and deduplication never depend on it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::Timestamp;

/// Tells the time of day.
///
/// # Guarantees
/// - None on order: the clock may jump.
///
/// # Errors
/// None.
///
/// ```
/// use angzarr_coordinator::port::clock::{Clock, SystemClock};
/// assert!(SystemClock.now().seconds > 1_600_000_000);
/// ```
pub trait Clock: Send + Sync {
    /// The time in UTC.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(since.subsec_nanos()).expect("nanoseconds are below a billion"),
        }
    }
}
